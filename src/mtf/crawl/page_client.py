"""The pages that pictures were found on: each asked for once per identity, bounded, and only read if it is HTML."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from urllib.parse import urlsplit

from mtf.crawl.http_client import ROBOT, HttpAnswer, HttpFetcher
from mtf.crawl.signals_client import Headers, SignalsClient
from mtf.crawl.spool import Reader, Spool
from mtf.rights.evidence import combination
from mtf.rights.signals import opt_outs as optouts
from mtf.schemas import FetchOutcome
from mtf.sources.fetch_failure import FetchFailed, is_retriable

MAX_PAGE_BYTES = 4 * 2**20
_HTML = ("text/html", "application/xhtml+xml")
_START = re.compile(r"/?(?:(?:index|default|home)(?:\.\w{2,5})?)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class FetchedPage:
    """What a page's address answered. `compressed` (gzip) is None, and `detail` says why, where nothing was read.

    `url` is None where no page is known; `answered_by` is the address that redirects led to.
    `opt_outs` are those of its site; those of its headers and its markup come with what is stated there.
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

    def statement(self, picture_url: str) -> combination.Statement:
        """What the page says of one picture's license."""
        if self.compressed is None or self.url is None:
            return combination.Statement(opt_out=optouts.of_headers(self.headers, agent=ROBOT))
        body = gzip.decompress(self.compressed())
        here = self.answered_by or self.url
        return combination.read_page(body, page_url=here, picture_url=picture_url, headers=self.headers, agent=ROBOT)

    @property
    def is_retriable(self) -> bool:
        """Whether a later run should ask for it again."""
        outcome = (self.detail or "").partition(":")[0]
        return self.compressed is None and is_retriable(outcome, self.status)


class Pages:
    """The pages of one identity."""

    def __init__(self, fetcher: HttpFetcher, reservations: SignalsClient, spool: Spool) -> None:
        self._fetcher = fetcher
        self._reservations = reservations
        self._spool = spool
        self._found: dict[str, asyncio.Future[FetchedPage]] = {}
        self._asked: set[str] = set()

    async def at(self, url: str | None) -> FetchedPage:
        """The page at `url`. Raises Failed(OPTED_OUT) where robots.txt keeps us from it."""
        if url is None:
            return FetchedPage(None, datetime.now(UTC))
        if url not in self._found:
            self._found[url] = asyncio.ensure_future(self._fetch(url))
        return await self._found[url]

    def was_asked(self, url: str | None) -> bool:
        """Whether a request for the page at `url` went out: a busy host or an unreadable robots.txt prevent it."""
        return url in self._asked

    async def _fetch(self, url: str) -> FetchedPage:
        now = datetime.now(UTC)
        try:
            answer = await self._fetcher.get(
                url,
                max_bytes=MAX_PAGE_BYTES,
                permission=self._reservations.permit,
                asked=partial(self._asked.add, url),
            )
        except FetchFailed as failure:
            if failure.outcome == FetchOutcome.OPTED_OUT:
                raise FetchFailed(FetchOutcome.OPTED_OUT, f"{failure.detail} (of the picture's page)") from None
            return FetchedPage(url, now, failure.http_status, detail=f"{failure.outcome}: {failure.detail}")
        headers = tuple(answer.headers.items())
        opt_outs = await self._reservations.of_robots(url) + await self._reservations.of_site(answer.url, headers)
        page = FetchedPage(url, now, answer.status, headers, opt_outs=tuple(opt_outs), answered_by=answer.url)
        if unreadable := _unreadable(answer) or _elsewhere(url, answer):
            return replace(page, detail=unreadable)
        compressed = self._spool.add(await asyncio.to_thread(gzip.compress, answer.body, mtime=0))
        return replace(page, compressed=compressed, sha256=hashlib.sha256(answer.body).hexdigest())


def _unreadable(answer: HttpAnswer) -> str | None:
    if not answer.is_success:
        return f"{FetchOutcome.HTTP_ERROR}: status {answer.status}"
    media_type = answer.headers.get("Content-Type", _HTML[0]).partition(";")[0].strip().lower()
    return None if media_type in _HTML else f"not an HTML page: {media_type[:80]!r}"


def _elsewhere(url: str, answer: HttpAnswer) -> str | None:
    """A page that is gone often leads to a site's start page, whose license speaks of the site, not of the picture."""
    is_start, was_start = (bool(_START.fullmatch(urlsplit(each).path)) for each in (answer.url, url))
    return f"redirected to the start page {answer.url}"[:300] if is_start and not was_start else None
