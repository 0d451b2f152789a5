"""Fetcher of shards: the work of one process of `mtf fetch`."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from mtf.crawl.collector import Collector
from mtf.crawl.crawl_context import CrawlContext
from mtf.crawl.fetch_results import Fetch
from mtf.crawl.host_leases import SharedHosts
from mtf.crawl.http_client import HttpFetcher, StandIn
from mtf.crawl.signals_client import SignalsClient
from mtf.crawl.spool import Spool
from mtf.crawl.work import Do
from mtf.crawl.worker_processes import first_error
from mtf.fetch import sample_columns, sample_rows, shard_writers
from mtf.fetch.options import FetchOptions
from mtf.fetch.url_list import Shard, StoredShard
from mtf.schemas.takedown_file import Takedowns
from mtf.sources.candidate import Candidate
from mtf.sources.local_sources import LocalSources

SHARDS_ENDING = 2
"""Shards besides that wait for the disk."""
STARTED_PER_SHARD = 1024
"""Addresses of a shard that are fetched or wait for their host, at a time."""
SPOOLED_IN_MEMORY_BYTES = 2**24
"""Bytes of a shard's pictures that wait in memory; more wait on disk."""
_SOURCE = "list"


@dataclass(frozen=True)
class ShardResult:
    """Result of a shard. stats: content of its `NNNNN_stats.json`."""

    number: int
    stats: dict[str, object]


@asynccontextmanager
async def opened(options: FetchOptions, web: StandIn | None, hosts: SharedHosts) -> AsyncGenerator[Do]:
    """Function that fetches one shard; all of one process share its connections.

    web: replaces the live web if it is given.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="examiner") as examiner:
        async with HttpFetcher(options.crawl, user_agent=options.user_agent, web=web, pacing=hosts.pacing) as fetcher:
            signals_client = SignalsClient(fetcher, options.binding, hosts.documents)
            context = CrawlContext(
                options.crawl, fetcher, signals_client, Takedowns(), LocalSources((), Path()), examiner
            )
            ending = asyncio.Semaphore(SHARDS_ENDING)

            async def fetch_shard(shard: Shard | StoredShard) -> Awaitable[ShardResult]:
                fetch = _ShardFetch(shard.opened(), options, context)
                await fetch.fetch(then=ending.acquire)
                return end(fetch)

            async def end(fetch: _ShardFetch) -> ShardResult:
                try:
                    return await asyncio.to_thread(fetch.end)
                finally:
                    ending.release()

            yield fetch_shard


class _ShardFetch:
    """Fetch of one shard: `fetch`, then `end`, in a thread, since it waits for the disk."""

    def __init__(self, shard: Shard, options: FetchOptions, context: CrawlContext) -> None:
        self._shard = shard
        self._options = options
        self._context = context
        self._statuses: Counter[str] = Counter()
        self._outcomes: Counter[str] = Counter()
        self._size_bytes = 0
        self._start = time.time()
        self._files = ExitStack()

    async def fetch(self, *, then: Callable[[], Awaitable[object]]) -> None:
        """Fetch all addresses, and await `then`. The shard's files stay open for `end`, unless something is raised."""
        options = self._options
        schema = sample_columns.schema(self._shard.table.schema, has_exif=options.has_exif)
        with ExitStack() as files:
            writing = shard_writers.writing(options.folder, self._shard.number, options.output_format, schema)
            self._writer = files.enter_context(writing)
            with Spool(options.folder, memory_bytes=SPOOLED_IN_MEMORY_BYTES) as spool:
                await self._fetch_all(self._shard.table.to_pylist(), spool, self._writer)
            await then()
            self._files = files.pop_all()

    def end(self) -> ShardResult:
        """Complete the shard's files."""
        number = self._shard.number
        with self._files:
            self._writer.finish()
        stats = self._stats(self._shard.table.num_rows, self._start)
        shard_writers.write_stats(self._options.folder, number, stats)
        if (target := self._options.target) is not None:
            target.move_shard(self._options.folder, number)
        return ShardResult(number, stats)

    async def _fetch_all(self, rows: list[dict[str, object]], spool: Spool, writer: shard_writers.SampleWriter) -> None:
        collector = Collector(
            shard_writers.shard_name(self._shard.number), self._context, spool, {}, renew=False, judge_anew=False
        )
        addresses = iter(_interleaved(rows))

        async def fetch_address(url: str, indices: list[int]) -> None:
            fetch = await collector.obtain(_candidate(url, rows[indices[0]], indices[0]))
            for index in indices:
                self._add(index, rows[index], fetch, writer)

        async def fetch_some() -> None:
            for url, indices in addresses:
                await fetch_address(url, indices)  # a function of its own, so that no picture outlives its turn

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(STARTED_PER_SHARD, len(rows))):
                    group.create_task(fetch_some())
        except ExceptionGroup as errors:  # of one address or several
            raise first_error(errors) from None

    def _add(self, index: int, listed: dict[str, object], fetch: Fetch, writer: shard_writers.SampleWriter) -> None:
        options = self._options
        data = None if fetch.picture is None else fetch.picture.read()
        exif = sample_rows.exif_of(data) if data is not None and options.has_exif else None
        key = options.key(self._shard.number, index)
        row = sample_rows.row(listed, key, fetch, exif=exif, has_exif=options.has_exif)
        writer.add(row, data)
        self._statuses[sample_rows.status(fetch)] += 1
        self._outcomes[str(fetch.outcome)] += 1
        self._size_bytes += len(data or b"")

    def _stats(self, count: int, start: float) -> dict[str, object]:
        """Content of `NNNNN_stats.json`: img2dataset's keys, then `outcomes` and `size_bytes`."""
        end = time.time()
        failures = {name: number for name, number in self._outcomes.items() if name != "stored"}
        successes = self._statuses[sample_rows.SUCCESS]
        return {
            "count": count,
            "successes": successes,
            "failed_to_download": self._statuses[sample_rows.NOT_DOWNLOADED],
            "failed_to_resize": self._statuses[sample_rows.NOT_A_PICTURE],
            "duration": end - start,
            "start_time": start,
            "end_time": end,
            "status_dict": {sample_rows.SUCCESS: successes} | failures,
            "outcomes": dict(self._outcomes),
            "size_bytes": self._size_bytes,
        }


def _candidate(url: str, row: dict[str, object], index: int) -> Candidate:
    page, claim = (row.get(name) for name in ("page_url", "claim"))
    return Candidate(
        url,
        _SOURCE,
        index,
        page_url=str(page) if page else None,
        claim=str(claim) if claim else None,
    )


def _interleaved(rows: list[dict[str, object]]) -> Iterable[tuple[str, list[int]]]:
    """Addresses with the indices of their rows, each once, the hosts in turn: so that many hosts are busy at once."""
    by_url: dict[str, list[int]] = defaultdict(list)
    for index, row in enumerate(rows):
        by_url[str(row["url"] or "")].append(index)
    by_host: dict[str, list[str]] = defaultdict(list)
    for url in by_url:
        by_host[_host(url)].append(url)
    turns = sorted((turn, url) for urls in by_host.values() for turn, url in enumerate(urls))
    return ((url, by_url[url]) for _, url in turns)


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
