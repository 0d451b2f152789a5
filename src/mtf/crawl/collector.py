"""Collector of one identity's pictures, from candidate to stored picture.

The order avoids unwanted requests:

1. An address that was taken down is never requested.
2. The picture's page is requested before the picture. If the host has an API, its record replaces the page
   (`mtf.sources.record_evidence`). If robots.txt, the page's headers, its markup or its site's tdmrep.json reserve this
   use, the picture is not requested.
3. If only the picture's own headers, metadata or C2PA manifest reserve this use, its bytes are dropped.

All preferences of rights holders that were heard on the way are kept with the address.

Bytes are written to disk as soon as they are complete. Memory holds only pictures in transit, and the one that is
examined.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

from mtf.crawl import examination, takedown_filter
from mtf.crawl.crawl_context import CrawlContext
from mtf.crawl.fetch_results import Fetch, FetchedPicture, failed, remembered_statements
from mtf.crawl.page_client import FetchedPage, Pages
from mtf.crawl.revisit import Revisits
from mtf.crawl.signals_client import Headers
from mtf.crawl.spool import Reader, Spool
from mtf.rights.evidence import combination
from mtf.rights.signals import opt_outs as optouts
from mtf.rights.signals.preferences import Preference, located, opt_outs
from mtf.schemas import FetchOutcome
from mtf.sources import record_evidence, registry
from mtf.sources.base import LocalSource
from mtf.sources.candidate import Candidate
from mtf.sources.fetch_failure import RETRIABLE_OUTCOMES, FetchFailed
from mtf.sources.local_sources import SCHEME

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class _RawPicture:
    """A picture before its examination: a reader of its bytes, with its page and response.

    examined: result of an earlier run's examination of the same bytes; None to examine them.
    """

    read: Reader
    page: FetchedPage
    statement: combination.Statement
    fetched_at: datetime
    status: int | None = None
    headers: Headers = ()
    preferences: tuple[Preference, ...] = ()
    content_hash: int | None = None
    examined: examination.Examined | None = None


class Collector:
    """Collector of the pictures of one identity.

    earlier: fetches of an earlier run by address.
    renew: request the pages of stored pictures again; else only pages with a retriable failure.
    judge_anew: request refused addresses again, since the limits or the code that refused them have changed.
    revisits: conditional requests for stored pictures that are due; None makes none.

    Retriable failures are requested again in any case, as often as `attempts` permits.
    """

    def __init__(
        self,
        identity: str,
        context: CrawlContext,
        spool: Spool,
        earlier: dict[str, Fetch],
        *,
        renew: bool,
        judge_anew: bool,
        revisits: Revisits | None = None,
    ) -> None:
        self._identity = identity
        self._context = context
        self._spool = spool
        self._earlier = earlier
        self._renew = renew
        self._judge_anew = judge_anew
        given = None if revisits is None else revisits.given
        self._pages = Pages(context.fetcher, context.signals_client, spool, given)
        self._requested: set[str] = set()
        self._revisits = revisits
        if revisits is not None:
            revisits.requested = self._requested.add
        self._heard: dict[str, dict[Preference, None]] = {}

    async def obtain_all(self, candidates: Iterable[Candidate]) -> list[Fetch]:
        """Fetch of each address, in the candidates' order."""
        candidates = list(candidates)
        # A duplicate is judged last: it depends on the result of the picture with the same bytes.
        first = await self._each([candidate for candidate in candidates if not self._repeats(candidate)], set())
        stored_ids = {fetch.image_id for fetch in first.values() if fetch.picture is not None}
        others = await self._each([candidate for candidate in candidates if self._repeats(candidate)], stored_ids)
        return [(first | others)[candidate.url] for candidate in candidates]

    async def obtain(self, candidate: Candidate) -> Fetch:
        """Fetch of one address."""
        return await self._obtain(candidate, set())

    async def _each(self, candidates: list[Candidate], stored_ids: set[str | None]) -> dict[str, Fetch]:
        fetches = await asyncio.gather(*(self._obtain(candidate, stored_ids) for candidate in candidates))
        return {fetch.candidate.url: fetch for fetch in fetches}

    def _repeats(self, candidate: Candidate) -> bool:
        earlier = self._earlier_fetch(candidate)
        return earlier is not None and earlier.outcome == FetchOutcome.DUPLICATE

    def _earlier_fetch(self, candidate: Candidate) -> Fetch | None:
        """Fetch of the same address in an earlier run; one before version 0.2 names a file by its source's path."""
        earlier = self._earlier.get(candidate.url)
        path_address = None if earlier is not None else self._context.local.path_address(candidate.url)
        return earlier if path_address is None else self._earlier.get(path_address)

    async def _obtain(self, candidate: Candidate, stored_ids: set[str | None]) -> Fetch:
        """Fetch of one address. A picture of an earlier run is judged again, but not fetched again.

        stored_ids: image ids that are stored in any case. An earlier duplicate of one of them stays a duplicate.
        """
        earlier = self._earlier_fetch(candidate)
        self._heard[candidate.url] = {}
        try:
            self._refuse_taken_down(candidate, earlier)
            if earlier is not None and self._is_settled(candidate, earlier, stored_ids):
                return replace(earlier, candidate=candidate, picture=None)
            if earlier is not None and (kept := await self._unchanged(candidate, earlier)) is not None:
                return kept
            raw = await self._find(candidate, earlier)
            picture = remembered_statements(await self._picture(candidate, raw), earlier)
        except FetchFailed as failure:
            attempts, heard = self._attempts(candidate, earlier), tuple(self._heard[candidate.url])
            return failed(candidate, failure, attempts, heard, at=self._context.fetcher.now())
        return Fetch(
            candidate,
            FetchOutcome.STORED,
            self._attempts(candidate, earlier),
            raw.fetched_at,
            http_status=raw.status,
            image_id=picture.image_id,
            size_bytes=picture.size_bytes,
            picture=picture,
            preferences=tuple(self._heard[candidate.url]),
        )

    def _hear(self, candidate: Candidate, preferences: Iterable[Preference]) -> None:
        self._heard[candidate.url] |= dict.fromkeys(preferences)

    def _attempts(self, candidate: Candidate, earlier: Fetch | None) -> int:
        """Number of runs in which the address was requested, this one included."""
        return (0 if earlier is None else earlier.attempts) + (candidate.url in self._requested)

    def _is_settled(self, candidate: Candidate, earlier: Fetch, stored_ids: set[str | None]) -> bool:
        """True if an address that gave no picture of its own need not be requested again."""
        if _is_local(candidate) or earlier.outcome in (FetchOutcome.STORED, FetchOutcome.TAKEN_DOWN):
            return False
        if earlier.outcome in RETRIABLE_OUTCOMES:
            return not earlier.needs_retry(self._context.crawl.attempts)
        is_unchanged = not self._judge_anew and earlier.candidate.page_url == candidate.page_url
        return is_unchanged and (earlier.outcome != FetchOutcome.DUPLICATE or earlier.image_id in stored_ids)

    async def _find(self, candidate: Candidate, earlier: Fetch | None) -> _RawPicture:
        if _is_local(candidate):
            return await self._on_disk(candidate)
        if earlier is not None and earlier.picture is not None:
            return await self._stored(candidate, earlier, earlier.picture)
        return await self._on_the_web(candidate)

    async def _on_disk(self, candidate: Candidate) -> _RawPicture:
        """A local picture. It has no page: the owner's statement in params.yaml holds for all pictures."""
        opened = self._context.local.of(candidate.url)
        if opened is None:
            raise FetchFailed(FetchOutcome.MISSING, "of a folder that params.yaml no longer names")
        data = await self._examiner(opened.read, candidate.url, max_bytes=self._context.crawl.max_bytes)
        now = self._context.fetcher.now()
        return _RawPicture(self._spool.add(data), FetchedPage(None, now), opened.statement(), now)

    async def _on_the_web(self, candidate: Candidate) -> _RawPicture:
        page = await self._page(candidate)
        statement = await self._page_statement(candidate, page)
        read, status, headers = await self._fetched(candidate)
        now = self._context.fetcher.now()
        preferences = await self._opt_outs(candidate, headers, now)
        return _RawPicture(read, page, statement, now, status, headers, preferences)

    async def _fetched(self, candidate: Candidate) -> tuple[Reader, int, Headers]:
        answer = await self._context.fetcher.get(
            candidate.url,
            max_bytes=self._context.crawl.max_bytes,
            permission=self._context.signals_client.picture_permission(),
            on_request=partial(self._requested.add, candidate.url),
        )
        answer.demand_success()
        return self._spool.add(answer.body), answer.status, tuple(answer.headers.items())

    async def _unchanged(self, candidate: Candidate, earlier: Fetch) -> Fetch | None:
        """Fetch of a stored picture of which a revisit finds nothing changed; None for any other."""
        picture = earlier.picture
        if self._revisits is None or picture is None or self._judge_anew or _is_local(candidate):
            return None
        if picture.image_id not in self._revisits.due and candidate == earlier.candidate:
            return earlier
        page = await self._current_page(candidate, earlier, picture)
        kept = await self._revisits.unchanged(candidate, earlier, picture, page)
        await self._note(candidate, picture, page)
        return kept

    async def _note(self, candidate: Candidate, picture: FetchedPicture, page: FetchedPage) -> None:
        """Note the visit of a stored picture. page: of this run, or the stored one if none was received."""
        is_lost = page is picture.page and candidate.page_url is not None
        status = (await self._pages.at(candidate.page_url)).status if is_lost else None
        if self._revisits is not None:
            await self._revisits.note(candidate.url, picture, page, status=status)

    async def _stored(self, candidate: Candidate, earlier: Fetch, picture: FetchedPicture) -> _RawPicture:
        page = await self._current_page(candidate, earlier, picture)
        statement = await self._page_statement(candidate, page)
        await self._refuse_disallowed(candidate)
        status, fetched_at, headers, read = earlier.http_status, earlier.fetched_at, picture.headers, picture.read
        content_hash = None if self._judge_anew else picture.content_hash
        examined = None if self._judge_anew else _examined_before(picture)
        if self._revisits is not None:
            file = await self._revisits.file(candidate, picture)
            headers = file.headers
            if (body := await self._revisits.other_picture(file, picture, self._examiner)) is not None:
                read, content_hash, examined = self._spool.add(body), None, None
                fetched_at, status = file.fetched_at, file.status
            await self._note(candidate, picture, page)
        preferences = await self._opt_outs(candidate, headers, fetched_at)
        return _RawPicture(read, page, statement, fetched_at, status, headers, preferences, content_hash, examined)

    async def _page(self, candidate: Candidate) -> FetchedPage:
        """Page of a picture, or the record of its host in place of the page."""
        if not record_evidence.is_evidence(candidate):
            return await self._pages.at(candidate.page_url)
        of_site = await self._context.signals_client.of_site(str(candidate.page_url), ())
        return _record_page(candidate, tuple(of_site))

    async def _current_page(self, candidate: Candidate, earlier: Fetch, picture: FetchedPicture) -> FetchedPage:
        """Page of a stored picture; if a new request for it fails, the stored page."""
        if record_evidence.is_evidence(candidate):
            return await self._page(candidate)
        is_same = picture.url == candidate.url and picture.page.url == candidate.page_url
        if is_same and not self._renew and not earlier.needs_retry(self._context.crawl.attempts):
            return picture.page
        page = await self._pages.at(candidate.page_url, picture.page if is_same and self._revisits else None)
        if self._pages.was_requested(candidate.page_url):
            self._requested.add(candidate.url)
        is_lost = page.compressed is None and picture.page.compressed is not None
        return picture.page if is_same and is_lost else page

    async def _page_statement(self, candidate: Candidate, page: FetchedPage) -> combination.Statement:
        """License statement of the page. Raises FetchFailed(OPTED_OUT) if page or site have a binding opt-out."""
        self._hear(candidate, page.preferences)
        self._context.signals_client.enforce_texts(page.opt_outs)
        if record_evidence.is_evidence(candidate):
            return record_evidence.statement(candidate)
        if page.url is None:
            return record_evidence.supplemented(combination.Statement(), candidate)
        statement = await asyncio.to_thread(page.statement, candidate.url)
        of_license = await self._context.signals_client.of_rsl(candidate.url, statement.rsl_links)
        statement = replace(statement, opt_out=optouts.joined(statement.opt_out, *opt_outs(of_license)))
        self._hear(candidate, (*statement.preferences, *of_license))
        self._context.signals_client.enforce_texts([statement.opt_out])
        return record_evidence.supplemented(statement, candidate)

    async def _opt_outs(self, candidate: Candidate, headers: Headers, heard_at: datetime) -> tuple[Preference, ...]:
        """Preferences for the picture's own address. Raises FetchFailed(OPTED_OUT) for a binding opt-out."""
        signals_client = self._context.signals_client
        preferences = [
            *await signals_client.of_robots(candidate.url),
            *signals_client.of_headers(headers, url=candidate.url, heard_at=heard_at),
            *await signals_client.of_site(candidate.url, headers),
        ]
        self._hear(candidate, preferences)
        signals_client.enforce(preferences)
        return tuple(preferences)

    async def _refuse_disallowed(self, candidate: Candidate) -> None:
        """Raise FetchFailed(OPTED_OUT) if robots.txt now disallows a stored picture; an unreadable one keeps it."""
        try:
            await self._context.signals_client.permit(candidate.url)
        except FetchFailed as failure:
            if failure.outcome == FetchOutcome.OPTED_OUT:
                raise

    def _refuse_taken_down(self, candidate: Candidate, earlier: Fetch | None) -> None:
        """Raise FetchFailed(TAKEN_DOWN) if the address, or the picture that it gave before, was taken down."""
        context = self._context
        takedown_filter.refuse_address(candidate, context.takedowns, identity=self._identity, local=context.local)
        if earlier is not None:
            takedown_filter.refuse_image(earlier.image_id, context.takedowns)
            takedown_filter.refuse_earlier(earlier, context.takedowns)

    async def _picture(self, candidate: Candidate, raw: _RawPicture) -> FetchedPicture:
        """Picture with its row of evidence. Raises FetchFailed if it may not be stored."""
        examined = raw.examined or examination.examine_quickly(raw.read(), self._context.crawl)
        if examined is None:
            examined = await self._examiner(examination.examine, raw.read, self._context.crawl)
        self._refuse_opted_out_file(candidate, raw, examined)
        takedown_filter.refuse_image(examined.image_id, self._context.takedowns)
        content_hash = await self._perceptual_hash(raw)
        takedown_filter.refuse_hash(content_hash, self._context.takedowns, image_id=examined.image_id)
        return FetchedPicture(
            image_id=examined.image_id,
            url=candidate.url,
            kind=examined.kind,
            size_bytes=examined.size_bytes,
            read=raw.read,
            headers=raw.headers,
            page=raw.page,
            evidence=self._evidence(candidate, raw, examined),
            content_hash=content_hash,
            file_statement=examined.statement,
        )

    def _refuse_opted_out_file(self, candidate: Candidate, raw: _RawPicture, examined: examination.Examined) -> None:
        """Raise FetchFailed(OPTED_OUT) if the metadata or the manifest of a file from the web has a binding opt-out."""
        in_file = located(
            examined.statement.preferences,
            found_at=candidate.url,
            sha256=examined.image_id,
            heard_at=raw.fetched_at,
        )
        self._hear(candidate, in_file)
        if not _is_local(candidate):
            texts = [examined.statement.opt_out]
            self._context.signals_client.enforce_texts(texts, image_id=examined.image_id)

    async def _perceptual_hash(self, raw: _RawPicture) -> int | None:
        """Perceptual hash of the picture; computed only if there are takedowns by perceptual hash."""
        if raw.content_hash is not None or not self._context.takedowns.perceptual_hashes:
            return raw.content_hash
        return await self._examiner(examination.perceptual_hash, raw.read, max_pixels=self._context.crawl.max_pixels)

    async def _examiner(self, work: Callable[..., Result], *arguments: Any, **options: Any) -> Result:
        """Run `work` in the examiner's thread, which handles one picture at a time."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._context.examiner, partial(work, *arguments, **options))

    def _evidence(self, candidate: Candidate, raw: _RawPicture, examined: examination.Examined) -> dict[str, Any]:
        """Row of the picture in the table of evidence."""
        return {
            "identity": self._identity,
            "image_id": examined.image_id,
            "url": candidate.url,
            "page_url": candidate.page_url,
            "claim": candidate.claim,
            "http_status": raw.page.status,
            "response_sha256": raw.page.sha256,
            "checked_at": raw.page.fetched_at,
            **combination.combine(
                candidate.claim,
                raw.statement,
                examined.statement,
                unreachable=raw.page.detail,
                opt_out=optouts.joined(*raw.page.opt_outs, *opt_outs(raw.preferences)),
            ),
        }


def _is_local(candidate: Candidate) -> bool:
    """True for a file of a local source. The address alone does not tell: anybody can write one on a page."""
    if not candidate.url.startswith(SCHEME):  # to look for a source in other packages takes a tenth of a second
        return False
    source = registry.find(candidate.source)
    return source is not None and issubclass(source, LocalSource)


def _examined_before(picture: FetchedPicture) -> examination.Examined | None:
    """Result of the examination of a stored picture; None if its shard does not have all of it."""
    if picture.file_statement is None:
        return None
    return examination.Examined(picture.image_id, picture.kind, picture.size_bytes, picture.file_statement)


def _record_page(candidate: Candidate, preferences: tuple[Preference, ...]) -> FetchedPage:
    """Record in place of the candidate's page. Its body is stored with the records, once for all its pictures."""
    record = candidate.record
    assert record is not None, "called only if `is_evidence`"  # noqa: S101
    return FetchedPage(
        candidate.page_url,
        record.fetched_at,
        record.status,
        sha256=record.sha256,
        opt_outs=tuple(opt_outs(preferences)),
        preferences=preferences,
    )
