"""Search engines: their result pages are read one after the other, until one holds nothing new.

robots.txt is asked for every picture and every page, but not for result pages: both engines close these to robots
altogether, and to search them by name is the method that this data set follows (MTF, section 3.1). The requests
say who makes them and are paced like all others; whether an engine's terms allow them is for its user to judge.
"""

from __future__ import annotations

import asyncio
import html
import re
from abc import abstractmethod
from collections.abc import AsyncIterator
from typing import Annotated, ClassVar, TypedDict

from pydantic import Field, model_validator

from mtf.sources.base import WEB_SCRAPING, Fetcher, SearchResult, Source
from mtf.sources.candidate import Candidate
from mtf.sources.fetch_failure import FetchFailed

MAX_RESULT_PAGE_BYTES = 8_000_000
_LONGEST_URL = 4096
_LONGEST_TITLE = 300


class UnreadablePage(Exception):
    """A result page whose format is not the known one; the message says what is wrong with it."""


class EngineResult(TypedDict):
    """One result of a search engine: address of the picture, of the page it stands on, and its title."""

    file_url: str
    page_url: str | None
    title: str | None


class SearchEngine(Source):
    """A search engine that is read page by page.

    licenses: the engine's own filter names, searched one after the other; null searches without a filter.
    max_results: at most so many for each filter.
    """

    licenses: Annotated[list[str | None], Field(min_length=1)] = Field(["commercial,modify"])
    max_results: Annotated[int, Field(ge=1, le=1000)] = 1000

    license_filters: ClassVar[tuple[str, ...]] = ()
    data_collection_type: ClassVar[str] = WEB_SCRAPING

    @model_validator(mode="after")
    def _filters_are_known(self) -> SearchEngine:
        check_filters("licenses", [name for name in self.licenses if name], self.license_filters, self.kind)
        return self

    @abstractmethod
    def page_urls(self, query: str, license_filter: str | None) -> list[str]:
        """Addresses of all result pages, in order."""
        raise NotImplementedError

    @abstractmethod
    def parse(self, content: bytes) -> list[EngineResult]:
        """Results on one page; empty where the page says that there are none. Raises UnreadablePage."""
        raise NotImplementedError

    async def search(self, fetcher: Fetcher, query: str) -> SearchResult:
        found = SearchResult()
        for license_filter in self.licenses:
            try:
                async for candidate in self._results(fetcher, query, license_filter):
                    found.candidates.append(candidate)
            except (FetchFailed, UnreadablePage) as problem:
                found.problems.append(f"{self.kind}, {query!r}, license {license_filter}: {problem}")
        return found

    async def _results(self, fetcher: Fetcher, query: str, license_filter: str | None) -> AsyncIterator[Candidate]:
        seen: set[str] = set()
        for page_url in self.page_urls(query, license_filter):
            answer = await fetcher.get(page_url, max_bytes=MAX_RESULT_PAGE_BYTES)
            answer.demand_success()
            new = [each for each in await asyncio.to_thread(self.parse, answer.body) if each["file_url"] not in seen]
            for each in new:
                url = each["file_url"]
                if url not in seen:
                    claim = license_filter
                    yield Candidate(url, self.kind, len(seen), each["page_url"], each["title"], claim, query)
                    seen.add(url)
                if len(seen) == self.max_results:
                    return
            if not new:
                return


def check_filters(key: str, names: list, permitted: tuple | range, kind: str) -> None:
    """Raises ValueError for a name that is not among the source's own filters."""
    for name in names:
        if name not in permitted:
            raise ValueError(f"{key}: {name!r} is not a filter of {kind}; permitted: {list(permitted)}")


def result_url(value: object) -> str | None:
    """An address from a result page; `&amp;` in it is an escape that was left over."""
    if not isinstance(value, str):
        return None
    url = value.strip().replace("&amp;", "&")
    return url if url.lower().startswith(("http://", "https://")) and len(url) <= _LONGEST_URL else None


def result_title(value: object) -> str | None:
    """A title without leftover markup and without the marks that Bing puts around the words searched for."""
    if not isinstance(value, str):
        return None
    text = re.sub(r"[\ue000-\uf8ff]", "", html.unescape(value))
    return " ".join(text.split())[:_LONGEST_TITLE] or None
