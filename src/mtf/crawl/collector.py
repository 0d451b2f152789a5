"""One identity's addresses, from candidate to picture.

The order is that of least intrusion. An address that was taken down is never asked for. The picture's page comes
before the picture: where robots.txt, the page's headers, its markup or its site's tdmrep.json reserve this use, the
picture is not asked for at all. What only the picture's own headers say is known when its bytes are here; they are
dropped then. Where the picture's host has an API, its record takes the place of the page
(`mtf.sources.record_evidence`).

Bytes are set aside on disk as soon as they are whole: memory holds those on their way and the one that is examined,
however many wait for the examiner.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar

from mtf.config import Crawl
from mtf.crawl import examination, takedown_filter
from mtf.crawl import fetch_results as earlier_statements
from mtf.crawl.fetch_results import Fetch, FetchedPicture, failed
from mtf.crawl.http_client import HttpFetcher
from mtf.crawl.page_client import FetchedPage, Pages
from mtf.crawl.signals_client import Headers, SignalsClient
from mtf.crawl.spool import Reader, Spool
from mtf.rights.evidence import combination
from mtf.rights.signals import opt_outs as optouts
from mtf.schemas import FetchOutcome
from mtf.schemas.takedown_file import Takedown, Takedowns
from mtf.sources import record_evidence, registry
from mtf.sources.base import LocalSource
from mtf.sources.candidate import Candidate
from mtf.sources.fetch_failure import FAILED_ON_ITS_WAY, FetchFailed
from mtf.sources.local_sources import LocalSources

Result = TypeVar("Result")


@dataclass(frozen=True)
class CrawlContext:
    """What all identities of one run share. `examiner` has one thread: Pillow's warnings are silenced per process."""

    crawl: Crawl
    fetcher: HttpFetcher
    reservations: SignalsClient
    takedowns: Takedowns
    local: LocalSources
    examiner: Executor


@dataclass(frozen=True, slots=True)
class _RawPicture:
    """Where a picture's bytes are, and what came with them."""

    read: Reader
    page: FetchedPage
    stated: combination.Statement
    fetched_at: datetime
    status: int | None = None
    headers: Headers = ()
    opt_outs: tuple[str, ...] = ()
    content_hash: int | None = None


