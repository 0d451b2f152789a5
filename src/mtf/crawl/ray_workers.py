"""Workers of a crawl on a Ray cluster: one actor has the coordinator, and so hands out items and hosts for all of them.

Each worker is a task that runs until no item is left. It has at most one call to the actor in each direction at a time:
one brings its messages, all that wait since the last one, and one fetches the replies. So messages keep their order,
and the actor is asked the less often for each of them the more there are.

A worker that dies gives its hosts and items back; another one is started in its place.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from itertools import count
from typing import Any

from mtf.config import Compute
from mtf.core import cluster_tasks
from mtf.core.cluster_tasks import RETRIES, check_code
from mtf.core.errors import MtfError
from mtf.core.import_closure import package_digest
from mtf.core.scratch_folder import scratch_folder
from mtf.crawl.spool import Spool
from mtf.crawl.work import Coordinator, Replies, ToCoordinator, ToWorker, Work, Worker

_END_S = 10.0


class Switchboard:
    """Actor with the coordinator of one run, and a mailbox for each worker."""

    def __init__(self, items: Sequence[Any]) -> None:
        spool = Spool(scratch_folder())
        self._results: asyncio.Queue[Any] = asyncio.Queue()
        self._coordinator = Coordinator(items, self._results.put_nowait, spool.add)
        self._mailboxes: defaultdict[str, asyncio.Queue[ToWorker]] = defaultdict(asyncio.Queue)
        self._removed: set[str] = set()

    async def send(self, worker: str, messages: list[ToCoordinator]) -> None:
        """Take a worker's messages; those of one that was given up are dropped."""
        for message in messages:
            if worker not in self._removed:
                self._deliver(self._coordinator.handle(worker, message))

    async def receive(self, worker: str) -> list[ToWorker]:
        """Replies to a worker, once there are any."""
        return await _all_of(self._mailboxes[worker])

    async def results(self) -> tuple[list[Any], bool]:
        """Results since the last call, once there are any; True with them if they are the last."""
        results = await _all_of(self._results)
        return results, self._coordinator.is_finished and self._results.empty()

    async def remove(self, worker: str) -> None:
        """Have others do the items of a worker that died."""
        self._removed.add(worker)
        self._deliver(self._coordinator.remove(worker))

    def _deliver(self, replies: Replies) -> None:
        for worker, reply in replies:
            self._mailboxes[worker].put_nowait(reply)


async def _all_of(queue: asyncio.Queue[Any]) -> list[Any]:
    found = [await queue.get()]
    while not queue.empty():
        found.append(queue.get_nowait())
    return found


def run(work: Work, items: Sequence[Any], on_result: Callable[[Any], None], *, compute: Compute) -> None:
    """Do `work` with each of `items` on the cluster of `compute`, with a worker for each core or `compute.workers`.

    on_result: called here with each result, as they arrive.

    The first exception of an item ends the run and is raised here. Raises MtfError if workers die again and again.
    """
    if items:
        asyncio.run(_Run(work, items, on_result, compute).run())


class _Run:
    """One run, as the driver sees it."""

    def __init__(self, work: Work, items: Sequence[Any], on_result: Callable[[Any], None], compute: Compute) -> None:
        ray = self._ray = cluster_tasks.connect(compute)
        self._work = work
        self._on_result = on_result
        self._count = min(compute.workers or cluster_tasks.core_count(compute), work.crawl.concurrency)
        # On the driver's machine: if that is lost, so is the run. With a soft affinity, Ray places an actor on any
        # machine if it needs no core.
        node = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
            ray.get_runtime_context().get_node_id(), soft=False
        )
        actor = ray.remote(num_cpus=0, max_concurrency=2 * self._count + 8, scheduling_strategy=node)(Switchboard)
        self._switchboard = actor.remote(items)
        self._task = ray.remote(num_cpus=1, max_retries=0, scheduling_strategy="SPREAD")(work_until_done)
        self._names = count()
        self._workers: dict[asyncio.Future[None], tuple[str, Any]] = {}

    async def run(self) -> None:
        for _ in range(self._count):
            self._start_worker()
        try:
            await self._serve()
            # They know that no item is left; those that still wait for a machine are not waited for.
            await asyncio.wait({asyncio.ensure_future(asyncio.sleep(0)), *self._workers}, timeout=_END_S)
        except self._ray.exceptions.RayActorError as error:
            raise MtfError(
                "the coordinator of the workers, on the driver's machine, died; run the command again"
            ) from error
        finally:
            self._end()

    async def _serve(self) -> None:
        """Take results until the last one, and replace workers that die."""
        results = asyncio.ensure_future(_value(self._switchboard.results.remote()))
        while True:
            done, _ = await asyncio.wait({results, *self._workers}, return_when=asyncio.FIRST_COMPLETED)
            if results in done:
                found, is_last = results.result()
                for result in found:
                    self._on_result(result)
                if is_last:
                    return
                results = asyncio.ensure_future(_value(self._switchboard.results.remote()))
            for worker in done & self._workers.keys():
                await self._end_worker(worker)

    def _start_worker(self) -> None:
        number = next(self._names)
        if number >= (RETRIES + 1) * self._count:
            raise MtfError(f"{number - self._count} workers of the crawl died; `mtf doctor` asks each machine")
        name = f"worker-{number}"
        reference = self._task.remote(name, self._work, self._switchboard, self._count, package_digest())
        self._workers[asyncio.ensure_future(_value(reference))] = (name, reference)

    async def _end_worker(self, worker: asyncio.Future[None]) -> None:
        """Replace a worker that died; raise what it raised."""
        name, _ = self._workers.pop(worker)
        errors = self._ray.exceptions
        try:
            worker.result()
        except errors.RayTaskError as error:
            raise error.cause or error from None
        except errors.RayError:
            await _value(self._switchboard.remove.remote(name))
            self._start_worker()

    def _end(self) -> None:
        for worker, (_, reference) in self._workers.items():
            if not worker.done():
                self._ray.cancel(reference)
            worker.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
            worker.cancel()
        self._ray.kill(self._switchboard)


async def _value(reference: Awaitable[Any]) -> Any:
    return await reference


def work_until_done(name: str, work: Work, switchboard: Any, workers: int, code: str) -> None:
    """Do items on a worker until none is left. Raises the first exception of one."""
    check_code(code)
    try:
        asyncio.run(_connected(name, work, switchboard, workers))
    except BaseExceptionGroup as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        raise error from None


async def _connected(name: str, work: Work, switchboard: Any, workers: int) -> None:
    outbox: asyncio.Queue[ToCoordinator] = asyncio.Queue()
    worker = Worker(work, outbox.put_nowait, workers=workers)

    async def send() -> None:
        while True:
            messages = await _all_of(outbox)
            await switchboard.send.remote(name, messages)
            for _ in messages:
                outbox.task_done()

    async def receive() -> None:
        while True:
            for message in await switchboard.receive.remote(name):
                worker.deliver(message)

    lines = [asyncio.ensure_future(send()), asyncio.ensure_future(receive())]
    working = asyncio.ensure_future(worker.run())
    try:
        await asyncio.wait({working, *lines}, return_when=asyncio.FIRST_COMPLETED)
        for line in lines:
            if line.done():  # the actor is gone, and the run with it
                line.result()
        working.result()
        await outbox.join()
    finally:
        for line in (working, *lines):
            line.cancel()
