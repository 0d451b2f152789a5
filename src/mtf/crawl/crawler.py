"""Crawl the roster: for each identity decide what is to be done, do it, and write its shard.

A shard whose inputs still hold is left alone, unless addresses failed in a way that may pass: then these alone are
tried again. Where the inputs changed, the search is repeated only if what is searched for changed; pictures that
are here are judged anew and never fetched again, and what failed is asked for as often as `attempts` says and no
oftener, whatever the run was for. Identities are worked on a few at a time, all in one event loop,
which is where hosts are paced.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path

from mtf import schemas
from mtf.config import Params
from mtf.core.hashing import file_digest, fingerprint
from mtf.core.import_closure import closure, digest_of, modules_below
from mtf.crawl import recorded_web as recorded
from mtf.crawl import store, takedown_filter
from mtf.crawl.collector import Collector, CrawlContext
from mtf.crawl.fetch_results import Fetch, each_content_once
from mtf.crawl.http_client import HttpFetcher, user_agent
from mtf.crawl.signals_client import SignalsClient
from mtf.crawl.spool import Spool
from mtf.crawl.store import EarlierRun, Inputs
from mtf.schemas.takedown_file import Takedowns
from mtf.sources import registry
from mtf.sources.base import LocalSource, SearchResult, Source
from mtf.sources.candidate import Candidate, each_address_once, source_key
from mtf.sources.local_sources import LocalSources

AT_ONCE = 8
"""Identities in flight: enough different hosts to be busy while each is paced, few enough to bound memory."""

_COLUMNS = [str(table.dtypes) for table in (schemas.FETCHES, schemas.IMAGES, schemas.EVIDENCE)]


@dataclass(frozen=True)
class RosterPerson:
    """What the crawl needs of a roster's row."""

    identity: str
    query: str
    files: str | None


@dataclass
class CrawlReport:
    """What a run did, by identity, and which searches could not be completed."""

    made: list[str] = field(default_factory=list)
    retried: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class CrawlJob:
    """One run over a roster. Shards go to `folder`; relative paths of sources begin at `root`."""

    root: Path
    folder: Path
    params: Params
    takedowns: Takedowns
    refresh: bool
    done: Callable[[], None] = lambda: None


def crawl(people: Iterable[RosterPerson], job: CrawlJob) -> CrawlReport:
    """Bring the shards of `people` up to date. Raises BadInput for a source that is not there."""
    _search_code()  # kept from here on: the threads of the identities would each compute it
    web = job.params.crawl.web
    serving = nullcontext(None) if web is None else recorded.serve(job.root / web)
    with serving as recorded_web, ThreadPoolExecutor(1, thread_name_prefix="examiner") as examiner:
        try:
            return asyncio.run(_crawl(list(people), job, recorded_web, examiner))
        except ExceptionGroup as group:  # of one identity or several; the first is what a person can mend
            raise group.exceptions[0] from None


async def _crawl(
    people: list[RosterPerson], job: CrawlJob, web: recorded.RecordedWeb | None, examiner: ThreadPoolExecutor
) -> CrawlReport:
    crawl = job.params.crawl
    report = CrawlReport()
    local = LocalSources(crawl.sources, job.root)
    async with HttpFetcher(crawl, user_agent=user_agent(job.params.project), web=web) as fetcher:
        reservations = SignalsClient(fetcher, job.params.licenses.binding_opt_outs)
        tools = CrawlContext(crawl, fetcher, reservations, job.takedowns, local, examiner)
        places = asyncio.Semaphore(AT_ONCE)

        async def one(person: RosterPerson) -> None:
            async with places:
                await _Identity(person, job, tools, report).bring_up_to_date()
                job.done()

        async with asyncio.TaskGroup() as group:
            for person in people:
                group.create_task(one(person))
    return report


