"""License files of a release, as REUSE 3.3 wants them (https://reuse.software/spec-3.3/).

- `LICENSES/ID.txt`: the text of each license, or its address where no text is enclosed with mtf;
- `REUSE.toml`: the license of every file that is no picture;
- `REUSE.toml` two folders above each picture: the licenses of the pictures, which keep those of their originals. The
  most frequent license is that of the folder, and pictures under another are listed. One list for all would take
  `reuse lint` minutes: it compares each path with each.

The texts are those of the SPDX license list.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterable
from importlib import resources
from pathlib import Path

import polars as pl

from mtf.core import atomic_files
from mtf.rights.licenses import catalogue
from mtf.rights.licenses.terms import UNSTATED

FOLDER = "LICENSES"
REUSE = "REUSE.toml"
# License of mtf, of which `recall/recall.py` is a part.
PROGRAM_LICENSE = "Apache-2.0"
AUTHORS = "Authors of the original pictures, named in CREDITS.md"
# Characters that begin a pattern in REUSE.toml.
_PATTERN = re.compile(r"([*\\])")
_PERMITTED = re.compile(r"^[A-Za-z0-9.+-]+$")


def write(root: Path, pictures: pl.DataFrame, *, release_license: str, owner: str) -> None:
    """Write `LICENSES/` and `REUSE.toml` to the release `root`.

    - `pictures`: path and license of each published file; a license is null if the source states none;
    - `release_license`: license of everything else;
    - `owner`: who holds the copyright in everything else.
    """
    shutil.rmtree(root / FOLDER, ignore_errors=True)
    own = _identifier(release_license)
    named = pictures.select(
        "path",
        folder=pl.col("path").map_elements(_folder, pl.String),
        license=pl.col("license").fill_null(UNSTATED).map_elements(_identifier, pl.String),
    )
    for license in sorted({own, PROGRAM_LICENSE, *named["license"]}):
        atomic_files.write_text(root / FOLDER / f"{license}.txt", text_of(license))
    general = [(["**"], owner, own), (["recall/recall.py"], "The authors of mtf", PROGRAM_LICENSE)]
    _write_annotations(root / REUSE, general)
    for (folder,), rows in named.sort("path").partition_by("folder", as_dict=True).items():
        by_license = sorted(rows.partition_by("license", as_dict=True).items(), key=lambda each: -each[1].height)
        inside = pl.col("path").str.strip_prefix(f"{folder}/")
        (most_frequent,), _ = by_license[0]
        _write_annotations(
            root / str(folder) / REUSE,
            [
                # The last annotation that fits a file counts.
                (["**"], AUTHORS, str(most_frequent)),
                # The file itself stands first: a list must not become empty if all pictures are recalled from a copy.
                *(
                    ([REUSE, *each.select(inside)["path"]], AUTHORS, str(license))
                    for (license,), each in by_license[1:]
                ),
            ],
        )


def paths(plan: Iterable[str]) -> set[str]:
    """Paths of the files `REUSE.toml` beside pictures, from the paths of the pictures."""
    return {f"{_folder(path)}/{REUSE}" for path in plan}


def _folder(path: str) -> str:
    """Folder above the one of a picture."""
    return path.rsplit("/", 2)[0]


def text_of(license: str) -> str:
    """Text of a license, or its name and address if no text is enclosed with mtf."""
    text = resources.files("mtf.release").joinpath("license_texts", f"{license}.txt")
    if text.is_file():
        return text.read_text(encoding="utf-8")
    record = catalogue.get(license)
    if record is None or record.url is None:
        return f"{record.name if record else license}\n\nThere is no single text of these terms.\n"
    return f"{record.name}\n\nThe text is at {record.url}\n"


def _identifier(license: str) -> str:
    """License as an SPDX identifier or `LicenseRef-…`; other words become a `LicenseRef-`."""
    if catalogue.get(license) is not None and _PERMITTED.match(license):
        return license
    return "LicenseRef-" + (re.sub(r"[^A-Za-z0-9.]+", "-", license).strip("-") or "Unstated")


def _write_annotations(path: Path, annotations: Iterable[tuple[list[str], str, str]]) -> None:
    """Write a REUSE.toml; an annotation has paths, the owner of the copyright, and the license."""
    text = "".join(_annotation(*each) for each in annotations)
    atomic_files.write_text(path, f"version = 1\n{text}")


def _annotation(paths: list[str], owner: str, license: str) -> str:
    # JSON's strings are TOML's, but for the characters past the basic plane, which stay as they are here.
    quoted = ",\n  ".join(
        json.dumps(path if path == "**" else _PATTERN.sub(r"\\\1", path), ensure_ascii=False) for path in paths
    )
    return (
        f"\n[[annotations]]\npath = [\n  {quoted},\n]\n"
        f"SPDX-FileCopyrightText = {json.dumps(owner, ensure_ascii=False)}\n"
        f"SPDX-License-Identifier = {json.dumps(license)}\n"
    )
