"""Visits: when each picture's source was last asked, and each identity last searched for; and what is due again.

`build/crawl/visits.parquet` has them. An unchanged picture leaves its shard as it is, so that a week without changes
stores and hashes no picture anew. While a crawl runs, each identity's visits are appended to `visits.jsonl`, one object
a line; a killed crawl goes on from there. A crawl of an earlier version has neither file: then the times of its own
tables count.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import polars as pl

from mtf import schemas
from mtf.config import Params
from mtf.crawl.fetch_results import Fetch
from mtf.crawl.revisit import States, Visit, VisitCondition
from mtf.schemas import FetchOutcome, VisitResult

TABLE, JOURNAL = "visits.parquet", "visits.jsonl"
_TIMES = ("visited_at", "confirmed_at")

Row = dict[str, Any]


@dataclass
class IdentityVisits:
    """Visits of one identity.

    searched_at: time of its last complete search; None if it is not known.
    pictures: image id → time of the last visit.
    unchanged: image id → number of visits in a row that found its sources unchanged or gone as before.
    gone: image id → states of page and file at its last visit, of pictures of which one was gone.
    conditions: image id → condition under which nothing has changed since, as text.
    """

    searched_at: datetime | None = None
    pictures: dict[str, datetime] = field(default_factory=dict)
    unchanged: dict[str, int] = field(default_factory=dict)
    gone: dict[str, States] = field(default_factory=dict)
    conditions: dict[str, str] = field(default_factory=dict)

    def condition(self, image_id: str) -> VisitCondition | None:
        """Condition of a picture; None if there is none that this version can read."""
        try:
            return VisitCondition.parse(self.conditions[image_id])
        except (LookupError, ValueError, TypeError):
            return None


@dataclass(frozen=True)
class Due:
    """Policy of what is due at `now`, in whole days: a job that starts some seconds earlier than last week's finds it.

    recheck_days: days after which a picture's sources are asked again; 0 asks at each run.
    recheck_max_days: longest such time, of sources that were found unchanged again and again. Each identity has an own
        day in so many days, on which all its pictures are due together.
    search_days: days after which an identity is searched for again; the first time on its own day, if that is earlier.
    """

    now: datetime
    recheck_days: int
    recheck_max_days: int
    search_days: int

    @classmethod
    def of(cls, params: Params, *, now: datetime) -> Due:
        """Policy of params.yaml. Evidence that would become too old is asked for in time."""
        watch, oldest = params.watch, params.licenses.max_evidence_age_days
        longest = watch.recheck_max_days if oldest is None else min(watch.recheck_max_days, oldest)
        return cls(now, watch.recheck_days, longest, watch.search_days)

    def pictures(self, visits: IdentityVisits, fetches: Iterable[Fetch]) -> frozenset[str]:
        """Image ids of the stored pictures whose sources were not asked for too long."""
        stored = (fetch.picture for fetch in fetches if fetch.outcome == FetchOutcome.STORED)
        return frozenset(
            picture.image_id
            for picture in stored
            if picture
            and self.is_due(picture.evidence["identity"], picture.image_id, picture.evidence["checked_at"], visits)
        )

    def is_due(self, identity: str, image_id: str, checked_at: datetime, visits: IdentityVisits) -> bool:
        """True if the sources of a picture were not asked for too long, or if the identity's own day has come since.

        checked_at: that of its evidence. A picture that was visited within `recheck_days` is not due on the own day.
        """
        visited_at = visits.pictures.get(image_id)
        last = checked_at if visited_at is None else max(visited_at, checked_at)
        day, longest = _day(last), self.recheck_max_days
        days = self._today - day
        if not self.recheck_days or days >= longest:
            return True
        if days < self.recheck_days:
            return False
        if visited_at is not None and days >= self.recheck_days * 2 ** min(visits.unchanged.get(image_id, 0), 12):
            return True
        return self._is_own_day_since(day, identity, every_days=longest)

    @cached_property
    def _today(self) -> int:
        return _day(self.now)

    def _is_own_day_since(self, day: int, identity: str, *, every_days: int) -> bool:
        """True if an own day of the identity lies after `day`. There is one in every `every_days` days.

        It depends on the identity alone: people who were crawled on one day are not all due on one day, and all
        pictures of one person are.
        """
        offset = zlib.crc32(identity.encode()) % every_days
        return (day + offset) // every_days < (self._today + offset) // every_days

    def search(self, visits: IdentityVisits, identity: str, fetches: Iterable[Fetch]) -> bool:
        """True if the identity was not searched for too long. Without a record, its newest fetch counts."""
        return self.is_search_due(visits, identity, max((fetch.fetched_at for fetch in fetches), default=None))

    def is_search_due(self, visits: IdentityVisits, identity: str, fetched_at: datetime | None) -> bool:
        """As `search`. fetched_at: time of the newest fetch; None if there is none."""
        last = visits.searched_at or fetched_at
        if last is None or (days := self._today - (day := _day(last))) >= self.search_days:
            return True
        return days >= self.recheck_days > 0 and self._is_own_day_since(day, identity, every_days=self.search_days)


def _day(time: datetime) -> int:
    """Number of the day of `time` in UTC (`date.toordinal`)."""
    return time.astimezone(UTC).toordinal()


def append(stage: Path, identity: str, visits: Iterable[Visit], *, searched_at: datetime | None) -> None:
    """Append the visits of one identity to the journal."""
    rows: list[Row] = [each.row() for each in visits]
    if searched_at is not None:
        rows.append({"image_id": None, "visited_at": searched_at})
    if not rows:
        return
    lines = "".join(json.dumps({"identity": identity} | row, default=datetime.isoformat) + "\n" for row in rows)
    with (stage / JOURNAL).open("ab", buffering=0) as journal:
        os.write(journal.fileno(), lines.encode("utf-8", "replace"))


def read(stage: Path) -> pl.DataFrame:
    """Table of visits (`schemas.VISITS`), with those of the journal."""
    return with_journal(table(stage), stage)


def table(stage: Path) -> pl.DataFrame:
    """Table of visits at the end of the last run."""
    path = stage / TABLE
    return schemas.read(schemas.VISITS, path) if path.is_file() else schemas.frame(schemas.VISITS, [])


def with_journal(table: pl.DataFrame, stage: Path) -> pl.DataFrame:
    """Table of visits, with those of the journal in place of earlier ones."""
    journal = list(_journal(stage / JOURNAL))
    if not journal:
        return table
    return pl.concat([table, schemas.frame(schemas.VISITS, journal)]).unique(
        ["identity", "image_id"], keep="last", maintain_order=True
    )


def noted(stage: Path) -> frozenset[str]:
    """Identities of the journal: a killed run has visited them, and not gathered their shards."""
    return frozenset(str(row.get("identity")) for row in _journal(stage / JOURNAL))


def counts(stage: Path) -> dict[str, int]:
    """Numbers of the visited pictures of the journal, and of those with a changed or gone page or file."""
    visited = {(row.get("identity"), row["image_id"]): row for row in _journal(stage / JOURNAL) if row.get("image_id")}
    states = [{row.get("page"), row.get("file")} for row in visited.values()]
    return {"pictures": len(states), "unchanged": states.count({VisitResult.UNCHANGED})} | {
        str(state): sum(state in each for each in states) for state in (VisitResult.CHANGED, VisitResult.GONE)
    }


def _journal(path: Path) -> tuple[Row, ...]:
    """Rows of the journal; a line that a kill cut off is left out."""
    if not path.is_file():
        return ()
    state = path.stat()
    return _rows(path, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=1)
def _rows(path: Path, _size_bytes: int, _modified_at_ns: int) -> tuple[Row, ...]:
    """Rows of the journal at `path`, which is read once in each state."""
    found: list[Row] = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            row = json.loads(line)
            found.append(row | {name: datetime.fromisoformat(row[name]) for name in _TIMES if row.get(name)})
        except (ValueError, TypeError, AttributeError):
            continue
    return tuple(found)


def by_identity(table: pl.DataFrame) -> Mapping[str, IdentityVisits]:
    """Identity → its visits."""
    found: dict[str, IdentityVisits] = {}
    columns = ("identity", "image_id", "visited_at", "unchanged_visits", "condition", "page", "file")
    for identity, image_id, visited_at, unchanged, condition, *states in table.select(columns).iter_rows():
        visits = found.setdefault(identity, IdentityVisits())
        if image_id is None:
            visits.searched_at = visited_at
        else:
            visits.pictures[image_id] = visited_at
            visits.unchanged[image_id] = unchanged or 0
            if condition is not None:
                visits.conditions[image_id] = condition
            if VisitResult.GONE in states:
                visits.gone[image_id] = (VisitResult(states[0]), VisitResult(states[1]))
    return found


def write(
    stage: Path,
    table: pl.DataFrame,
    *,
    images: pl.DataFrame,
    identities: Iterable[str],
    settled: Iterable[str],
    made: Iterable[str],
) -> pl.DataFrame:
    """Write the table of the visits of `images` and of searches for `identities`, and remove the journal.

    settled: identities whose shards were as the tables said when the run began. A condition of an earlier run says
        nothing of another shard, and is left out.
    made: identities whose shards were made since, by no visit; their conditions are left out.
    """
    of_pictures = table.join(images.select("identity", "image_id"), on=["identity", "image_id"], how="semi")
    is_known = pl.col("identity").is_in(list(settled)) | _is_noted(stage)
    is_valid = is_known & ~pl.col("identity").is_in(list(made))
    of_pictures = of_pictures.with_columns(condition=pl.when(is_valid).then("condition"))
    searches = table.filter(pl.col("image_id").is_null(), pl.col("identity").is_in(list(identities)))
    kept = pl.concat([of_pictures, searches]).sort("identity", "image_id")
    if kept.height or (stage / TABLE).is_file():
        schemas.write(schemas.VISITS, kept, stage / TABLE)
    (stage / JOURNAL).unlink(missing_ok=True)
    _rows.cache_clear()
    return kept


def _is_noted(stage: Path) -> pl.Expr:
    """True for rows of the journal."""
    keys = [f"{row.get('identity')} {row.get('image_id')}" for row in _journal(stage / JOURNAL)]
    return pl.concat_str("identity", "image_id", separator=" ").is_in(keys)


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
