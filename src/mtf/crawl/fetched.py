"""What became of one address, and the picture that it gave."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from mtf.crawl.failure import Failed, is_retriable
from mtf.crawl.pages import Page
from mtf.crawl.reservations import Headers
from mtf.crawl.sniff import Kind
from mtf.crawl.spool import Reader
from mtf.sources.candidate import Candidate
from mtf.tables import Fetched


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that may be stored, with the page it was found on and its row of the table of evidence.

    `content_hash` is its perceptual hash, where that was asked for; `earlier` are the rows of evidence by which each
    earlier statement of its source was first seen, oldest first (`mtf.crawl.earlier`).
    """

    image_id: str
    url: str
    kind: Kind
    size_bytes: int
    read: Reader
    headers: Headers
    page: Page
    evidence: dict[str, Any]
    content_hash: int | None = None
    earlier: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Fetch:
    """One row of the table of fetches. `picture` is there where its bytes are; `attempts` counts the runs in which
    it, or the page of a picture that is here, was asked for: what was held back before that is no attempt.
    """

    candidate: Candidate
    outcome: Fetched
    attempts: int
    fetched_at: datetime
    detail: str | None = None
    http_status: int | None = None
    image_id: str | None = None
    size_bytes: int | None = None
    picture: Picture | None = None

    def is_to_be_tried_again(self, attempts: int) -> bool:
        """Whether it, or the page of its picture, failed in a way that may pass, fewer than `attempts` times."""
        if self.outcome == Fetched.STORED:
            failed = self.picture is not None and self.picture.page.is_retriable
        else:
            failed = is_retriable(self.outcome, self.http_status)
        return failed and self.attempts < attempts


def failed(candidate: Candidate, failure: Failed, attempts: int) -> Fetch:
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
        return replace(fetch, outcome=Fetched.STORED, detail=None)
    return replace(fetch, outcome=Fetched.DUPLICATE, detail=f"same bytes as {url}", picture=None)
