"""Versions of a data set as files, compared a range of identities at a time: memory does not grow with the data set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from mtf.release import changes
from mtf.release.changes import Changes, DatasetVersion, Reasons
from mtf.release.facts import Counted
from mtf.schemas.takedown_file import Takedowns

ROWS_AT_ONCE = 1_000_000
"""Rows of all tables of both versions in memory at a time, unless one identity has more."""


@dataclass(frozen=True)
class VersionFiles:
    """Version of a data set: Parquet files in place of the tables of `DatasetVersion`; None for what is not known."""

    data: Path
    faces: Path | None
    exclusions: Path | None
    fetches: Path | None
    decisions: frozenset[str] | None
    roster: frozenset[str] | None
    takedowns: Takedowns | None
    unknown: tuple[str, ...] = ()

    @property
    def tables(self) -> list[Path]:
        return [path for path in (self.data, self.faces, self.exclusions, self.fetches) if path is not None]

    @property
    def columns(self) -> list[str]:
        """Columns of the data set."""
        return list(pl.read_parquet_schema(self.data))

    def part(self, first: str, last: str) -> DatasetVersion:
        """Version with the rows of the identities from `first` to `last` alone, without the ledger."""
        return DatasetVersion(
            data=_rows(self.data, first, last),
            faces=None if self.faces is None else _rows(self.faces, first, last),
            exclusions=None if self.exclusions is None else _rows(self.exclusions, first, last),
            fetches=None if self.fetches is None else _rows(self.fetches, first, last),
            decisions=None,
            roster=self.roster,
            takedowns=self.takedowns,
        )


def between(old: VersionFiles, new: VersionFiles, *, labels: Sequence[str], box_iou: float) -> Changes:
    """Changes from `old` to `new`, as `changes.between` finds them in whole tables."""
    parts = [
        changes.between(old.part(first, last), new.part(first, last), labels=labels, box_iou=box_iou)
        for first, last in _ranges([*old.tables, *new.tables])
    ]
    return Changes(
        identities_added=_joined(part.identities_added for part in parts),
        identities_removed=_joined(part.identities_removed for part in parts),
        taken_down=sum(part.taken_down for part in parts),
        added=_summed(part.added for part in parts),
        removed=_summed(part.removed for part in parts),
        removed_faces=[face for part in parts for face in part.removed_faces],
        moved=_summed(part.moved for part in parts),
        relabelled=_summed(part.relabelled for part in parts),
        decisions=changes.decided(old.decisions, new.decisions),
        unknown=(*old.unknown, *new.unknown),
    )


def _rows(path: Path, first: str, last: str) -> pl.DataFrame:
    return (
        pl.scan_parquet(path)
        .filter(pl.col("identity").is_between(pl.lit(first), pl.lit(last)))
        .collect(engine="streaming")
    )


def _ranges(tables: Iterable[Path]) -> Iterator[tuple[str, str]]:
    """First and last identity of consecutive ranges, of ROWS_AT_ONCE rows at most or of one identity."""
    counts = [pl.scan_parquet(path).group_by("identity").len() for path in tables]
    rows = pl.concat(counts).group_by("identity").agg(pl.col("len").sum()).sort("identity").collect(engine="streaming")
    first, last, held = None, "", 0
    for identity, count in rows.iter_rows():
        if first is not None and held + count > ROWS_AT_ONCE:
            yield first, last
            first, held = None, 0
        first, last, held = first or identity, identity, held + count
    if first is not None:
        yield first, last


def _joined(parts: Iterable[Reasons]) -> Reasons:
    return {name: why for part in parts for name, why in part.items()}


def _summed(parts: Iterable[Counted]) -> Counted:
    counts: Counter[str] = Counter()
    for part in parts:
        counts.update(dict(part))
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))
