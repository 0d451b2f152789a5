"""Base class of sources with an API: all results are read, with a record of each picture.

robots.txt is not applied to an API's addresses: they are made for programs, under terms of their own, and both Commons
and Flickr close them to crawling robots. Requests for pictures and pages obey robots.txt.
"""

from __future__ import annotations

import asyncio
import os
import re
from abc import abstractmethod
from collections.abc import AsyncIterator, Mapping
from typing import Annotated, ClassVar, Protocol
from urllib.parse import urlsplit

from pydantic import AfterValidator

from mtf.core.errors import BadInput
from mtf.sources import records
from mtf.sources.api_answers import ApiAnswer, ApiPicture, ApiUnavailable, UnreadableAnswer
from mtf.sources.base import WEB_API, Fetcher, SearchResult, Source
from mtf.sources.candidate import Candidate
from mtf.sources.fetch_failure import FetchFailed
from mtf.sources.records import Record

MAX_ANSWER_BYTES = 8_000_000
MAX_ANSWERS = 500
TRIES = 3
UNNAMED_WAIT_S = 5.0
"""Wait for a busy API that sends no Retry-After."""


def _variable_name(name: str | None) -> str | None:
    # The message does not repeat the value: it may be the secret itself, put here by mistake.
    if name is not None and not re.fullmatch(r"[A-Z_][A-Z0-9_]{0,99}", name):
        raise ValueError(
            "the name of an environment variable (A to Z, 0 to 9 and _) that holds it; never the key itself"
        )
    return name


VariableName = Annotated[str, AfterValidator(_variable_name)]
"""Name of an environment variable that holds a secret."""


class ApiRequest(Protocol):
    """Request to an API whose answer may have several parts.

    Addresses are logged and stored without the secret; `signed` adds it.

    headers: sent with each request.
    secret: key or token; None if the API needs none.
    delay_s: least time between two requests.
    """

    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def secret(self) -> str | None: ...
    @property
    def delay_s(self) -> float: ...

    def first(self) -> str: ...
    def following(self, listing: ApiAnswer) -> str | None: ...
    def signed(self, url: str) -> str: ...
    def read(self, body: bytes) -> ApiAnswer:
        """Parse an answer's body. Raises UnreadableAnswer, and ApiUnavailable to repeat the request later."""
        ...


class ApiSource(Source):
    """A source that is searched by an API. A subclass implements `request`, and `read` for one answer's body.

    max_results: largest number of candidates of one search.
    """

    max_results: int

    data_collection_type: ClassVar[str] = WEB_API

    @abstractmethod
    def request(self, query: str) -> ApiRequest:
        """Request for the search of `query`. Raises BadInput if the environment variable of a key is not set."""
        raise NotImplementedError

    async def search(self, fetcher: Fetcher, query: str) -> SearchResult:
        request = self.request(query)
        if request.delay_s:
            fetcher.pacing.slow_down(urlsplit(request.first()).hostname or "", request.delay_s)
        result = SearchResult()
        try:
            await self._search(fetcher, request, query, result)
        except (FetchFailed, UnreadableAnswer) as problem:
            result.problems.append(str(problem))
        problems = (f"{self.kind}, {query!r}: {problem}" for problem in result.problems)
        result.problems = [_redacted(request.secret, problem) for problem in problems]
        return result

    async def _search(self, fetcher: Fetcher, request: ApiRequest, query: str, result: SearchResult) -> None:
        seen: set[str] = set()
        undescribed: set[str] = set()
        async for record, listing in answers(fetcher, request, kind=self.kind):
            result.problems += listing.problems
            undescribed = (undescribed | listing.undescribed) - (listing.named - listing.undescribed)
            new = {each.url: each for each in reversed(listing.pictures) if each.url not in seen}
            if listing.pictures and not new:
                raise UnreadableAnswer("an answer repeats what came before: there may be more that cannot be had")
            for each in reversed(new.values()):
                if len(seen) == self.max_results:
                    return
                result.candidates.append(_candidate(each, record, rank=len(seen), query=query))
                seen.add(each.url)
        if undescribed:
            result.problems.append(f"{len(undescribed)} results were named and never described: {min(undescribed)!r}")


def secret_of(kind: str, parameter: str, variable: str) -> str:
    """Value of the environment variable that `parameter` of a source names. Raises BadInput if it is no key."""
    where = f"params.yaml: crawl.sources: {kind}: {parameter}"
    value = os.environ.get(variable, "").strip()
    if not value:
        raise BadInput(f"{where}: the environment variable {variable} is not set")
    if not (value.isascii() and value.isprintable()) or " " in value:
        raise BadInput(f"{where}: the environment variable {variable} holds something else than a key")
    return value


async def answers(fetcher: Fetcher, request: ApiRequest, *, kind: str) -> AsyncIterator[tuple[Record, ApiAnswer]]:
    """Yield all answers to one request, in order. Raises FetchFailed and UnreadableAnswer."""
    requested: set[str] = set()
    url: str | None = request.first()
    while url is not None:
        if url in requested:
            raise UnreadableAnswer("what it says comes next leads back to what came before")
        if len(requested) == MAX_ANSWERS:
            raise UnreadableAnswer(f"more than {MAX_ANSWERS} answers to one search")
        requested.add(url)
        record, listing = await _answer(fetcher, request, url, kind)
        yield record, listing
        url = request.following(listing)


async def complete_description(fetcher: Fetcher, request: ApiRequest, *, kind: str) -> list[ApiPicture] | None:
    """All pictures that the API describes; None if any part of the answer fails or cannot be read."""
    pictures: list[ApiPicture] = []
    try:
        async for _, listing in answers(fetcher, request, kind=kind):
            pictures += listing.pictures
            if listing.problems:
                return None
    except (FetchFailed, UnreadableAnswer):
        return None
    return pictures


async def _answer(fetcher: Fetcher, request: ApiRequest, url: str, kind: str) -> tuple[Record, ApiAnswer]:
    """One answer of the API. While the API is busy, the request is repeated, at most TRIES times in all."""
    for attempt in range(1, TRIES + 1):
        answer = await fetcher.get(request.signed(url), max_bytes=MAX_ANSWER_BYTES, headers=request.headers)
        answer.demand_success()
        if request.secret is not None and request.secret.encode("ascii") in answer.body:
            raise UnreadableAnswer("the answer repeats our secret, and is not kept for that")
        try:
            listing = await asyncio.to_thread(request.read, answer.body)
        except ApiUnavailable:
            if attempt == TRIES:
                raise
            wait_s = answer.retry_after_s
            host = urlsplit(url).hostname or ""
            fetcher.pacing.hold(host, UNNAMED_WAIT_S if wait_s is None else wait_s, http_status=answer.status)
            continue
        record = records.of_answer(kind, answer.body, status=answer.status, fetched_at=fetcher.now())
        return record, listing
    raise AssertionError("the last try returns or raises")


def _candidate(each: ApiPicture, record: Record, *, rank: int, query: str) -> Candidate:
    return Candidate(each.url, record.source, rank, each.page_url, each.title, each.claim, query, record)


def _redacted(secret: str | None, text: str) -> str:
    return text if secret is None else text.replace(secret, "…")
