"""Sources that answer with a record of each picture: search them to the end, and read what their records say.

What the host of a picture says of it (Commons of its files, Flickr of its photos) is evidence: it takes the place
of the picture's page, which is then not asked for. A record that names no license does not, and neither does that
of an index (Openverse): there the picture's page is asked for, as for a search engine.

robots.txt is not asked for an API's addresses: they are made for programs, under terms of their own, and both
Commons and Flickr close them to robots that crawl. Pictures and pages are asked for under robots.txt as ever.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Protocol
from urllib.parse import urlsplit

from mtf.crawl import commons, flickr, openverse, records
from mtf.crawl.answers import Busy, Described, Listing, UnreadableAnswer
from mtf.crawl.candidates import Candidate
from mtf.crawl.failure import Failed
from mtf.crawl.fetch import Fetcher, retry_after_s
from mtf.crawl.pages import Page
from mtf.crawl.records import Record
from mtf.crawl.search import Found
from mtf.errors import BadInput
from mtf.licenses.evidence import Statement
from mtf.params import CommonsSource, FlickrSource, OpenverseSource

MAX_ANSWER_BYTES = 8_000_000
MAX_ANSWERS = 500
TRIES = 3
UNNAMED_WAIT_S = 5.0
"""How long to wait for an API that is busy and does not say until when."""

_READ = {"openverse": openverse.read, "commons": commons.read, "flickr": flickr.read}
_HOSTS = frozenset({"commons", "flickr"})

ApiSource = OpenverseSource | CommonsSource | FlickrSource


class Api(Protocol):
    """One search of one API. Addresses are shown and remembered without the secret; `signed` puts it in."""

    @property
    def source(self) -> ApiSource: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def secret(self) -> str | None: ...
    @property
    def delay_s(self) -> float:
        """At least this long between two requests."""
        ...

    def first(self) -> str: ...
    def following(self, listing: Listing) -> str | None: ...
    def signed(self, url: str) -> str: ...
    def read(self, body: bytes) -> Listing: ...


def api(source: ApiSource, query: str) -> Api:
    """Raises BadInput where the environment variable that params.yaml names holds nothing."""
    if isinstance(source, CommonsSource):
        return commons.Commons(source, query)
    if isinstance(source, FlickrSource):
        return flickr.Flickr(source, query, secret=_secret(source.kind, "key_variable", source.key_variable))
    name = source.token_variable
    return openverse.Openverse(
        source, query, secret=None if name is None else _secret(source.kind, "token_variable", name)
    )


def _secret(kind: str, parameter: str, variable: str) -> str:
    where = f"params.yaml: crawl.sources: {kind}: {parameter}"
    value = os.environ.get(variable, "").strip()
    if not value:
        raise BadInput(f"{where}: the environment variable {variable} is not set")
    if not (value.isascii() and value.isprintable()) or " " in value:
        raise BadInput(f"{where}: the environment variable {variable} holds something else than a key")
    return value


async def search(fetcher: Fetcher, source: ApiSource, query: str) -> Found:
    """All that `source` finds for `query`, in its order; what was found before a problem is kept."""
    wanted = api(source, query)
    if wanted.delay_s:
        fetcher.pacing.slow_down(urlsplit(wanted.first()).hostname or "", wanted.delay_s)
    found = Found()
    try:
        await _search(fetcher, wanted, query, found)
    except (Failed, UnreadableAnswer) as problem:
        found.problems.append(str(problem))
    found.problems = [_without(wanted.secret, f"{source.kind}, {query!r}: {problem}") for problem in found.problems]
    return found


async def _search(fetcher: Fetcher, wanted: Api, query: str, found: Found) -> None:
    seen: set[str] = set()
    undescribed: set[str] = set()
    async for record, listing in answers(fetcher, wanted):
        found.problems += listing.problems
        undescribed = (undescribed | listing.undescribed) - (listing.named - listing.undescribed)
        new = {each.url: each for each in reversed(listing.described) if each.url not in seen}
        if listing.described and not new:
            raise UnreadableAnswer("an answer repeats what came before: there may be more that cannot be had")
        for each in reversed(new.values()):
            if len(seen) == wanted.source.max_results:
                return
            found.candidates.append(_candidate(each, record, rank=len(seen), query=query))
            seen.add(each.url)
    if undescribed:
        found.problems.append(f"{len(undescribed)} results were named and never described: {min(undescribed)!r}")


async def answers(fetcher: Fetcher, wanted: Api) -> AsyncIterator[tuple[Record, Listing]]:
    """All answers to one search, in order. Raises Failed and UnreadableAnswer."""
    asked: set[str] = set()
    url: str | None = wanted.first()
    while url is not None:
        if url in asked:
            raise UnreadableAnswer("what it says comes next leads back to what came before")
        if len(asked) == MAX_ANSWERS:
            raise UnreadableAnswer(f"more than {MAX_ANSWERS} answers to one search")
        asked.add(url)
        record, listing = await _ask(fetcher, wanted, url)
        yield record, listing
        url = wanted.following(listing)


async def _ask(fetcher: Fetcher, wanted: Api, url: str) -> tuple[Record, Listing]:
    """One answer; asked for again, a few times, where the API says that it is busy."""
    for attempt in range(1, TRIES + 1):
        answer = await fetcher.get(wanted.signed(url), max_bytes=MAX_ANSWER_BYTES, headers=wanted.headers)
        answer.demand_success()
        if wanted.secret is not None and wanted.secret.encode("ascii") in answer.body:
            raise UnreadableAnswer("the answer repeats our secret, and is not kept for that")
        try:
            listing = await asyncio.to_thread(wanted.read, answer.body)
        except Busy:
            if attempt == TRIES:
                raise
            wait_s = retry_after_s(answer.headers)
            host = urlsplit(url).hostname or ""
            fetcher.pacing.hold(host, UNNAMED_WAIT_S if wait_s is None else wait_s, http_status=answer.status)
            continue
        now = datetime.now(UTC)
        return records.of_answer(wanted.source.kind, answer.body, status=answer.status, fetched_at=now), listing
    raise AssertionError("the last try returns or raises")


def _candidate(each: Described, record: Record, *, rank: int, query: str) -> Candidate:
    return Candidate(each.url, record.source, rank, each.page_url, each.title, each.claim, query, record)


def _without(secret: str | None, text: str) -> str:
    return text if secret is None else text.replace(secret, "…")


def is_evidence(candidate: Candidate) -> bool:
    """Whether the candidate's record is its host's own, and says anything of a license."""
    if candidate.record is None or candidate.record.source not in _HOSTS or candidate.page_url is None:
        return False
    said = _said(candidate)
    return said is not None and said.statement.statement is not None


def page(candidate: Candidate, opt_outs: tuple[str, ...]) -> Page:
    """The record in the place of the candidate's page. Its body is kept with the records, once for all it names."""
    record = candidate.record
    assert record is not None, "asked only where `is_evidence`"  # noqa: S101
    return Page(candidate.page_url, record.fetched_at, record.status, sha256=record.sha256, opt_outs=opt_outs)


def statement(candidate: Candidate) -> Statement:
    """What the record states of the candidate."""
    said = _said(candidate)
    return Statement() if said is None else said.statement


def supplemented(stated: Statement, candidate: Candidate) -> Statement:
    """What a page states, with the creator that an index names where the page names none.

    The license is the page's alone. A creator is owed to whoever made the picture, so a second-hand name is better
    than none; the statement says where it is from.
    """
    said = _said(candidate)
    if said is None or stated.creator is not None or said.statement.creator is None:
        return stated
    named = said.statement
    source = f"{named.method}: creator: {named.creator}"
    return replace(
        stated,
        creator=named.creator,
        creator_url=named.creator_url,
        statement=source if stated.statement is None else f"{stated.statement} | {source}",
    )


def _said(candidate: Candidate) -> Described | None:
    record = candidate.record
    if record is None or record.source not in _READ:
        return None
    try:
        return _by_address(record.source, record.body()).get(candidate.url)
    except UnreadableAnswer:
        return None


@lru_cache(maxsize=16)
def _by_address(source: str, body: bytes) -> dict[str, Described]:
    """One answer speaks of many pictures: it is read once for all of them."""
    return {each.url: each for each in reversed(_READ[source](body).described)}
