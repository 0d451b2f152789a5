"""Crawl of a roster on a Ray cluster. Rate limits and robots.txt are shared by all machines (`mtf.crawl.ray_workers`).

With `compute.storage`, a worker gets an identity's earlier shard from there and puts the new one there; the driver
fetches it. A shard that a killed run has left in the storage is fetched first, so that nothing is requested twice.
Visits go to a worker with their identity, and come back with what it has done: the driver alone writes the journal.
Folders and archives of pictures lie on the driver: with a storage, a crawl that reads one runs there.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mtf.core import cluster_storage
from mtf.core.cluster_storage import ClusterStorage
from mtf.core.cluster_tasks import keep, scratch_folder
from mtf.core.hashing import file_digest
from mtf.core.job_files import relocated
from mtf.crawl import crawler, ray_workers
from mtf.crawl import recorded_web as recorded
from mtf.crawl.crawler import AT_ONCE, CrawlItem, CrawlJob, CrawlReport, CrawlWork, IdentityDone
from mtf.crawl.host_leases import SharedHosts
from mtf.crawl.work import Do, Work
from mtf.sources.base import LocalSource
from mtf.sources.local_sources import LocalSources

_TRANSFERS = 16
"""Shards that the driver sends or fetches at a time."""


@dataclass(frozen=True)
class ClusterItem:
    """An identity on its way to a worker. earlier: SHA-256 of its shard in the storage, None if there is none."""

    item: CrawlItem
    earlier: str | None


@dataclass(frozen=True)
class ClusterDone:
    """Work that a worker has done. sha256: of the new shard in the storage; None if there is none."""

    done: IdentityDone
    sha256: str | None


def crawl(crawl_items: Sequence[CrawlItem], job: CrawlJob) -> CrawlReport:
    """Bring the shards of `crawl_items` up to date, on the cluster of `compute`. Raises as `crawler.crawl`."""
    storage = cluster_storage.of(job.params.compute)
    has_local = any(isinstance(source, LocalSource) for source in job.params.crawl.sources)
    if storage is not None and has_local:
        return crawler.crawl(crawl_items, job)
    report = CrawlReport(local_sources=LocalSources(job.params.crawl.sources, job.root).listings())
    with ThreadPoolExecutor(_TRANSFERS) as pool:
        fetches: list[Future[None]] = []

        def add(item: ClusterDone) -> None:
            report.add(item.done)
            fetches.append(pool.submit(_fetch, item, job, storage))

        items = list(pool.map(partial(_item, job=job, storage=storage), crawl_items))
        work = ClusterWork(job.settings(), storage, _web_files(job, storage))
        ray_workers.run(Work(job.params.crawl, work.open, AT_ONCE), items, add, compute=job.params.compute)
        for fetch in fetches:
            fetch.result()
    return report


@dataclass(frozen=True)
class ClusterWork:
    """Work of the crawl's workers. web: (path, SHA-256) of the recorded web's files in the storage."""

    job: CrawlJob
    storage: ClusterStorage | None
    web: tuple[tuple[str, str], ...]

    @asynccontextmanager
    async def open(self, hosts: SharedHosts) -> AsyncGenerator[Do]:
        """Function that brings one identity up to date; all of one worker share its connections."""
        storage, job = self.storage, self.job
        if storage is not None:
            job = relocated(job, job.root, scratch_folder())
            for name, sha256 in self.web:
                await asyncio.to_thread(keep, storage, name, sha256, job.root)
        web = job.params.crawl.web
        with nullcontext(None) if web is None else recorded.serve(job.root / web) as served:
            stand_in = None if served is None else served.stand_in()
            async with CrawlWork(job, stand_in, None).open(hosts) as do:

                async def one(item: ClusterItem) -> ClusterDone:
                    if storage is None:
                        return ClusterDone(await do(item.item), None)
                    return await _stored(item, do, job, storage)

                yield one


async def _stored(item: ClusterItem, do: Do, job: CrawlJob, storage: ClusterStorage) -> ClusterDone:
    """Do one identity with its shard from and to the storage."""
    shard = job.folder / f"{item.item.person.identity}.tar"
    name = _name(shard, job)
    try:
        if item.earlier is not None:
            await asyncio.to_thread(storage.get, name, item.earlier, shard)
        done: IdentityDone = await do(item.item)
        sha256 = None if not done.is_written else await asyncio.to_thread(storage.put, shard, name)
        return ClusterDone(done, sha256)
    finally:
        shard.unlink(missing_ok=True)


def _item(item: CrawlItem, *, job: CrawlJob, storage: ClusterStorage | None) -> ClusterItem:
    """Put an identity's shard into the storage, or fetch it from there if a killed run has left a newer one."""
    if storage is None:
        return ClusterItem(item, None)
    shard = job.folder / f"{item.person.identity}.tar"
    name = _name(shard, job)
    here, there = file_digest(shard) if shard.is_file() else None, storage.versions(name)
    newer = [sha256 for sha256 in there if sha256 != here]
    if newer and (here is None or here in there):
        storage.get(name, newer[0], shard)
        storage.keep_only(name, newer[0])
        return ClusterItem(item, newer[0])
    return ClusterItem(item, None if here is None else storage.put(shard, name))


def _fetch(item: ClusterDone, job: CrawlJob, storage: ClusterStorage | None) -> None:
    """Fetch a new shard, and then note the visits: a killed run must not note one whose shard it did not get."""
    if storage is not None and item.sha256 is not None:
        shard = job.folder / f"{item.done.identity}.tar"
        storage.get(_name(shard, job), item.sha256, shard)
        storage.keep_only(_name(shard, job), item.sha256)
    job.note(item.done)
    if job.done is not None:
        job.done()


def _web_files(job: CrawlJob, storage: ClusterStorage | None) -> tuple[tuple[str, str], ...]:
    web = job.params.crawl.web
    if storage is None or web is None:
        return ()
    files = [path for path in sorted((job.root / web).iterdir()) if path.is_file()]
    return tuple((name, storage.put(path, name)) for path in files if (name := _name(path, job)))


def _name(path: Path, job: CrawlJob) -> str:
    return path.relative_to(job.root).as_posix()
