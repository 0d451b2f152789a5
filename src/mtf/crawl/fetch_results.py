"""Fetch results: the outcome of each address, its picture, and the earlier license statements of the picture's source.

A page that is fetched again replaces the earlier one. But a Creative Commons license stays valid once it was granted,
whatever the page states today. So the first row of evidence of each earlier statement is kept in `earlier.parquet` of
the identity's shard, with its date and the digest of the answer. A shard without such rows has no such member.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import polars as pl

from mtf import schemas
from mtf.core import row_tables, shards
from mtf.crawl.page_client import FetchedPage
from mtf.crawl.signals_client import Headers
from mtf.crawl.sniffing import ImageFormat
from mtf.crawl.spool import Reader
from mtf.rights.evidence.statement import Statement
from mtf.rights.signals.preferences import Preference
from mtf.schemas import EvidenceStatus, FetchOutcome
from mtf.sources.candidate import Candidate
from mtf.sources.fetch_failure import FetchFailed, is_retriable

EARLIER_STATEMENTS = "earlier.parquet"
RETRY_COMMAND = "dvc repro --force --single-item crawl"
"""Requests addresses with retriable failures again. A plain `dvc repro` does not: no stage depends on the web."""
# Rows of evidence that agree in these columns make the same statement.
_STATEMENT_COLUMNS = ("stated", "license", "opt_out")

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class FetchedPicture:
    """A picture that may be stored.

    headers: of the response with the picture.
    page: that shows it.
    evidence: its row of the table of evidence.
    content_hash: its perceptual hash; None if no takedown needed it.
    file_statement: of its metadata and C2PA manifest; None in a shard of an older version.
    earlier: first row of evidence of each earlier statement of its source, oldest first.
    """

    image_id: str
    url: str
    kind: ImageFormat
    size_bytes: int
    read: Reader
    headers: Headers
    page: FetchedPage
    evidence: dict[str, Any]
    content_hash: int | None = None
    file_statement: Statement | None = None
    earlier: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Fetch:
    """One row of the table of fetches.

    attempts: runs in which a request for the address, or for the page of a stored picture, was sent.
    picture: None if its bytes are not available.
    preferences: of rights holders, that were heard for this address.
    """

    candidate: Candidate
    outcome: FetchOutcome
    attempts: int
    fetched_at: datetime
    detail: str | None = None
    http_status: int | None = None
    image_id: str | None = None
    size_bytes: int | None = None
    picture: FetchedPicture | None = None
    preferences: tuple[Preference, ...] = ()

    def needs_retry(self, attempts: int) -> bool:
        """True if the address, or its picture's page, has a retriable failure after fewer than `attempts` attempts."""
        if self.outcome == FetchOutcome.STORED:
            failed = self.picture is not None and self.picture.page.is_retriable
        else:
            failed = is_retriable(self.outcome, self.http_status)
        return failed and self.attempts < attempts


def failed(
    candidate: Candidate,
    failure: FetchFailed,
    attempts: int,
    preferences: tuple[Preference, ...] = (),
    *,
    at: datetime,
) -> Fetch:
    """Fetch of an address that gave no picture, after requests in `attempts` runs."""
    return Fetch(
        candidate,
        failure.outcome,
        attempts,
        at,
        failure.detail,
        failure.http_status,
        failure.image_id,
        preferences=tuple(dict.fromkeys((*preferences, *failure.preferences))),
    )


def each_content_once(fetches: Iterable[Fetch], *, before: Iterable[str] = ()) -> list[Fetch]:
    """Fetches in their order; of those with the same bytes one is STORED, the others are its duplicates.

    STORED is the one whose address was stored `before`, else the first.
    """
    fetches = list(fetches)
    stored_before = set(before)
    first: dict[str, str] = {}
    for fetch in sorted(fetches, key=lambda fetch: fetch.candidate.url not in stored_before):
        if fetch.picture is not None:
            first.setdefault(fetch.picture.image_id, fetch.candidate.url)
    return [_stored_or_duplicate(fetch, first) for fetch in fetches]


def _stored_or_duplicate(fetch: Fetch, first: dict[str, str]) -> Fetch:
    if fetch.picture is None:
        return fetch
    url = first[fetch.picture.image_id]
    if url == fetch.candidate.url:
        return replace(fetch, outcome=FetchOutcome.STORED, detail=None)
    return replace(fetch, outcome=FetchOutcome.DUPLICATE, detail=f"same bytes as {url}", picture=None)


def remembered_statements(picture: FetchedPicture, earlier: Fetch | None) -> FetchedPicture:
    """Picture with the earlier statements of its source; `earlier` is the same address's fetch of an earlier run.

    If the source was not fetched again, its row may be parsed again, but this is no new statement.
    """
    before = None if earlier is None else earlier.picture
    if before is None or before.image_id != picture.image_id:
        return picture
    is_rechecked = before.evidence["checked_at"] != picture.evidence["checked_at"]
    return replace(picture, earlier=_appended(before.earlier, before.evidence) if is_rechecked else before.earlier)


def _appended(earlier: tuple[Row, ...], row: Row) -> tuple[Row, ...]:
    is_empty = row["stated"] in (EvidenceStatus.UNSTATED, EvidenceStatus.UNREACHABLE) and row["opt_out"] is None
    is_repeated = bool(earlier) and all(earlier[-1][name] == row[name] for name in _STATEMENT_COLUMNS)
    return earlier if is_empty or is_repeated else (*earlier, row)


def add_earlier_statements(shard: shards.ShardWriter, pictures: Iterable[FetchedPicture]) -> None:
    """Add the pictures' earlier rows of evidence to a shard; without any, nothing is added."""
    rows = [row for picture in pictures for row in picture.earlier]
    if not rows:
        return
    shard.add(EARLIER_STATEMENTS, row_tables.parquet_bytes(rows, schemas.EARLIER.dtypes))


def earlier_statements(tables: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Earlier rows of evidence (`schemas.EARLIER`) among the tables of a shard."""
    return schemas.frame(schemas.EARLIER, tables.get(EARLIER_STATEMENTS, ()))


def by_picture(earlier: pl.DataFrame) -> dict[str, tuple[Row, ...]]:
    """Image id → its earlier rows of evidence, oldest first."""
    found: dict[str, tuple[Row, ...]] = {}
    for row in earlier.sort("checked_at").iter_rows(named=True):
        found[row["image_id"]] = (*found.get(row["image_id"], ()), row)
    return found


def retriable_failures(metrics: dict[str, Any]) -> str:
    """Retriable failures in the figures of `metrics/crawl.json`, in words; empty if there are none.

    A message with them should name RETRY_COMMAND.
    """
    counts = metrics.get("retriable", metrics.get("may_pass", {}))  # as crawls before 0.2 wrote it
    texts = {"addresses": "addresses have retriable failures", "searches": "searches were not completed"}
    return " and ".join(f"{counts[name]:,} {text}" for name, text in texts.items() if counts.get(name))