class Collector:
    """Obtains the pictures of one identity; `memory` holds earlier fetches by address.

    With `renew` the pages of pictures that are here already are asked for again, else only those that failed. With
    `judge_anew` what was refused is asked for again, too: the bounds or the code that refused it have changed. What
    failed on its way is asked for as often as `attempts` permits in either case.
    """

    def __init__(
        self,
        identity: str,
        tools: CrawlContext,
        spool: Spool,
        memory: dict[str, Fetch],
        *,
        renew: bool,
        judge_anew: bool,
    ) -> None:
        self._identity = identity
        self._tools = tools
        self._spool = spool
        self._memory = memory
        self._renew = renew
        self._judge_anew = judge_anew
        self._pages = Pages(tools.fetcher, tools.reservations, spool)
        self._asked: set[str] = set()

    async def obtain_all(self, candidates: Iterable[Candidate]) -> list[Fetch]:
        """What becomes of each address, in their order."""
        candidates = list(candidates)
        # What repeats another's picture depends on what becomes of that.
        first = await self._each([candidate for candidate in candidates if not self._repeats(candidate)], set())
        here = {fetch.image_id for fetch in first.values() if fetch.picture is not None}
        others = await self._each([candidate for candidate in candidates if self._repeats(candidate)], here)
        return [(first | others)[candidate.url] for candidate in candidates]

    async def _each(self, candidates: list[Candidate], here: set[str | None]) -> dict[str, Fetch]:
        fetches = await asyncio.gather(*(self._obtain(candidate, here) for candidate in candidates))
        return {fetch.candidate.url: fetch for fetch in fetches}

    def _repeats(self, candidate: Candidate) -> bool:
        earlier = self._memory.get(candidate.url)
        return earlier is not None and earlier.outcome == FetchOutcome.DUPLICATE

    async def _obtain(self, candidate: Candidate, here: set[str | None]) -> Fetch:
        """What becomes of one address. A picture that an earlier run brought is judged anew, not fetched anew.

        `here` are the pictures that are kept in any case: what repeats one of them is left as it is.
        """
        earlier = self._memory.get(candidate.url)
        try:
            self._heed_takedowns(candidate, earlier)
            if earlier is not None and self._stands(candidate, earlier, here):
                return replace(earlier, candidate=candidate, picture=None)
            found = await self._find(candidate, earlier)
            picture = earlier_statements.remembered_statements(await self._picture(candidate, found), earlier)
        except FetchFailed as failure:
            return failed(candidate, failure, self._attempts(candidate, earlier))
        return Fetch(
            candidate,
            FetchOutcome.STORED,
            self._attempts(candidate, earlier),
            found.fetched_at,
            http_status=found.status,
            image_id=picture.image_id,
            size_bytes=picture.size_bytes,
            picture=picture,
        )

    def _attempts(self, candidate: Candidate, earlier: Fetch | None) -> int:
        """In how many runs the address was asked for, this one included."""
        return (0 if earlier is None else earlier.attempts) + (candidate.url in self._asked)

    def _stands(self, candidate: Candidate, earlier: Fetch, here: set[str | None]) -> bool:
        """Whether there is no reason to ask again for what gave no picture of its own the last time."""
        if _is_local(candidate) or earlier.outcome in (FetchOutcome.STORED, FetchOutcome.TAKEN_DOWN):
            return False
        if earlier.outcome in FAILED_ON_ITS_WAY:
            return not earlier.is_to_be_tried_again(self._tools.crawl.attempts)
        is_alike = not self._judge_anew and earlier.candidate.page_url == candidate.page_url
        return is_alike and (earlier.outcome != FetchOutcome.DUPLICATE or earlier.image_id in here)

    async def _find(self, candidate: Candidate, earlier: Fetch | None) -> _RawPicture:
        if _is_local(candidate):
            return await self._on_disk(candidate)
        if earlier is not None and earlier.picture is not None:
            return await self._here_already(candidate, earlier, earlier.picture)
        return await self._on_the_web(candidate)

    async def _on_disk(self, candidate: Candidate) -> _RawPicture:
        """A local picture has no page: the owner's statement in params.yaml holds for all of them."""
        opened = self._tools.local.of(candidate.url)
        if opened is None:
            raise FetchFailed(FetchOutcome.MISSING, "of a folder that params.yaml no longer names")
        data = await self._examiner(opened.read, candidate.url, max_bytes=self._tools.crawl.max_bytes)
        now = datetime.now(UTC)
        return _RawPicture(self._spool.add(data), FetchedPage(None, now), opened.statement(), now)

    async def _on_the_web(self, candidate: Candidate) -> _RawPicture:
        page = await self._page(candidate)
        stated = await self._page_statement(candidate, page)
        read, status, headers = await self._fetched(candidate)
        opt_outs = await self._opt_outs(candidate, headers)
        return _RawPicture(read, page, stated, datetime.now(UTC), status, headers, opt_outs)

    async def _fetched(self, candidate: Candidate) -> tuple[Reader, int, Headers]:
        answer = await self._tools.fetcher.get(
            candidate.url,
            max_bytes=self._tools.crawl.max_bytes,
            permission=self._tools.reservations.permit,
            asked=partial(self._asked.add, candidate.url),
        )
        answer.demand_success()
        return self._spool.add(answer.body), answer.status, tuple(answer.headers.items())

    async def _here_already(self, candidate: Candidate, earlier: Fetch, picture: FetchedPicture) -> _RawPicture:
        page = await self._page_again(candidate, earlier, picture)
        stated = await self._page_statement(candidate, page)
        await self._heed_robots(candidate)
        opt_outs = await self._opt_outs(candidate, picture.headers)
        status, fetched_at = earlier.http_status, earlier.fetched_at
        content_hash = None if self._judge_anew else picture.content_hash
        return _RawPicture(picture.read, page, stated, fetched_at, status, picture.headers, opt_outs, content_hash)

    async def _page(self, candidate: Candidate) -> FetchedPage:
        """The page a picture was found on, or the record of its host in that place."""
        if not record_evidence.is_evidence(candidate):
            return await self._pages.at(candidate.page_url)
        signals = await self._tools.reservations.of_site(str(candidate.page_url), ())
        return _record_page(candidate, tuple(signals))

    async def _page_again(self, candidate: Candidate, earlier: Fetch, picture: FetchedPicture) -> FetchedPage:
        """The page of an earlier picture; where asking for it fails, the earlier one stays."""
        if record_evidence.is_evidence(candidate):
            return await self._page(candidate)
        is_same = picture.url == candidate.url and picture.page.url == candidate.page_url
        if is_same and not self._renew and not earlier.is_to_be_tried_again(self._tools.crawl.attempts):
            return picture.page
        page = await self._pages.at(candidate.page_url)
        if self._pages.was_asked(candidate.page_url):
            self._asked.add(candidate.url)
        is_lost = page.compressed is None and picture.page.compressed is not None
        return picture.page if is_same and is_lost else page

    async def _page_statement(self, candidate: Candidate, page: FetchedPage) -> combination.Statement:
        """What the page says of the picture. Raises Failed(OPTED_OUT) where the page or its site binds us."""
        self._tools.reservations.enforce(page.opt_outs)
        if record_evidence.is_evidence(candidate):
            return record_evidence.statement(candidate)
        if page.url is None:
            return record_evidence.supplemented(combination.Statement(), candidate)
        stated = await asyncio.to_thread(page.statement, candidate.url)
        of_license = await self._tools.reservations.of_rsl(candidate.url, stated.rsl_links)
        stated = replace(stated, opt_out=optouts.joined(stated.opt_out, *of_license))
        self._tools.reservations.enforce([stated.opt_out])
        return record_evidence.supplemented(stated, candidate)

    async def _opt_outs(self, candidate: Candidate, headers: Headers) -> tuple[str, ...]:
        """What is reserved for the picture itself. Raises Failed(OPTED_OUT) where that binds us."""
        reservations = self._tools.reservations
        signals = [
            *await reservations.of_robots(candidate.url),
            *reservations.of_headers(headers),
            *await reservations.of_site(candidate.url, headers),
        ]
        reservations.enforce(signals)
        return tuple(signals)

    async def _heed_robots(self, candidate: Candidate) -> None:
        """A robots.txt that now disallows counts; one that cannot be read now does not undo what is here."""
        try:
            await self._tools.reservations.permit(candidate.url)
        except FetchFailed as failure:
            if failure.outcome == FetchOutcome.OPTED_OUT:
                raise

    def _heed_takedowns(self, candidate: Candidate, earlier: Fetch | None) -> None:
        """Raises Failed(TAKEN_DOWN) where the address, or what it is known to give, was taken down."""
        takedowns = self._tools.takedowns
        request = takedowns.of_address(identity=self._identity, url=candidate.url, page_url=candidate.page_url)
        if request is not None:
            raise _taken_down(request)
        if earlier is None:
            return
        if (request := takedowns.of_image(earlier.image_id)) is not None:
            raise _taken_down(request, image_id=earlier.image_id)
        takedown_filter.refuse_earlier(earlier, takedowns)

    async def _picture(self, candidate: Candidate, found: _RawPicture) -> FetchedPicture:
        """The picture, set aside with its row of evidence. Raises Failed where it is none that may be stored."""
        examined = await self._examiner(examination.examine, found.read, self._tools.crawl)
        if (request := self._tools.takedowns.of_image(examined.image_id)) is not None:
            raise _taken_down(request, image_id=examined.image_id)
        content_hash = await self._content_hash(found)
        takedown_filter.refuse(content_hash, self._tools.takedowns, image_id=examined.image_id)
        return FetchedPicture(
            image_id=examined.image_id,
            url=candidate.url,
            kind=examined.kind,
            size_bytes=examined.size_bytes,
            read=found.read,
            headers=found.headers,
            page=found.page,
            evidence=self._evidence(candidate, found, examined),
            content_hash=content_hash,
        )

    async def _content_hash(self, found: _RawPicture) -> int | None:
        """The picture's perceptual hash, worked out where a takedown asks for such."""
        if found.content_hash is not None or not self._tools.takedowns.perceptual_hashes:
            return found.content_hash
        return await self._examiner(examination.perceptual_hash, found.read, max_pixels=self._tools.crawl.max_pixels)

    async def _examiner(self, work: Callable[..., Result], *arguments: Any, **options: Any) -> Result:
        """`work` in the examiner's thread, which takes one picture after the other."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._tools.examiner, partial(work, *arguments, **options))

    def _evidence(self, candidate: Candidate, found: _RawPicture, examined: examination.Examined) -> dict[str, Any]:
        """The picture's row of the table of evidence."""
        return {
            "identity": self._identity,
            "image_id": examined.image_id,
            "url": candidate.url,
            "page_url": candidate.page_url,
            "claim": candidate.claim,
            "http_status": found.page.status,
            "response_sha256": found.page.sha256,
            "checked_at": found.page.fetched_at,
            **combination.combine(
                candidate.claim,
                found.stated,
                examined.stated,
                unreachable=found.page.detail,
                opt_out=optouts.joined(*found.page.opt_outs, *found.opt_outs),
            ),
        }


def _is_local(candidate: Candidate) -> bool:
    source = registry.find(candidate.source)
    return source is not None and issubclass(source, LocalSource)


def _record_page(candidate: Candidate, opt_outs: tuple[str, ...]) -> FetchedPage:
    """The record in the place of the candidate's page; its body is kept with the records, once for all it names."""
    record = candidate.record
    assert record is not None, "asked only where `is_evidence`"  # noqa: S101
    return FetchedPage(candidate.page_url, record.fetched_at, record.status, sha256=record.sha256, opt_outs=opt_outs)


def _taken_down(request: Takedown, *, image_id: str | None = None) -> FetchFailed:
    return FetchFailed(FetchOutcome.TAKEN_DOWN, f"{request.kind}, asked for on {request.added_at}", image_id=image_id)
