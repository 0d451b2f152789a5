"""Visits: when each picture's source was last asked, and each identity last searched for; and what is due again.

`build/crawl/visits.parquet` has them. An unchanged picture leaves its shard as it is, so that a week without changes
stores and hashes no picture anew. While a crawl runs, each identity's visits are appended to `visits.jsonl`, one object
a line; a killed crawl goes on from there. A crawl of an earlier version has neither file: then the times of its own
tables count.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from mtf import schemas
from mtf.config import Params
from mtf.crawl.fetch_results import Fetch
from mtf.crawl.revisit import Visit
from mtf.schemas import FetchOutcome

TABLE, JOURNAL = "visits.parquet", "visits.jsonl"
_TIMES = ("visited_at", "confirmed_at")

Row = dict[str, Any]


@dataclass
class IdentityVisits:
    """Visits of one identity.

    searched_at: time of its last complete search; None if it is not known.
    pictures: image id → time of the last visit.
    """

    searched_at: datetime | None = None
    pictures: dict[str, datetime] = field(default_factory=dict)


@dataclass(frozen=True)
class Due:
    """What is due at `now`: in whole days, so that a job that starts some seconds earlier than last week's finds it.

    recheck_days: days after which a picture's source is asked again.
    search_days: days after which an identity is searched for again.
    """

    now: datetime
    recheck_days: int
    search_days: int

    @classmethod
    def of(cls, params: Params, *, now: datetime) -> Due:
        """Policy of params.yaml. Evidence that would become too old is asked for in time."""
        oldest = params.licenses.max_evidence_age_days
        days = params.watch.recheck_days if oldest is None else min(params.watch.recheck_days, oldest)
        return cls(now, days, params.watch.search_days)

    def recheck(self, visits: IdentityVisits, fetches: Iterable[Fetch]) -> bool:
        """True if the source of one of the stored pictures was not asked for too long."""
        return any(
            self._days_since(max(visits.pictures.get(picture.image_id, checked_at), checked_at)) >= self.recheck_days
            for fetch in fetches
            if fetch.outcome == FetchOutcome.STORED and (picture := fetch.picture) is not None
            for checked_at in [picture.evidence["checked_at"]]
        )

    def search(self, visits: IdentityVisits, fetches: Iterable[Fetch]) -> bool:
        """True if the identity was not searched for too long. Without a record, its newest fetch counts."""
        times = [visits.searched_at] if visits.searched_at else [fetch.fetched_at for fetch in fetches]
        return not times or self._days_since(max(times)) >= self.search_days

    def _days_since(self, time: datetime) -> int:
        return (self.now.date() - time.astimezone(UTC).date()).days


def append(stage: Path, identity: str, visits: Iterable[Visit], *, searched_at: datetime | None) -> None:
    """Append the visits of one identity to the journal."""
    rows: list[Row] = [asdict(each) for each in visits]
    if searched_at is not None:
        rows.append({"image_id": None, "visited_at": searched_at})
    if not rows:
        return
    lines = "".join(json.dumps({"identity": identity} | row, default=datetime.isoformat) + "\n" for row in rows)
    with (stage / JOURNAL).open("ab", buffering=0) as journal:
        os.write(journal.fileno(), lines.encode("utf-8", "replace"))


def read(stage: Path) -> pl.DataFrame:
    """Table of visits (`schemas.VISITS`), with those of the journal."""
    path = stage / TABLE
    table = schemas.read(schemas.VISITS, path) if path.is_file() else schemas.frame(schemas.VISITS, [])
    journal = list(_journal(stage / JOURNAL))
    if not journal:
        return table
    return pl.concat([table, schemas.frame(schemas.VISITS, journal)]).unique(
        ["identity", "image_id"], keep="last", maintain_order=True
    )


def _journal(path: Path) -> Iterable[Row]:
    """Rows of the journal; a line that a kill cut off is left out."""
    if not path.is_file():
        return
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            row = json.loads(line)
            yield row | {name: datetime.fromisoformat(row[name]) for name in _TIMES if row.get(name)}
        except (ValueError, TypeError, AttributeError):
            continue


def by_identity(table: pl.DataFrame) -> Mapping[str, IdentityVisits]:
    """Identity → its visits."""
    found: dict[str, IdentityVisits] = {}
    for identity, image_id, visited_at in table.select("identity", "image_id", "visited_at").iter_rows():
        visits = found.setdefault(identity, IdentityVisits())
        if image_id is None:
            visits.searched_at = visited_at
        else:
            visits.pictures[image_id] = visited_at
    return found


def write(stage: Path, table: pl.DataFrame, *, images: pl.DataFrame, identities: Iterable[str]) -> pl.DataFrame:
    """Write the table of the visits of `images` and of searches for `identities`, and remove the journal."""
    of_pictures = table.join(images.select("identity", "image_id"), on=["identity", "image_id"], how="semi")
    searches = table.filter(pl.col("image_id").is_null(), pl.col("identity").is_in(list(identities)))
    kept = pl.concat([of_pictures, searches]).sort("identity", "image_id")
    if kept.height or (stage / TABLE).is_file():
        schemas.write(schemas.VISITS, kept, stage / TABLE)
    (stage / JOURNAL).unlink(missing_ok=True)
    return kept


def confirmed(evidence: pl.DataFrame, table: pl.DataFrame) -> pl.DataFrame:
    """Evidence with `checked_at` of the last visit that found the same page or record."""
    times = table.filter(pl.col("confirmed_at").is_not_null(), pl.col("image_id").is_not_null())
    joined = evidence.join(
        times.select("identity", "image_id", "confirmed_at"),
        on=["identity", "image_id"],
        how="left",
        maintain_order="left",
    )
    return joined.with_columns(checked_at=pl.max_horizontal("checked_at", "confirmed_at")).drop("confirmed_at")
