"""Page client: fetches the pages of pictures, each once per identity, and reads them only if they are HTML."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from urllib.parse import urlsplit

from mtf.crawl import conditional
from mtf.crawl.http_client import HttpAnswer, HttpFetcher
from mtf.crawl.robot_name import ROBOT
from mtf.crawl.signals_client import Headers, SignalsClient, header_source
from mtf.crawl.spool import Reader, Spool
from mtf.rights.evidence import combination
from mtf.rights.signals import opt_outs as optouts
from mtf.rights.signals.preferences import Answer, Preference, Signal, Use, located, opt_outs
from mtf.schemas import FetchOutcome
from mtf.sources.fetch_failure import FetchFailed, is_retriable

MAX_PAGE_BYTES = 4 * 2**20
_HTML = ("text/html", "application/xhtml+xml")
_START = re.compile(r"/?(?:(?:index|default|home)(?:\.\w{2,5})?)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class FetchedPage:
    """A picture's page.

    url: None if the picture has no known page.
    compressed: reader of the body, compressed by gzip; None if nothing was read.
    sha256: digest of the body.
    detail: reason why nothing was read.
    opt_outs: of its site; those of its headers and its markup are part of `statement`.
    preferences: of its site, those in `opt_outs` included.
    answered_by: address after redirects.
    """

    url: str | None
    fetched_at: datetime
    status: int | None = None
    headers: Headers = ()
    compressed: Reader | None = None
    sha256: str | None = None
    detail: str | None = None
    opt_outs: tuple[str, ...] = ()
    answered_by: str | None = None
    preferences: tuple[Preference, ...] = ()

    def statement(self, picture_url: str) -> combination.Statement:
        """License statement of the page for one picture."""
        if self.compressed is None or self.url is None:
            found = [*optouts.header_preferences(self.headers, agent=ROBOT), *self._of_oversized()]
            stated = combination.Statement(opt_out=optouts.joined(*opt_outs(found)), preferences=tuple(found))
        else:
            body = gzip.decompress(self.compressed())
            stated = combination.read_page(
                body, page_url=self._here, picture_url=picture_url, headers=self.headers, agent=ROBOT
            )
        return replace(stated, preferences=tuple(self._located(stated.preferences)))

    @property
    def _here(self) -> str:
        return self.answered_by or self.url or ""

    def _of_oversized(self) -> list[Preference]:
        """UNKNOWN for a page that is too large to be read."""
        is_oversized = (self.detail or "").startswith(f"{FetchOutcome.TOO_LARGE}:")
        unread = Preference(Signal.META_ROBOTS, Use.ANY, Answer.UNKNOWN, "the page is too large", "page")
        return [unread] if is_oversized else []

    def _located(self, preferences: Iterable[Preference]) -> list[Preference]:
        """Preferences with their source: the page, or the headers of its answer."""
        of_headers = header_source(self.headers, url=self._here, heard_at=self.fetched_at)
        return [
            found
            for each in preferences
            for found in (
                of_headers.locate([each])
                if each.carrier.startswith("header")
                else located([each], found_at=self._here or None, sha256=self.sha256, heard_at=self.fetched_at)
            )
        ]

    @property
    def validators(self) -> dict[str, str]:
        """Headers of a conditional request for the page; empty if it was not read, or read after a redirect."""
        is_own = self.compressed is not None and self.answered_by in (None, self.url)
        return conditional.validators(self.headers) if is_own else {}

    @property
    def is_retriable(self) -> bool:
        """True if a later run should request the page again."""
        outcome = (self.detail or "").partition(":")[0]
        return self.compressed is None and is_retriable(outcome, self.status)


class Pages:
    """Page client of one identity: requests each page once, or not at all if its answer is given."""

    def __init__(
        self,
        fetcher: HttpFetcher,
        signals_client: SignalsClient,
        spool: Spool,
        given: conditional.GivenAnswers | None = None,
    ) -> None:
        self._fetcher = fetcher
        self._signals_client = signals_client
        self._spool = spool
        self._given = {} if given is None else given
        self._pages: dict[str, asyncio.Future[FetchedPage]] = {}
        self._requested: set[str] = set()

    async def at(self, url: str | None, known: FetchedPage | None = None) -> FetchedPage:
        """Page at `url`. Raises FetchFailed(OPTED_OUT) if robots.txt disallows it.

        known: page of an earlier run. If the server answers that it is unchanged, its body is returned with new times
            and signals.
        """
        if url is None:
            return FetchedPage(None, self._fetcher.now())
        if url not in self._pages:
            self._pages[url] = asyncio.ensure_future(self._fetch(url, known))
        return await self._pages[url]

    def was_requested(self, url: str | None) -> bool:
        """True if a request for the page was sent; a busy host or an unreadable robots.txt may prevent it."""
        return url in self._requested

    async def _fetch(self, url: str, known: FetchedPage | None = None) -> FetchedPage:
        now = self._fetcher.now()
        condition = {} if known is None else known.validators
        try:
            answer = await self._answer(url, condition)
            if answer.status == conditional.NOT_MODIFIED and answer.url != url:
                return await self._fetch(url)
        except FetchFailed as failure:
            if failure.outcome == FetchOutcome.OPTED_OUT:
                detail = f"{failure.detail} (of the picture's page)"
                raise FetchFailed(FetchOutcome.OPTED_OUT, detail, preferences=failure.preferences) from None
            return FetchedPage(url, now, failure.http_status, detail=f"{failure.outcome}: {failure.detail}")
        is_unmodified = known is not None and conditional.is_unmodified(answer, url, condition)
        headers = (
            conditional.refreshed(known.headers, answer) if known and is_unmodified else tuple(answer.headers.items())
        )
        of_site = await self._signals_client.of_robots(url) + await self._signals_client.of_site(answer.url, headers)
        page = FetchedPage(
            url,
            now,
            answer.status,
            headers,
            opt_outs=tuple(opt_outs(of_site)),
            answered_by=answer.url,
            preferences=tuple(of_site),
        )
        if known is not None and is_unmodified:
            return replace(page, status=known.status, compressed=known.compressed, sha256=known.sha256)
        if unreadable := _unreadable(answer) or _elsewhere(url, answer):
            return replace(page, detail=unreadable)
        compressed = self._spool.add(await asyncio.to_thread(gzip.compress, answer.body, mtime=0))
        return replace(page, compressed=compressed, sha256=hashlib.sha256(answer.body).hexdigest())

    async def _answer(self, url: str, condition: dict[str, str]) -> HttpAnswer:
        if (given := conditional.take_given(self._given, url, condition)) is not None:
            self._requested |= {url} if given.was_requested else set()
            return given.get()
        return await self._fetcher.get(
            url,
            max_bytes=MAX_PAGE_BYTES,
            permission=self._signals_client.permit,
            headers=condition,
            on_request=partial(self._requested.add, url),
        )


def _unreadable(answer: HttpAnswer) -> str | None:
    if not answer.is_success:
        return f"{FetchOutcome.HTTP_ERROR}: status {answer.status}"
    media_type = answer.headers.get("Content-Type", _HTML[0]).partition(";")[0].strip().lower()
    return None if media_type in _HTML else f"not an HTML page: {media_type[:80]!r}"


def _elsewhere(url: str, answer: HttpAnswer) -> str | None:
    """Reason not to read a redirect to a site's start page; None for any other answer.

    Removed pages often redirect there, and the license of a start page is that of the site.
    """
    is_start, was_start = (bool(_START.fullmatch(urlsplit(each).path)) for each in (answer.url, url))
    return f"redirected to the start page {answer.url}"[:300] if is_start and not was_start else None
