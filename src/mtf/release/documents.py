"""Documents of a release: data set card, datasheet, license note, Croissant description, checksums.

- License, credits, datasheet and card are copied with every export format, since most licenses require that terms and
  authors are passed on with the pictures.
- Checksums are in `SHA256SUMS`, for `sha256sum --check SHA256SUMS`.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl
import yaml

from mtf.core import atomic_files
from mtf.core.errors import BadInput
from mtf.core.hashing import file_digest
from mtf.release import card as cards
from mtf.release import croissant
from mtf.release.card import Card
from mtf.release.facts import Facts
from mtf.release.layout import MissingClass

README = "README.md"
COPIED = ("LICENSE.txt", "CREDITS.md", "CREDITS.html", "DATASHEET.md")
RECALL = "recall"
# Key of the card's header with the paths of the folders, which other formats do not have.
PLACES = "configs"
CHECKSUMS = "SHA256SUMS"


def write_documents(
    root: Path, facts: Facts, card: Card, *, license_urls: list[str], absent: Sequence[MissingClass]
) -> None:
    """Write the documents to `root`, which already has the metadata tables and the withdrawal list.

    `absent`: classes that a split lacks.
    """
    atomic_files.write_text(root / "README.md", cards.readme(facts, card, absent=absent))
    atomic_files.write_text(root / "DATASHEET.md", cards.datasheet(facts, card))
    atomic_files.write_text(root / "LICENSE.txt", cards.license_note(facts))
    table = next((root / name for name in croissant.TABLES if (root / name).is_file()), None)
    if table is not None:
        digest = hashlib.sha256(table.read_bytes()).hexdigest()
        rows = pl.read_parquet(table)
        described = croissant.described(
            facts,
            card,
            rows,
            name=table.name,
            table_sha256=digest,
            withdrawals_sha256=file_digest(root / croissant.WITHDRAWALS),
            license_urls=license_urls,
        )
        atomic_files.write_json(root / croissant.NAME, described)


def remove_documents(root: Path) -> None:
    """Remove the files beside the folders of pictures; all of them are written again."""
    if root.is_dir():
        for path in root.iterdir():
            if path.is_file():
                path.unlink()


def check_enclosed_documents(release: Path) -> None:
    """Check that the release is complete. Raises BadInput if it lacks one of the documents."""
    for name in (README, *COPIED, RECALL):
        if not (release / name).exists():
            raise BadInput(f"{release / name}: no such file; build the release again (`dvc repro`)")


def write_enclosed_documents(release: Path, to: Path, form: str) -> None:
    """Copy the documents to the folder `to`, with a line in the card that names the format `form`."""
    for name in COPIED:
        shutil.copyfile(release / name, to / name)
    shutil.copytree(release / RECALL, to / RECALL)
    _, header, body = (release / README).read_text(encoding="utf-8").split("---\n", 2)
    fields = {key: value for key, value in yaml.safe_load(header).items() if key != PLACES}
    title, _, rest = body.partition("\n\n")
    says = f"This is the form `{form}` of the data set. The folders below are those of the release it was made from."
    text = yaml.safe_dump(fields, sort_keys=False, allow_unicode=True)
    atomic_files.write_text(to / README, f"---\n{text}---\n{title}\n\n{says}\n\n{rest}")


def write_checksums(root: Path, pictures: Mapping[str, str]) -> None:
    """Write the SHA-256 of every file below `root`. `pictures`: path → SHA-256 (hex) of files already hashed."""
    paths = sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())
    digests = {path: pictures.get(path) or file_digest(root / path) for path in paths if path != CHECKSUMS}
    atomic_files.write_text(root / CHECKSUMS, "".join(f"{digest}  {path}\n" for path, digest in digests.items()))
