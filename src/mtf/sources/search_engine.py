"""Base class of search engines: result pages are read in order, until one holds nothing new.

robots.txt applies to every picture and every page, but not to result pages. Both engines close these to all robots, and
this data set's method is to search them by name (MTF, section 3.1). The requests name their sender and are rate-limited
like all others. Whether an engine's terms permit them is for its user to judge.
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
    """A result page has an unexpected format. The message says what is wrong."""


class EngineResult(TypedDict):
    """One result of a search engine.

    file_url: address of the picture.
    page_url: address of the page that shows it.
    """

    file_url: str
    page_url: str | None
    title: str | None


class SearchEngine(Source):
    """A search engine that is read page by page.

    licenses: names of the engine's own license filters, searched in order; null searches without a filter.
    max_results: largest number of results for each filter.
    """

    licenses: Annotated[list[str | None], Field(min_length=1)] = Field(["commercial,modify"])
    max_results: Annotated[int, Field(ge=1, le=1000)] = 1000

    license_filters: ClassVar[tuple[str, ...]] = ()
    data_collection_type: ClassVar[str] = WEB_SCRAPING

    @model_validator(mode="after")
    def _filters_exist(self) -> SearchEngine:
        check_filters("licenses", [name for name in self.licenses if name], self.license_filters, self.kind)
        return self

    @abstractmethod
    def page_urls(self, query: str, license_filter: str | None) -> list[str]:
        """Addresses of all result pages, in order."""
        raise NotImplementedError

    @abstractmethod
    def parse(self, content: bytes) -> list[EngineResult]:
        """Results on one page; empty if the page says that there are none. Raises UnreadablePage."""
        raise NotImplementedError

    def _parsed(self, content: bytes) -> list[EngineResult]:
        try:
            return self.parse(content)
        except RecursionError:
            raise UnreadablePage("nested too deeply to be read") from None

    async def search(self, fetcher: Fetcher, query: str) -> SearchResult:
        result = SearchResult()
        for license_filter in self.licenses:
            try:
                async for candidate in self._results(fetcher, query, license_filter):
                    result.candidates.append(candidate)
            except (FetchFailed, UnreadablePage) as problem:
                result.problems.append(f"{self.kind}, {query!r}, license {license_filter}: {problem}")
        return result

    async def _results(self, fetcher: Fetcher, query: str, license_filter: str | None) -> AsyncIterator[Candidate]:
        seen: set[str] = set()
        for number, page_url in enumerate(self.page_urls(query, license_filter)):
            answer = await fetcher.get(page_url, max_bytes=MAX_RESULT_PAGE_BYTES)
            answer.demand_success()
            if number == 0 and not answer.body.strip():
                raise UnreadablePage("an empty answer to the first request")
            new = [each for each in await asyncio.to_thread(self._parsed, answer.body) if each["file_url"] not in seen]
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
    """Check that all `names` are filters of the source. Raises ValueError."""
    for name in names:
        if name not in permitted:
            raise ValueError(f"{key}: {name!r} is not a filter of {kind}; permitted: {list(permitted)}")


def result_url(value: object) -> str | None:
    """Address from a result page, with leftover escapes (`&amp;`) undone; None for anything else."""
    if not isinstance(value, str):
        return None
    url = value.strip().replace("&amp;", "&")
    return url if url.lower().startswith(("http://", "https://")) and len(url) <= _LONGEST_URL else None


def result_title(value: object) -> str | None:
    """Title without markup and without the characters by which Bing highlights search words; None if empty."""
    if not isinstance(value, str):
        return None
    text = re.sub(r"[\ue000-\uf8ff]", "", html.unescape(value))
    return " ".join(text.split())[:_LONGEST_TITLE] or None
