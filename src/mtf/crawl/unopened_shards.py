"""Unopened shards: visits of stored pictures whose page, file and sites are unchanged, without reading their shard.

A visit that finds out all that a shard says of a picture's source leaves a `VisitCondition` in the table of visits. If
the servers answer 304 to it, and the sites' own files have the same bytes, then nothing about the picture has changed.
Whatever is not as the condition says is left to the visit with the shard (`mtf.crawl.revisit`), with the answers that
were received.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from mtf.crawl import conditional
from mtf.crawl.conditional import GivenAnswer, GivenAnswers
from mtf.crawl.crawl_context import CrawlContext
from mtf.crawl.http_client import HttpAnswer
from mtf.crawl.page_client import MAX_PAGE_BYTES
from mtf.crawl.revisit import Visit, VisitCondition
from mtf.crawl.signals_client import Headers, signal_headers, telling_headers
from mtf.schemas import VisitResult
from mtf.sources.candidate import Candidate
from mtf.sources.fetch_failure import FetchFailed

# A larger body is received again: memory must not hold all pictures of an identity.
_MAX_KEPT_BYTES = 2**20

Address = tuple[str | None, str | None]
"""Page and claim of an address."""


@dataclass(frozen=True, slots=True)
class DuePicture:
    """A stored picture that is due. condition: None if it can only be visited with its shard."""

    image_id: str
    url: str
    condition: VisitCondition | None
    unchanged_visits: int


_Conditional = tuple[DuePicture, VisitCondition]


@dataclass(frozen=True, slots=True)
class UnopenedShard:
    """Due pictures and search of an identity whose shard is as the tables of the stage say.

    addresses: all addresses of the shard, for comparison with a search; None if no search is due.
    """

    pictures: tuple[DuePicture, ...]
    addresses: Mapping[str, Address] | None

    def knows_all(self, found: Iterable[Candidate]) -> bool:
        """True if a search has found nothing that is new: no address, page, claim or record of an API."""
        known = self.addresses or {}
        return all(each.record is None and known.get(each.url, ()) == (each.page_url, each.claim) for each in found)


@dataclass
class UnopenedVisits:
    """Visits of the pictures of one identity.

    visits: those that found everything unchanged, by image id.
    answers: those that were received, by address, for the visit with the shard.
    """

    context: CrawlContext
    visits: dict[str, Visit] = field(default_factory=dict)
    answers: GivenAnswers = field(default_factory=dict)

    async def all(self, pictures: Iterable[DuePicture]) -> None:
        """Visit all pictures that have a condition."""
        pages: dict[str, list[_Conditional]] = {}
        for each in pictures:
            if each.condition is not None:
                pages.setdefault(each.condition.page_url, []).append((each, each.condition))
        await asyncio.gather(*(self._visit_page(url, of_page) for url, of_page in pages.items()))

    async def _visit_page(self, page_url: str, due: list[_Conditional]) -> None:
        """Visit the pictures of one page, unless they were last visited with different versions of it."""
        sites_digest = self.context.signals_client.sites_digest
        due = [each for each in due if await sites_digest(page_url, each[0].url) == each[1].sites]
        versions = {condition.page for _, condition in due}
        if len(versions) != 1:
            return
        confirmed_at = await self._unmodified_at(page_url, versions.pop(), max_bytes=MAX_PAGE_BYTES)
        if confirmed_at is None:
            return
        visits = [self._visit(*each, confirmed_at) for each in due]
        # Most pages have one picture: it needs no task of its own.
        await (visits[0] if len(visits) == 1 else asyncio.gather(*visits))

    async def _visit(self, picture: DuePicture, condition: VisitCondition, confirmed_at: datetime) -> None:
        """Visit a picture whose page is unchanged, as was said at `confirmed_at`."""
        max_bytes = self.context.crawl.max_bytes
        if await self._unmodified_at(picture.url, condition.file, max_bytes=max_bytes) is None:
            return
        self.visits[picture.image_id] = Visit(
            image_id=picture.image_id,
            url=picture.url,
            visited_at=self.context.fetcher.now(),
            page=VisitResult.UNCHANGED,
            file=VisitResult.UNCHANGED,
            unchanged_visits=picture.unchanged_visits + 1,
            confirmed_at=confirmed_at,
            condition=condition,
        )

    async def _unmodified_at(self, url: str, headers: Headers, *, max_bytes: int) -> datetime | None:
        """Time of the request if the answer is a 304 whose headers say the same; else None, and the answer is kept."""
        asked, requested = conditional.validators(headers), set[str]()
        now = self.context.fetcher.now()
        try:
            answer = await self.context.fetcher.get(
                url,
                max_bytes=max_bytes,
                permission=self.context.signals_client.permit,
                headers=asked,
                on_request=partial(requested.add, url),
            )
        except FetchFailed as failure:
            self.answers[url] = GivenAnswer(failure, asked, was_requested=bool(requested))
            return None
        if len(answer.body) <= _MAX_KEPT_BYTES:
            self.answers[url] = GivenAnswer(answer, asked, was_requested=bool(requested))
        if not conditional.is_unmodified(answer, url, asked):
            return None
        return now if _says_the_same(answer, headers) else None


def _says_the_same(answer: HttpAnswer, headers: Headers) -> bool:
    """True if a 304 has no other headers with signals than the earlier answer."""
    if not telling_headers(answer.headers.items()):
        return True
    return signal_headers(conditional.refreshed(headers, answer)) == signal_headers(headers)
