"""The crawl of `fetch.py`, without a search: the candidates are given."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from loopback_web import Loopback, address
from mtf.core import parallel_map
from mtf.crawl import store, worker_processes
from mtf.crawl.collector import Collector
from mtf.crawl.crawl_context import CrawlContext
from mtf.crawl.crawler import AT_ONCE
from mtf.crawl.fetch_results import each_content_once
from mtf.crawl.host_leases import SharedHosts
from mtf.crawl.http_client import HttpFetcher
from mtf.crawl.signals_client import SignalsClient
from mtf.crawl.spool import Spool
from mtf.crawl.work import Do, Work
from mtf.schemas.takedown_file import Takedowns
from mtf.sources.candidate import Candidate
from mtf.sources.local_sources import LocalSources

IDENTITIES = 64


@dataclass(frozen=True)
class CrawlShares:
    """The crawl's work once the search is done: an item is an identity with its pictures."""

    crawl: object
    web: Loopback
    folder: Path
    binding: tuple[str, ...]

    @asynccontextmanager
    async def open(self, hosts: SharedHosts) -> AsyncGenerator[Do]:
        crawl = self.crawl
        with ThreadPoolExecutor(1) as examiner:
            async with HttpFetcher(crawl, user_agent="mtf benchmark", web=self.web, pacing=hosts.pacing) as fetcher:
                signals_client = SignalsClient(fetcher, self.binding, hosts.documents)
                local = LocalSources((), Path())
                context = CrawlContext(crawl, fetcher, signals_client, Takedowns(), local, examiner)

                async def one(share: tuple[str, list[int]]) -> Counter[str]:
                    identity, numbers = share
                    found = [Candidate(address(number), "bing", number) for number in numbers]
                    return await crawl_share(identity, found, self.folder, context)

                yield one


async def crawl_share(identity: str, candidates: list[Candidate], folder: Path, context: CrawlContext) -> Counter[str]:
    """Crawl one identity, as the stage does once its search is done. Returns the outcomes."""
    with Spool(folder) as spool:
        collector = Collector(identity, context, spool, {}, renew=False, judge_anew=False)
        fetches = each_content_once(await collector.obtain_all(candidates))
        path = folder / "shards" / f"{identity}.tar"
        await asyncio.to_thread(store.write, path, identity, fetches, store.Inputs("", "", ""))
    return Counter(str(fetch.outcome) for fetch in fetches)


def crawl(settings: object, web: Loopback, folder: Path, count: int, binding: tuple[str, ...]) -> int:
    """Crawl all pictures for IDENTITIES; the number of stored ones."""
    shares = np.array_split(np.arange(count), IDENTITIES)
    items = [(f"person-{at}", [int(number) for number in numbers]) for at, numbers in enumerate(shares)]
    outcomes: Counter[str] = Counter()
    folder.mkdir()
    work = Work(settings, CrawlShares(settings, web, folder, binding).open, AT_ONCE)
    worker_processes.run(work, items, outcomes.update, processes=parallel_map.cores(), folder=folder)
    return outcomes["stored"]