class _Identity:
    """The work on one identity."""

    def __init__(self, person: RosterPerson, job: CrawlJob, tools: CrawlContext, report: CrawlReport) -> None:
        self._person = person
        self._job = job
        self._tools = tools
        self._report = report
        self._shard = job.folder / f"{person.identity}.tar"

    async def bring_up_to_date(self) -> None:
        memory = await asyncio.to_thread(store.load, self._shard)
        searched = await asyncio.to_thread(self._searched)
        inputs = self._inputs(searched, memory.fetches.values())
        if memory.inputs != inputs or self._job.refresh:
            await self._make(memory, inputs)
            self._report.made.append(self._person.identity)
        elif any(self._fails(fetch) for fetch in memory.fetches.values()):
            await self._retry(memory, searched)
            self._report.retried.append(self._person.identity)
        else:
            self._report.kept.append(self._person.identity)

    async def _make(self, memory: EarlierRun, inputs: Inputs) -> None:
        candidates, searched = await self._candidates(memory, inputs.searched)
        is_alike = memory.inputs is not None and memory.inputs.judged == inputs.judged
        with Spool(self._job.folder.parent) as spool:
            collector = self._collector(spool, memory, judge_anew=self._job.refresh or not is_alike)
            fetches = each_content_once(await collector.obtain_all(candidates), before=memory.stored)
            await self._write(fetches, searched)

    async def _retry(self, memory: EarlierRun, searched: str) -> None:
        """Try again what failed in a way that may pass; everything else stays as it is."""
        failed = {url for url, fetch in memory.fetches.items() if self._fails(fetch)}
        with Spool(self._job.folder.parent) as spool:
            collector = self._collector(spool, memory, judge_anew=False)
            obtained = await collector.obtain_all(memory.fetches[url].candidate for url in failed)
            fetches = memory.fetches | {fetch.candidate.url: fetch for fetch in obtained}
            await self._write(each_content_once(fetches.values(), before=memory.stored), searched)

    async def _candidates(self, memory: EarlierRun, searched: str) -> tuple[list[Candidate], str]:
        """What to obtain, and the digest of the search: empty where it was not completed, so that it is repeated."""
        known = [fetch.candidate for fetch in memory.fetches.values()]
        is_searched = memory.inputs is not None and memory.inputs.searched == searched
        is_down = self._tools.takedowns.of_identity(self._person.identity) is not None
        if is_down or (is_searched and not self._job.refresh):
            return known, searched
        found = await self._search()
        self._report.problems += found.problems
        # A search engine's answers change from day to day: what it no longer names is not lost for that.
        kept = known if is_searched or found.problems else []
        return each_address_once([*found.candidates, *kept]), "" if found.problems else searched

    async def _search(self) -> SearchResult:
        found = SearchResult()
        local = iter(self._tools.local)
        for source in self._tools.crawl.sources:
            if isinstance(source, LocalSource):
                files = self._person.files
                results = SearchResult(await asyncio.to_thread(self._tools.local.find, next(local), files))
            else:
                results = await source.search(self._tools.fetcher, self._person.query)
            found_by = (source_key(source),)
            found.candidates += [replace(candidate, found_by=found_by) for candidate in results.candidates]
            found.problems += results.problems
        return found

    def _collector(self, spool: Spool, memory: EarlierRun, *, judge_anew: bool) -> Collector:
        renew = self._job.refresh
        return Collector(self._person.identity, self._tools, spool, memory.fetches, renew=renew, judge_anew=judge_anew)

    async def _write(self, fetches: list[Fetch], searched: str) -> None:
        inputs = self._inputs(searched, fetches)
        thread = asyncio.to_thread(store.write, self._shard, self._person.identity, fetches, inputs)
        await _to_its_end(asyncio.ensure_future(thread))

    def _fails(self, fetch: Fetch) -> bool:
        return fetch.is_to_be_tried_again(self._tools.crawl.attempts)

    def _searched(self) -> str:
        """Digest of what decides which addresses are found: a folder's names may be many, so not for the event loop."""
        stamps = self._tools.local.stamp(self._person.files)
        is_down = self._tools.takedowns.of_identity(self._person.identity) is not None
        person = [self._person.query, self._person.files, is_down]
        sources = self._tools.crawl.sources
        return fingerprint(person, sources, stamps, self._web(), _search_code(), _foreign_code(sources))

    def _web(self) -> str | None:
        """Digest of the recorded web; None where it is the live one."""
        web = self._tools.crawl.web
        return None if web is None else file_digest(self._job.root / web / recorded.RESPONSES)

    def _inputs(self, searched: str, fetches: Iterable[Fetch]) -> Inputs:
        crawl = self._tools.crawl
        bounds = [crawl.max_bytes, crawl.max_pixels, crawl.min_side_px]
        opt_outs = sorted(self._job.params.licenses.binding_opt_outs)
        judged = fingerprint(bounds, opt_outs, self._web(), _COLUMNS, _foreign_code(crawl.sources), code=[__name__])
        return Inputs(searched, judged, fingerprint(self._takedowns(fetches)))

    def _takedowns(self, fetches: Iterable[Fetch]) -> list[list[str]]:
        """The takedowns that concern these fetches, and no others: one request must not undo 640 shards."""
        fetches = list(fetches)
        takedowns, identity = self._tools.takedowns, self._person.identity
        requests = {
            request
            for fetch in fetches
            for request in (
                takedowns.of_picture(fetch.candidate.url),
                takedowns.of_page(fetch.candidate.page_url),
                takedowns.of_image(fetch.image_id),
            )
        } | {takedowns.of_identity(identity)}
        named = [[str(request.kind), request.value] for request in requests if request is not None]
        return sorted([*named, *takedown_filter.relevant_takedowns(fetches, takedowns)])


def _search_code() -> str:
    """Digest of the code that decides which addresses are found: of this package what only the search runs.

    A repeated search drops addresses that an engine no longer names, so a change in how everything is requested
    (`fetch` and below) judges the pictures anew and searches for none.
    """
    package = registry.__name__.rpartition(".")[0]
    modules = {*modules_below(package), registry.__name__} - closure(HttpFetcher.__module__)
    return digest_of(modules)


def _foreign_code(sources: Iterable[Source]) -> list[str]:
    """Digests of the modules of sources that another package brings along."""
    modules = {module for source in sources for module in registry.code_modules(type(source))}
    return [file_digest(Path(str(import_module(module).__file__))) for module in sorted(modules)]


async def _to_its_end(work: asyncio.Future[None]) -> None:
    """Wait for `work` even when we are cancelled meanwhile: a shard that is being written is finished."""
    try:
        await asyncio.shield(work)
    except asyncio.CancelledError:
        await work
        raise
