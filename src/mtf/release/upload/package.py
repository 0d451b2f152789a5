"""Files of one form of a release, checked against its checksums before anything is sent."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mtf.core.errors import BadInput, listed
from mtf.core.hashing import file_digest
from mtf.release.documents import CHECKSUMS, CITATION, README


@dataclass(frozen=True)
class Package:
    """Folder that is uploaded.

    - `folder`: it;
    - `sizes`: path of each file, relative to `folder`, with `/` → number of bytes;
    - `citation`: contents of its CITATION.cff.
    """

    folder: Path
    sizes: dict[str, int]
    citation: dict[str, Any]

    @property
    def total_bytes(self) -> int:
        return sum(self.sizes.values())

    @property
    def title(self) -> str:
        return f"{self.citation['title']} {self.citation['version']}"


def read(folder: Path) -> Package:
    """Package of a complete folder. Raises BadInput if a file is missing, besides, or has other bytes."""
    sums = folder / CHECKSUMS
    if not sums.is_file():
        raise BadInput(f"{sums}: no such file; the release is not complete: build it again (`dvc repro`)")
    digests = {path: digest for digest, path in (line.split("  ", 1) for line in _lines(sums))}
    present = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} - {CHECKSUMS}
    if differing := sorted(present ^ set(digests)):
        raise BadInput(f"{folder}: {listed(differing, 3)}: not as {CHECKSUMS} lists it; build the release again")
    if changed := [path for path, digest in digests.items() if file_digest(folder / path) != digest]:
        raise BadInput(f"{folder}: {listed(changed, 3)}: changed since the release was built; build it again")
    names = [README, *sorted(present - {README}), CHECKSUMS]
    sizes = {name: (folder / name).stat().st_size for name in names}
    return Package(folder, sizes, yaml.safe_load((folder / CITATION).read_text(encoding="utf-8")))


def description(release: Path) -> str:
    """Description of the data set, from the Croissant document of the built release."""
    return json.loads((release / "croissant.json").read_text(encoding="utf-8"))["description"]


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()
