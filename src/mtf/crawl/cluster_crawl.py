"""Crawl of a roster on a Ray cluster. Rate limits and robots.txt are shared by all machines (`mtf.crawl.ray_workers`).

With `compute.storage`, a worker gets an identity's earlier shard from there and puts the new one there; the driver
fetches it. A shard that a killed run has left in the storage is fetched first, so that nothing is requested twice. An
identity whose shard was cut or replaced in the storage is done again.
Visits go to a worker with their identity, and come back with what it has done: the driver alone writes the journal.
Folders and archives of pictures lie on the driver: with a storage, a crawl that reads one runs there.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mtf.core import cluster_storage
from mtf.core.cluster_storage import ClusterStorage, DamagedCopy
from mtf.core.cluster_tasks import RETRIES, keep
from mtf.core.errors import MtfError
from mtf.core.hashing import file_digest
from mtf.core.job_files import relocated
from mtf.core.scratch_folder import scratch_folder
from mtf.crawl import crawler, ray_workers
from mtf.crawl import recorded_web as recorded
from mtf.crawl.crawl_job import CrawlItem, CrawlJob, CrawlReport, IdentityDone
from mtf.crawl.crawler import AT_ONCE, CrawlWork
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
    """Work that a worker has done.

    done: None if the identity's earlier shard in the storage is damaged.
    sha256: of the new shard in the storage; None if there is none.
    damaged: message about the earlier shard.
    """

    identity: str
    done: IdentityDone | None
    sha256: str | None = None
    damaged: str = ""


def crawl(crawl_items: Sequence[CrawlItem], job: CrawlJob) -> CrawlReport:
    """Bring the shards of `crawl_items` up to date, on the cluster of `compute`. Raises as `crawler.crawl`."""
    storage = cluster_storage.of(job.params.compute)
    has_local = any(isinstance(source, LocalSource) for source in job.params.crawl.sources)
    if storage is not None and has_local:
        return crawler.crawl(crawl_items, job)
    report = CrawlReport(local_sources=LocalSources(job.params.crawl.sources, job.root).listings())
    left = {item.person.identity: item for item in crawl_items}
    with ThreadPoolExecutor(_TRANSFERS) as pool:
        for _ in range(RETRIES + 1):
            for done in _round(list(left.values()), job, storage, pool):
                report.add(done)
                del left[done.identity]
            if not left:
                return report
    raise MtfError(f"compute.storage: copies were damaged in each of {RETRIES + 1} rounds; look into the storage")


def _round(
    items: Sequence[CrawlItem], job: CrawlJob, storage: ClusterStorage | None, pool: ThreadPoolExecutor
) -> list[IdentityDone]:
    """Do each item once, and say which were not done since a copy in the storage is damaged."""
    fetches: list[Future[IdentityDone]] = []

    def add(item: ClusterDone) -> None:
        fetches.append(pool.submit(_fetch, item, job, storage))

    try:
        sent = list(pool.map(partial(_item, job=job, storage=storage), items))
        work = ClusterWork(job.settings(), storage, _web_files(job, storage))
        ray_workers.run(Work(job.params.crawl, work.open, AT_ONCE), sent, add, compute=job.params.compute)
    except DamagedCopy as damaged:  # of the recorded web
        print(f"mtf: {damaged}; it is put there again", file=sys.stderr)
    done = []
    for fetch in fetches:
        try:
            done.append(fetch.result())
        except DamagedCopy as damaged:
            print(f"mtf: {damaged}; the identity is done again", file=sys.stderr)
    return done


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
                        return ClusterDone(item.item.person.identity, await do(item.item))
                    return await _stored(item, do, job, storage)

                yield one


async def _stored(item: ClusterItem, do: Do, job: CrawlJob, storage: ClusterStorage) -> ClusterDone:
    """Do one identity with its shard from and to the storage."""
    identity = item.item.person.identity
    shard = job.folder / f"{identity}.tar"
    name = _name(shard, job)
    try:
        if item.earlier is not None:
            await asyncio.to_thread(storage.get, name, item.earlier, shard)
        done: IdentityDone = await do(item.item)
        sha256 = await asyncio.to_thread(storage.put, shard, name) if done.is_written else None
        return ClusterDone(identity, done, sha256)
    except DamagedCopy as damaged:
        return ClusterDone(identity, None, damaged=str(damaged))
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
    for sha256 in newer if here is None or here in there else ():
        try:
            storage.get(name, sha256, shard)
        except DamagedCopy as damaged:
            print(f"mtf: {damaged}; the identity is done again", file=sys.stderr)
            continue
        storage.keep_only(name, sha256)
        return ClusterItem(item, sha256)
    return ClusterItem(item, None if here is None else storage.put(shard, name))


def _fetch(item: ClusterDone, job: CrawlJob, storage: ClusterStorage | None) -> IdentityDone:
    """Fetch a new shard, and then note the visits: a killed run must not note one whose shard it did not get.

    Raises DamagedCopy if the earlier shard or the new one is damaged in the storage.
    """
    if item.done is None:
        raise DamagedCopy(item.damaged)
    if storage is not None and item.sha256 is not None:
        shard = job.folder / f"{item.identity}.tar"
        storage.get(_name(shard, job), item.sha256, shard)
        storage.keep_only(_name(shard, job), item.sha256)
    job.note(item.done)
    if job.done is not None:
        job.done()
    return item.done


def _web_files(job: CrawlJob, storage: ClusterStorage | None) -> tuple[tuple[str, str], ...]:
    web = job.params.crawl.web
    if storage is None or web is None:
        return ()
    files = [path for path in sorted((job.root / web).iterdir()) if path.is_file()]
    return tuple((name, storage.put(path, name)) for path in files if (name := _name(path, job)))


def _name(path: Path, job: CrawlJob) -> str:
    return path.relative_to(job.root).as_posix()
