"""Search an engine for an identity's query: page by page, until one yields nothing new.

robots.txt is asked for every picture and every page, but not for result pages: both engines close these to robots
altogether, and to search them by name is the method that this data set follows (MTF, section 3.1). The requests
say who makes them and are paced like all others; whether an engine's terms allow them is for its user to judge.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from mtf.crawl import engines
from mtf.crawl.candidates import Candidate
from mtf.crawl.failure import Failed
from mtf.crawl.fetch import Answer, Fetcher
from mtf.params import SearchSource

MAX_RESULT_PAGE_BYTES = 8_000_000


@dataclass
class Found:
    """Candidates in the engine's order, and what could not be read on the way, one line each."""

    candidates: list[Candidate] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


async def search(fetcher: Fetcher, source: SearchSource, query: str) -> Found:
    """All that `source` finds for `query`, for each of its license filters in turn."""
    found = Found()
    for claim in source.licenses:
        try:
            async for candidate in _results(fetcher, source, query, claim):
                found.candidates.append(candidate)
        except (Failed, engines.UnreadablePage) as problem:
            found.problems.append(f"{source.kind}, {query!r}, license {claim}: {problem}")
    return found


async def _results(fetcher: Fetcher, source: SearchSource, query: str, claim: str | None) -> AsyncIterator[Candidate]:
    seen: set[str] = set()
    for page_url in engines.page_urls(source, query, claim):
        answer = await fetcher.get(page_url, max_bytes=MAX_RESULT_PAGE_BYTES)
        answer.demand_success()
        new = [task for task in await asyncio.to_thread(_parse, source, answer) if task["file_url"] not in seen]
        for task in new:
            url = str(task["file_url"])
            if url not in seen:
                yield Candidate(url, source.kind, len(seen), task["page_url"], task["title"], claim, query)
                seen.add(url)
            if len(seen) == source.max_results:
                return
        if not new:
            return


@dataclass
class _Page:
    content: bytes


def _parse(source: SearchSource, answer: Answer) -> list[dict[str, str | None]]:
    return list(engines.parser(source).parse(_Page(answer.body)))
