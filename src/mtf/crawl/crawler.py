"""Crawl of the roster: brings the shard of each identity up to date (`mtf.crawl.identity_crawl`).

A process works on several identities at a time, in one event loop. With many identities there are several processes,
which share the rate limits of hosts (`mtf.crawl.host_scheduler`).

A worker on another machine sees neither the table of visits nor its journal. So each item brings an identity's earlier
visits, and the coordinator alone writes the new ones.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass

from mtf.config import Params
from mtf.core import parallel_map
from mtf.crawl import recorded_web as recorded
from mtf.crawl import shard_inputs, worker_processes
from mtf.crawl.crawl_context import CrawlContext
from mtf.crawl.crawl_job import CrawlItem, CrawlJob, CrawlReport, IdentityDone
from mtf.crawl.host_leases import SharedHosts
from mtf.crawl.http_client import HttpFetcher, StandIn, user_agent
from mtf.crawl.identity_crawl import IdentityCrawl
from mtf.crawl.shard_inputs import ShardInputs
from mtf.crawl.signals_client import SignalsClient
from mtf.crawl.work import Do, Work
from mtf.sources.base import LocalSource
from mtf.sources.local_sources import LocalSources

AT_ONCE = 8
"""Identities that a process works on at a time: enough to use many hosts under their limits, few enough for memory."""
IDENTITIES_PER_PROCESS = 32
"""Identities that are worth the start of one more process."""


def crawl(items: Sequence[CrawlItem], job: CrawlJob) -> CrawlReport:
    """Bring the shards of `items` up to date. Raises BadInput for a source that does not exist."""
    shard_inputs.search_code()  # fills the cache: else each identity's thread would compute it
    web = job.params.crawl.web
    local = LocalSources(job.params.crawl.sources, job.root)
    report = CrawlReport(local_sources=local.listings())
    if not items:
        return report
    processes = _processes(len(items), job.params)
    with nullcontext(None) if web is None else recorded.serve(job.root / web) as recorded_web:
        stand_in = None if recorded_web is None else recorded_web.stand_in()
        crawl_work = CrawlWork(job.settings(), stand_in, local if processes == 1 else None)

        def add(done: IdentityDone) -> None:
            report.add(done)
            job.note(done)
            if job.done is not None:
                job.done()

        work = Work(job.params.crawl, crawl_work.open, AT_ONCE)
        worker_processes.run(work, items, add, processes=processes, folder=job.folder.parent)
    return report


def _processes(people: int, params: Params) -> int:
    """Number of processes for a roster. A crawl of local files alone waits for the disk: one reads them."""
    if all(isinstance(source, LocalSource) for source in params.crawl.sources):
        return 1
    worth = -(-people // IDENTITIES_PER_PROCESS)
    return max(1, min(parallel_map.worker_count(params.compute), worth, params.crawl.concurrency))


@dataclass(frozen=True)
class CrawlWork:
    """Work of the crawl's processes.

    local: opened local sources; None to open them in the process.
    """

    job: CrawlJob
    web: StandIn | None
    local: LocalSources | None

    @asynccontextmanager
    async def open(self, hosts: SharedHosts) -> AsyncGenerator[Do]:
        """Function that brings one identity up to date; all of one process share its connections."""
        params = self.job.params
        shard_inputs.search_code()  # fills the cache: else each identity's thread would compute it
        local = self.local or LocalSources(params.crawl.sources, self.job.root)
        agent = user_agent(params.project)
        with ThreadPoolExecutor(1, thread_name_prefix="examiner") as examiner:
            async with HttpFetcher(params.crawl, user_agent=agent, web=self.web, pacing=hosts.pacing) as fetcher:
                signals_client = SignalsClient(fetcher, params.licenses.binding_opt_outs, hosts.documents)
                takedowns = self.job.takedowns
                context = CrawlContext(params.crawl, fetcher, signals_client, takedowns, local, examiner)
                inputs = ShardInputs(self.job, local)

                async def crawl_identity(item: CrawlItem) -> IdentityDone:
                    return await IdentityCrawl(item, self.job, context, inputs).bring_up_to_date()

                yield crawl_identity
