"""Crawl of one identity: brings its shard up to date.

- Unchanged inputs: the shard stays; only retriable failures are requested again.
- Changed inputs: stored pictures are judged again and never fetched again. The search is repeated only if its own
  inputs changed.
- A failed address is requested in at most `attempts` runs.
- What is due is asked again, without the shard if nothing has changed (`mtf.crawl.unopened_shards`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from mtf.crawl import heard_signals, store
from mtf.crawl.collector import Collector
from mtf.crawl.crawl_context import CrawlContext
from mtf.crawl.crawl_job import CrawlItem, CrawlJob, IdentityDone
from mtf.crawl.fetch_results import Fetch, each_content_once
from mtf.crawl.revisit import Revisits, Visit
from mtf.crawl.shard_inputs import ShardInputs
from mtf.crawl.spool import Spool
from mtf.crawl.store import EarlierRun, Inputs
from mtf.crawl.unopened_shards import UnopenedShard, UnopenedVisits
from mtf.schemas import FetchOutcome
from mtf.sources import record_evidence
from mtf.sources.base import LocalSource, SearchResult, source_key
from mtf.sources.candidate import Candidate, each_address_once

_ANY_ATTEMPTS = 2**31


class IdentityCrawl:
    """Crawl of one identity."""

    def __init__(self, item: CrawlItem, job: CrawlJob, context: CrawlContext, inputs: ShardInputs) -> None:
        self._person = person = item.person
        self._earlier_visits = item.visits
        self._unopened = item.unopened
        self._unopened_visits = UnopenedVisits(context)
        self._found: SearchResult | None = None
        self._is_written = False
        self._visits: dict[str, Visit] = {}
        self._searched_at: datetime | None = None
        self._fetches: list[Fetch] = []
        self._inputs = inputs
        self._job = job
        self._context = context
        self._problems: list[str] = []
        self._shard = job.folder / f"{person.identity}.tar"

    async def bring_up_to_date(self) -> IdentityDone:
        """Bring the shard up to date. Raises OSError if it cannot be written."""
        if self._unopened is not None and await self._is_unchanged(self._unopened):
            return self._done("revisited")
        earlier_run = await asyncio.to_thread(store.load, self._shard)
        self._fetches = list(earlier_run.fetches.values())
        searched = await asyncio.to_thread(self._inputs.searched, self._person)
        inputs = self._inputs.of(self._person, searched, self._fetches)
        if earlier_run.inputs != inputs or self._job.refresh:
            await self._make(earlier_run, inputs)
            state = "made"
        elif await self._revisit(earlier_run, searched):
            state = "revisited"
        elif any(self._fails(fetch) for fetch in self._fetches):
            await self._retry(earlier_run, searched)
            state = "retried"
        else:
            state = "kept"
        return self._done(state)

    def _done(self, state: str) -> IdentityDone:
        failed = [fetch.attempts for fetch in self._fetches if fetch.needs_retry(_ANY_ATTEMPTS)]
        return IdentityDone(
            self._person.identity,
            state,
            self._problems,
            self._is_written,
            tuple(self._visits.values()),
            self._searched_at,
            min(failed, default=None),
        )

    async def _is_unchanged(self, unopened: UnopenedShard) -> bool:
        """Do what is due without the shard; False if something is left to do with it."""
        searches = [] if unopened.addresses is None else [self._search()]
        await asyncio.gather(self._unopened_visits.all(unopened.pictures), *searches)
        self._visits |= self._unopened_visits.visits
        is_known = self._found is None or unopened.knows_all(self._found.candidates)
        return is_known and all(each.image_id in self._visits for each in unopened.pictures)

    async def _make(self, earlier_run: EarlierRun, inputs: Inputs) -> None:
        candidates, searched = await self._candidates(earlier_run, inputs.searched)
        is_unchanged = earlier_run.inputs is not None and earlier_run.inputs.judged == inputs.judged
        with Spool(self._job.folder.parent) as spool:
            collector = self._collector(spool, earlier_run, judge_anew=self._job.refresh or not is_unchanged)
            fetches = each_content_once(await collector.obtain_all(candidates), before=earlier_run.stored)
            await self._write(fetches, searched)

    async def _revisit(self, earlier_run: EarlierRun, searched: str) -> bool:
        """Ask the sources again, if that is due; an unchanged shard stays. False if nothing is due."""
        due, visits = self._job.due, self._earlier_visits
        earlier = list(earlier_run.fetches.values())
        is_down = self._context.takedowns.of_identity(self._person.identity) is not None
        if due is None or is_down or all(isinstance(source, LocalSource) for source in self._context.crawl.sources):
            return False
        has_records = any(record_evidence.is_evidence(fetch.candidate) for fetch in earlier)
        recheck = due.pictures(visits, earlier) - self._visits.keys()
        search = self._found is not None or due.search(visits, self._person.identity, earlier)
        if not (recheck or search):
            return False
        candidates = [fetch.candidate for fetch in earlier]
        if search or (recheck and has_records):
            result = await self._search()
            candidates = each_address_once([*_as_known(result.candidates, earlier_run), *candidates])
        with Spool(self._job.folder.parent) as spool:
            revisits = Revisits(self._context, recheck, visits.unchanged, visits.gone, self._unopened_visits.answers)
            collector = self._collector(spool, earlier_run, judge_anew=False, revisits=revisits)
            fetches = each_content_once(await collector.obtain_all(candidates), before=earlier_run.stored)
            if _content(fetches) != _content(earlier):
                await self._write(fetches, searched)
        self._visits |= revisits.visits
        return True

    async def _retry(self, earlier_run: EarlierRun, searched: str) -> None:
        """Request retriable failures again; everything else stays unchanged."""
        failed = {url for url, fetch in earlier_run.fetches.items() if self._fails(fetch)}
        with Spool(self._job.folder.parent) as spool:
            collector = self._collector(spool, earlier_run, judge_anew=False)
            obtained = await collector.obtain_all(earlier_run.fetches[url].candidate for url in failed)
            fetches = earlier_run.fetches | {fetch.candidate.url: fetch for fetch in obtained}
            await self._write(each_content_once(fetches.values(), before=earlier_run.stored), searched)

    async def _candidates(self, earlier_run: EarlierRun, searched: str) -> tuple[list[Candidate], str]:
        """Candidates, and the digest of their search: empty after an incomplete search, so that it is repeated."""
        earlier = [fetch.candidate for fetch in earlier_run.fetches.values()]
        is_searched = earlier_run.inputs is not None and earlier_run.inputs.searched == searched
        is_down = self._context.takedowns.of_identity(self._person.identity) is not None
        if is_down or (is_searched and not self._job.refresh):
            return earlier, searched
        result = await self._search()
        # A search engine's answers change from day to day: addresses that it no longer names are kept.
        kept = earlier if is_searched or result.problems else []
        return each_address_once([*result.candidates, *kept]), "" if result.problems else searched

    async def _search(self) -> SearchResult:
        """Result of the search, which is made once."""
        if self._found is None:
            self._found = result = await self._search_all()
            self._problems += result.problems
            if not result.problems:
                self._searched_at = self._context.fetcher.now() if self._job.due is None else self._job.due.now
        return self._found

    async def _search_all(self) -> SearchResult:
        result = SearchResult()
        local = iter(self._context.local)
        for source in self._context.crawl.sources:
            if isinstance(source, LocalSource):
                files = self._person.files
                results = SearchResult(await asyncio.to_thread(self._context.local.find, next(local), files))
            else:
                results = await source.search(self._context.fetcher, self._person.query)
            found_by = (source_key(source),)
            result.candidates += [replace(candidate, found_by=found_by) for candidate in results.candidates]
            result.problems += results.problems
        return result

    def _collector(
        self, spool: Spool, earlier_run: EarlierRun, *, judge_anew: bool, revisits: Revisits | None = None
    ) -> Collector:
        return Collector(
            self._person.identity,
            self._context,
            spool,
            earlier_run.fetches,
            renew=self._job.refresh or revisits is not None,
            judge_anew=judge_anew,
            revisits=revisits,
        )

    async def _write(self, fetches: list[Fetch], searched: str) -> None:
        self._fetches, self._is_written = fetches, True
        inputs = self._inputs.of(self._person, searched, fetches)
        thread = asyncio.to_thread(store.write, self._shard, self._person.identity, fetches, inputs)
        await _to_its_end(asyncio.ensure_future(thread))

    def _fails(self, fetch: Fetch) -> bool:
        return fetch.needs_retry(self._context.crawl.attempts)


def _as_known(found: Iterable[Candidate], earlier_run: EarlierRun) -> Iterable[Candidate]:
    """Candidates of a search; of an address that is known, with the same page and claim, the one that is known.

    Its place among the results changes from day to day, and is no reason to write a shard.
    """
    for candidate in found:
        earlier = earlier_run.fetches.get(candidate.url)
        known = None if earlier is None else earlier.candidate
        is_same = known is not None and (known.page_url, known.claim) == (candidate.page_url, candidate.claim)
        yield known if known is not None and is_same and candidate.record is None else candidate


def _content(fetches: Iterable[Fetch]) -> dict[str, tuple[object, ...]]:
    """Address → all that a shard says of it, without the times of its requests."""
    return {fetch.candidate.url: _content_of(fetch) for fetch in fetches}


def _content_of(fetch: Fetch) -> tuple[object, ...]:
    named = (fetch.candidate.page_url, fetch.candidate.claim, fetch.outcome, fetch.image_id)
    picture = fetch.picture
    if fetch.outcome != FetchOutcome.STORED or picture is None:
        return (*named, fetch.detail, fetch.attempts)
    evidence = {name: value for name, value in picture.evidence.items() if name != "checked_at"}
    preferences = {heard_signals.key(each) for each in fetch.preferences}
    return (*named, evidence, preferences, picture.page.sha256, picture.page.detail, len(picture.earlier))


async def _to_its_end(work: asyncio.Future[None]) -> None:
    """Wait for `work` even if cancelled meanwhile: a shard that is being written is finished."""
    try:
        await asyncio.shield(work)
    except asyncio.CancelledError:
        await work
        raise
