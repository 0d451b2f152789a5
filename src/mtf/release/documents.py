"""Documents of a release beside its pictures: data set card, datasheet, license note, Croissant description."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from mtf import atomic
from mtf.release import cards, croissant
from mtf.release.card import Card
from mtf.release.classes import MissingClass
from mtf.release.facts import Facts


def write(root: Path, facts: Facts, card: Card, *, license_urls: list[str], absent: Sequence[MissingClass]) -> None:
    """Write the documents to `root`, which already has the metadata tables. `absent`: classes that a split lacks."""
    atomic.write_text(root / "README.md", cards.readme(facts, card, absent=absent))
    atomic.write_text(root / "DATASHEET.md", cards.datasheet(facts, card))
    atomic.write_text(root / "LICENSE.txt", cards.license_note(facts))
    table = next((root / name for name in croissant.TABLES if (root / name).is_file()), None)
    if table is not None:
        digest = hashlib.sha256(table.read_bytes()).hexdigest()
        rows = pl.read_parquet(table)
        described = croissant.described(
            facts, card, rows, name=table.name, table_sha256=digest, license_urls=license_urls
        )
        atomic.write_json(root / croissant.NAME, described)


def remove(root: Path) -> None:
    """Remove the files beside the folders of pictures; all of them are written again."""
    if root.is_dir():
        for path in root.iterdir():
            if path.is_file():
                path.unlink()
