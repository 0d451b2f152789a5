"""Revisits of stored pictures: their pages and files are requested again, on condition that they have changed.

A picture of which nothing has changed is left as it is, and is not examined again: neither its page's or record's text,
nor its own bytes, nor the headers with signals, nor what robots.txt, ai.txt, tdmrep.json and RSL documents say of it.
Anything else is judged anew by the collector.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any

from mtf.crawl import conditional, examination, heard_signals
from mtf.crawl.crawl_context import CrawlContext
from mtf.crawl.fetch_results import Fetch, FetchedPicture
from mtf.crawl.http_client import HttpAnswer
from mtf.crawl.page_client import FetchedPage
from mtf.crawl.signals_client import Headers, signal_headers, telling_headers
from mtf.rights.signals import rsl
from mtf.rights.signals.preferences import Preference, Signal
from mtf.schemas import FetchOutcome, VisitResult
from mtf.sources.candidate import Candidate
from mtf.sources.fetch_failure import FetchFailed

_RSL_MEDIA_TYPE = b"application/rsl"
# Perceptual hashes of one picture, saved twice, differ in at most so many of 64 bits.
_SAME_PICTURE_BITS = 4

States = tuple[VisitResult, VisitResult]
"""State of a page and of a file."""

Examiner = Callable[..., Awaitable[Any]]
"""Runs a function of `examination` in the thread that handles one picture at a time."""


@dataclass(frozen=True, slots=True)
class FileAnswer:
    """Answer to the request for a stored picture's file.

    headers: those of the stored picture, with the answer's in their place.
    answered_by: address after redirects; None if it was not received.
    body: its bytes, if they are others than the stored ones.
    result: what became of the file.
    detail: reason why it was not received.
    """

    headers: Headers
    fetched_at: datetime
    result: VisitResult
    status: int | None = None
    body: bytes | None = None
    answered_by: str | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class VisitCondition:
    """Condition under which nothing has changed about a stored picture since its visit (`mtf.crawl.unopened_shards`).

    page, file: headers of the last answers, those with validators or signals.
    sites: digest of the files of their sites (`SignalsClient.sites_digest`).
    """

    page_url: str
    page: Headers
    file: Headers
    sites: str

    def __str__(self) -> str:
        return json.dumps([self.page_url, self.page, self.file, self.sites], separators=(",", ":"))

    @classmethod
    def parse(cls, text: str) -> VisitCondition:
        """Condition in the text of one. Raises ValueError or TypeError for any other text."""
        page_url, page, file, sites = json.loads(text)
        headers = (tuple((str(name), str(value)) for name, value in each) for each in (page, file))
        return cls(str(page_url), *headers, str(sites))


@dataclass(frozen=True, slots=True)
class Visit:
    """Visit of a stored picture: one row of the table of visits, without its identity.

    unchanged_visits: number of visits in a row, with this one, that found page and file unchanged or gone as before.
    confirmed_at: time at which its page or record was last received, or said to be unchanged; None if it never was.
    condition: None if its page or file was not received, or can change without a sign in them.
    """

    image_id: str
    url: str
    visited_at: datetime
    page: VisitResult
    file: VisitResult
    unchanged_visits: int = 0
    confirmed_at: datetime | None = None
    detail: str | None = None
    condition: VisitCondition | None = None

    def row(self) -> dict[str, Any]:
        """Row of the table of visits, without its identity."""
        values = {name: getattr(self, name) for name in self.__slots__}
        return values | {"condition": None if self.condition is None else str(self.condition)}


@dataclass
class Revisits:
    """Revisits of the stored pictures of one identity.

    due: image ids of the pictures to ask for.
    earlier: image id → number of visits in a row that found it unchanged, or gone as before.
    gone: image id → states at the last visit, of pictures of which page or file was gone.
    given: answers that were received in this run already.
    requested: called with the address of each file that is requested; set by the collector.
    visits: what was found, by image id.
    """

    context: CrawlContext
    due: frozenset[str]
    earlier: Mapping[str, int]
    gone: Mapping[str, States]
    given: conditional.GivenAnswers = field(default_factory=dict)
    requested: Callable[[str], None] = lambda _url: None
    visits: dict[str, Visit] = field(default_factory=dict)
    _answers: dict[str, FileAnswer] = field(default_factory=dict)

    async def file(self, candidate: Candidate, picture: FetchedPicture) -> FileAnswer:
        """Answer for the file of a stored picture, requested once. Raises FetchFailed(OPTED_OUT)."""
        if candidate.url not in self._answers:
            self._answers[candidate.url] = await self._request(candidate.url, picture)
        return self._answers[candidate.url]

    async def _request(self, url: str, picture: FetchedPicture) -> FileAnswer:
        condition = conditional.validators(picture.headers) if picture.url == url else {}
        now = self.context.fetcher.now()
        try:
            answer = await self._get(url, condition)
            if answer.status == conditional.NOT_MODIFIED and answer.url != url:
                answer = await self._get(url, {})
            if conditional.is_unmodified(answer, url, condition):
                headers = conditional.refreshed(picture.headers, answer)
                return FileAnswer(headers, now, VisitResult.UNCHANGED, answer.status, answered_by=url)
            answer.demand_success()
        except FetchFailed as failure:
            if failure.outcome == FetchOutcome.OPTED_OUT:
                raise
            return FileAnswer(picture.headers, now, _lost(failure.http_status), failure.http_status, None, str(failure))
        is_same = hashlib.sha256(answer.body).hexdigest() == picture.image_id
        result, body = (VisitResult.UNCHANGED, None) if is_same else (VisitResult.CHANGED, answer.body)
        return FileAnswer(tuple(answer.headers.items()), now, result, answer.status, body, answer.url)

    async def _get(self, url: str, condition: dict[str, str]) -> HttpAnswer:
        if (given := conditional.take_given(self.given, url, condition)) is not None:
            if given.was_requested:
                self.requested(url)
            return given.get()
        return await self.context.fetcher.get(
            url,
            max_bytes=self.context.crawl.max_bytes,
            permission=self.context.signals_client.permit,
            headers=condition,
            on_request=partial(self.requested, url),
        )

    async def other_picture(self, answer: FileAnswer, picture: FetchedPicture, examine: Examiner) -> bytes | None:
        """Bytes of the answer if they are another picture than the stored one, or state other rights; else None.

        Some servers encode a picture anew for each request. Its stored bytes stay, and with them the decisions of
        reviewers, which name them.
        """
        if (body := answer.body) is None:
            return None
        crawl = self.context.crawl
        try:
            new = await examine(examination.examine, lambda: body, crawl)
        except FetchFailed as failure:  # such as a page that says that the picture is gone, with the status 200
            self._answers[picture.url] = replace(answer, result=VisitResult.UNREAD, body=None, detail=str(failure))
            return None
        old = await examine(examination.examine, picture.read, crawl)
        if new.statement != old.statement:
            return body
        hashes = [
            await examine(examination.perceptual_hash, read, max_pixels=crawl.max_pixels)
            for read in (lambda: body, picture.read)
        ]
        is_same = None not in hashes and (hashes[0] ^ hashes[1]).bit_count() <= _SAME_PICTURE_BITS
        return None if is_same else body

    async def unchanged(
        self, candidate: Candidate, earlier: Fetch, picture: FetchedPicture, page: FetchedPage
    ) -> Fetch | None:
        """Fetch of a stored picture, with the times of this visit, if nothing about it has changed; else None.

        page: its page or record of today, or that of the earlier run if no new one was received.
        """
        is_known = (candidate.page_url, candidate.claim) == (earlier.candidate.page_url, earlier.candidate.claim)
        if not is_known or picture.url != candidate.url or not _is_same_page(page, picture.page) or _names_rsl(page):
            return None
        file = await self.file(candidate, picture)
        if file.body is not None or signal_headers(file.headers) != signal_headers(picture.headers):
            return None
        if await self._heard(candidate, earlier, page, file.headers) != _of_site(earlier, page):
            return None
        evidence = picture.evidence | {"checked_at": page.fetched_at}
        kept = replace(picture, page=page, headers=file.headers, evidence=evidence)
        return replace(earlier, candidate=candidate, picture=kept)

    async def _heard(
        self, candidate: Candidate, earlier: Fetch, page: FetchedPage, headers: Headers
    ) -> set[tuple[str | None, ...]]:
        """Keys of what the sites of the picture and its page, and RSL documents that were read before, state now."""
        client, url = self.context.signals_client, candidate.url
        documents = [each.found_at for each in earlier.preferences if each.signal == Signal.RSL and each.found_at]
        return _keys(
            [
                *page.preferences,
                *await client.of_robots(url),
                *await client.of_site(url, headers),
                *await client.of_rsl(url, documents),
            ]
        )

    async def note(self, url: str, picture: FetchedPicture, page: FetchedPage, *, status: int | None) -> None:
        """Note the visit of a stored picture.

        page: of today, or that of the earlier run if none was received.
        status: of the answer in the latter case, if there was one.
        """
        file = self._answers.get(url)
        is_received = page is not picture.page
        of_page = VisitResult.UNCHANGED if _is_same_page(page, picture.page) else VisitResult.CHANGED
        states = (of_page if is_received else _lost(status), VisitResult.UNREAD if file is None else file.result)
        is_unchanged = states in ((VisitResult.UNCHANGED,) * 2, self.gone.get(picture.image_id))
        self.visits[picture.image_id] = Visit(
            image_id=picture.image_id,
            url=url,
            visited_at=self.context.fetcher.now(),
            page=states[0],
            file=states[1],
            unchanged_visits=self.earlier.get(picture.image_id, 0) + 1 if is_unchanged else 0,
            confirmed_at=page.fetched_at if is_received else None,
            detail=None if file is None else file.detail,
            condition=await self._condition(url, page, file) if is_received and file is not None else None,
        )

    async def _condition(self, url: str, page: FetchedPage, file: FileAnswer) -> VisitCondition | None:
        """Condition of the next visit; None if a 304 of page and file would not say that nothing has changed."""
        has_file = file.result == VisitResult.UNCHANGED and file.answered_by == url
        if page.url is None or not page.validators or not has_file or not conditional.validators(file.headers):
            return None
        links = [*rsl.links_of_headers(page.headers, page.url), *rsl.links_of_headers(file.headers, url)]
        if links or _names_rsl(page):
            return None
        sites = await self.context.signals_client.sites_digest(page.url, url)
        return None if sites is None else VisitCondition(page.url, _kept(page.headers), _kept(file.headers), sites)


def _lost(status: int | None) -> VisitResult:
    return VisitResult.GONE if status in (404, 410) else VisitResult.UNREAD


def _is_same_page(page: FetchedPage, old: FetchedPage) -> bool:
    """True if the page, or the record, is the one of the earlier run, byte by byte, and its headers' signals are."""
    if page is old:
        return True
    is_same = (page.sha256, page.status, page.detail) == (old.sha256, old.status, old.detail)
    return is_same and signal_headers(page.headers) == signal_headers(old.headers)


def _names_rsl(page: FetchedPage) -> bool:
    """True if the page may name RSL documents: one that was silent before may say something today."""
    return page.compressed is not None and _RSL_MEDIA_TYPE in gzip.decompress(page.compressed()).lower()


def _kept(headers: Headers) -> Headers:
    """Headers with validators or signals."""
    return tuple(each for each in headers if conditional.is_validator(each[0])) + telling_headers(headers)


def _of_site(earlier: Fetch, page: FetchedPage) -> set[tuple[str | None, ...]]:
    """Preferences of the earlier run that neither the page nor the file stated."""
    own = {page.url, page.answered_by, earlier.candidate.url}
    return _keys(each for each in earlier.preferences if each.found_at not in own)


def _keys(preferences: Iterable[Preference]) -> set[tuple[str | None, ...]]:
    return {heard_signals.key(each) for each in preferences}
