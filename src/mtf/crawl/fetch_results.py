"""What became of one address, and the picture that it gave.

What a picture's source stated before: the row of evidence by which each of its statements was first seen.

A page that is asked again takes the earlier one's place. Whoever received a picture under a Creative Commons license
keeps it, whatever the page says today: so the first row of every statement stays, with its day and the digest of the
answer. An identity's shard holds these rows in `earlier.parquet`; one without any is left as it is.

What came of a crawl, in words, from its metrics alone.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from mtf import schemas
from mtf.core import shards
from mtf.crawl.page_client import FetchedPage
from mtf.crawl.signals_client import Headers
from mtf.crawl.sniffing import ImageFormat
from mtf.crawl.spool import Reader
from mtf.schemas import EvidenceStatus, FetchOutcome
from mtf.sources.candidate import Candidate
from mtf.sources.fetch_failure import FetchFailed, is_retriable


@dataclass(frozen=True, slots=True)
class FetchedPicture:
    """A picture that may be stored, with the page it was found on and its row of the table of evidence.

    `content_hash` is its perceptual hash, where that was asked for; `earlier` are the rows of evidence by which each
    earlier statement of its source was first seen, oldest first (`mtf.crawl.fetch_results`).
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
    earlier: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Fetch:
    """One row of the table of fetches. `picture` is there where its bytes are; `attempts` counts the runs in which
    it, or the page of a picture that is here, was asked for: what was held back before that is no attempt.
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

    def is_to_be_tried_again(self, attempts: int) -> bool:
        """Whether it, or the page of its picture, failed in a way that may pass, fewer than `attempts` times."""
        if self.outcome == FetchOutcome.STORED:
            failed = self.picture is not None and self.picture.page.is_retriable
        else:
            failed = is_retriable(self.outcome, self.http_status)
        return failed and self.attempts < attempts


def failed(candidate: Candidate, failure: FetchFailed, attempts: int) -> Fetch:
    """The row of an address that gave no picture, after `attempts` requests."""
    return Fetch(
        candidate,
        failure.outcome,
        attempts,
        datetime.now(UTC),
        failure.detail,
        failure.http_status,
        failure.image_id,
    )


def each_content_once(fetches: Iterable[Fetch], *, before: Iterable[str] = ()) -> list[Fetch]:
    """The same fetches, where of those with the same content one is STORED and the others are its duplicates.

    The one is whichever was stored `before` (addresses), else the first.
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


EARLIER_STATEMENTS = "earlier.parquet"
# Two rows that agree in these say the same.
_SAID = ("stated", "license", "opt_out")

Row = dict[str, Any]


def remembered_statements(picture: FetchedPicture, earlier: Fetch | None) -> FetchedPicture:
    """`picture` with what was stated of it before, by `earlier`, the same address's fetch of an earlier run.

    Where its source was not asked again, the statement may be read anew, but nothing new was said.
    """
    before = None if earlier is None else earlier.picture
    if before is None or before.image_id != picture.image_id:
        return picture
    is_asked_again = before.evidence["checked_at"] != picture.evidence["checked_at"]
    return replace(picture, earlier=_with(before.earlier, before.evidence) if is_asked_again else before.earlier)


def _with(known: tuple[Row, ...], row: Row) -> tuple[Row, ...]:
    says_nothing = row["stated"] in (EvidenceStatus.UNSTATED, EvidenceStatus.UNREACHABLE) and row["opt_out"] is None
    is_known = bool(known) and all(known[-1][name] == row[name] for name in _SAID)
    return known if says_nothing or is_known else (*known, row)


def add_earlier_statements(shard: shards.ShardWriter, pictures: Iterable[FetchedPicture]) -> None:
    """Keep the pictures' earlier rows in a shard."""
    rows = [row for picture in pictures for row in picture.earlier]
    if not rows:
        return
    buffer = io.BytesIO()
    schemas.frame(schemas.EARLIER, rows).write_parquet(buffer, statistics=False)
    shard.add(EARLIER_STATEMENTS, buffer.getvalue())


def read_earlier_statements(path: Path, members: Mapping[str, tuple[int, int]]) -> pl.DataFrame:
    """The earlier rows (tables.EARLIER) that the shard at `path` keeps."""
    if EARLIER_STATEMENTS not in members:
        return schemas.frame(schemas.EARLIER, [])
    return schemas.frame(schemas.EARLIER, pl.read_parquet(io.BytesIO(shards.read(path, *members[EARLIER_STATEMENTS]))))


def earlier_statements_of(path: Path, members: Mapping[str, tuple[int, int]]) -> dict[str, tuple[Row, ...]]:
    """`read` by image_id, in the order of their days."""
    rows = read_earlier_statements(path, members).sort("checked_at").partition_by("image_id", as_dict=True)
    return {str(image_id): tuple(frame.to_dicts()) for (image_id,), frame in rows.items()}


def retriable_failures(metrics: dict[str, Any]) -> str:
    """What is worth asking for again, from `metrics/crawl.json`; empty where nothing is.

    `dvc repro` runs a stage whose inputs changed, and the web is none of them: whoever shows this says how.
    """
    counts = metrics.get("retriable", metrics.get("may_pass", {}))  # as crawls before 0.2 wrote it
    said = {"addresses": "addresses failed in a way that may pass", "searches": "searches were not completed"}
    return " and ".join(f"{counts[name]:,} {words}" for name, words in said.items() if counts.get(name))
