"""Work of a crawl that is shared among workers: a coordinator hands out items and hosts, a worker does some at a time.

An item is a part of the crawl with a result of its own, such as an identity. `Work` says what is done with one.
`worker_processes` connects a coordinator and its workers by pipes, `ray_workers` over a cluster.
"""

from __future__ import annotations

import asyncio
import gc
from collections import deque
from collections.abc import Awaitable, Callable, Generator, Iterable
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass
from inspect import isawaitable
from typing import Any, TypeAlias

from mtf.config import Crawl
from mtf.crawl.host_leases import SharedHosts
from mtf.crawl.host_scheduler import HostScheduler, SchedulerMessage, WorkerMessage
from mtf.crawl.spool import Reader

_ALLOCATIONS_PER_COLLECTION = 50_000

Do = Callable[[Any], Awaitable[Any]]
"""Does one item; its result must be picklable and small. In its place may come an awaitable that gives it: then
another item begins meanwhile, as while this one's files are written."""


@dataclass(frozen=True, slots=True)
class TakeItem:
    """A worker can do one more item."""


@dataclass(frozen=True, slots=True)
class Finished:
    """A worker has done an item."""

    number: int
    result: Any


@dataclass(frozen=True, slots=True)
class Assigned:
    """The worker is to do an item."""

    number: int
    item: Any


@dataclass(frozen=True, slots=True)
class NoMoreItems:
    """Nothing is left to be taken."""


ToCoordinator: TypeAlias = TakeItem | Finished | WorkerMessage
ToWorker: TypeAlias = Assigned | NoMoreItems | SchedulerMessage
Replies: TypeAlias = list[tuple[str, ToWorker]]


@dataclass(frozen=True)
class Work:
    """Work that workers share; picklable.

    crawl: limits of the requests.
    open: returns the context in which a worker does items, given the hosts that it shares.
    at_once: items that a worker does at a time.
    """

    crawl: Crawl
    open: Callable[[SharedHosts], AbstractAsyncContextManager[Do]]
    at_once: int


class Coordinator:
    """Coordinator of one run: hands out items in their order, and hosts by a `HostScheduler`, without input or output.

    items: taken one by one as workers ask for them, so that they need not fit in memory.
    on_result: called with each item's result, in the order in which they arrive.
    store: keeps the documents that workers share, such as `Spool.add`.
    """

    def __init__(
        self, items: Iterable[Any], on_result: Callable[[Any], None], store: Callable[[bytes], Reader]
    ) -> None:
        self._items = iter(enumerate(items))
        self._on_result = on_result
        self._scheduler = HostScheduler(store)
        self._assigned: dict[str, dict[int, Any]] = {}
        self._returned: deque[tuple[int, Any]] = deque()
        self._idle: deque[str] = deque()
        self._are_all_taken = False

    @property
    def is_finished(self) -> bool:
        """True if every item has its result."""
        return self._are_all_taken and not self._returned and not any(self._assigned.values())

    def handle(self, worker: str, message: ToCoordinator) -> Replies:
        """Replies to a worker's message."""
        match message:
            case TakeItem():
                return self._take_item(worker)
            case Finished(number, result):
                # A worker that was given up may still answer.
                if self._assigned.get(worker, {}).pop(number, None) is not None:
                    self._on_result(result)
                return self._end_idle()
            case _:
                return list(self._scheduler.handle(worker, message))

    def remove(self, worker: str) -> Replies:
        """Free the hosts of a worker that ended, and have others do its items again."""
        self._idle = deque(each for each in self._idle if each != worker)
        self._returned += [(number, item) for number, (item,) in self._assigned.pop(worker, {}).items()]
        replies: Replies = list(self._scheduler.remove(worker))
        while self._idle and self._returned:
            replies += self._take_item(self._idle.popleft())
        return replies + self._end_idle()

    def _take_item(self, worker: str) -> Replies:
        taken = self._returned.popleft() if self._returned else next(self._items, None)
        if taken is None:
            self._are_all_taken = True
            self._idle.append(worker)
            return self._end_idle()
        number, item = taken
        self._assigned.setdefault(worker, {})[number] = (item,)
        return [(worker, Assigned(number, item))]

    def _end_idle(self) -> Replies:
        """Dismiss workers that wait for items, once no item can come back from a worker that ends."""
        if not self.is_finished:
            return []
        idle, self._idle = dict.fromkeys(self._idle), deque()
        return [(worker, NoMoreItems()) for worker in idle]


@contextmanager
def _rare_collections() -> Generator[None]:
    """Collect cyclic garbage more rarely, and without the objects of imported modules.

    Requests in flight are many small objects that live briefly: to look through them all the time took a fifth of the
    processor time of a picture.
    """
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(_ALLOCATIONS_PER_COLLECTION, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


class Worker:
    """Worker of one run, in the event loop of its process. `deliver` takes the coordinator's messages."""

    def __init__(self, work: Work, send: Callable[[ToCoordinator], None], *, workers: int) -> None:
        self._work = work
        self._send = send
        concurrency = max(1, work.crawl.concurrency // workers)
        self._hosts = SharedHosts(work.crawl, send, concurrency=concurrency)
        self._do: Do | None = None
        self._ended = asyncio.Event()
        self._group: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """Do items until none is left. Raises the first exception of one."""
        with _rare_collections():
            async with self._work.open(self._hosts) as self._do, asyncio.TaskGroup() as self._group:
                for _ in range(self._work.at_once):
                    self._send(TakeItem())
                await self._ended.wait()
        self._hosts.pacing.return_all()

    def deliver(self, message: ToWorker) -> None:
        """Take a message of the coordinator."""
        match message:
            case Assigned(number, item):
                if self._group is None:
                    raise AssertionError("items are assigned to a worker that runs")
                self._group.create_task(self._one(number, item))
            case NoMoreItems():
                self._ended.set()
            case _:
                self._hosts.deliver(message)

    async def _one(self, number: int, item: Any) -> None:
        assert self._do is not None, "set before the first item is taken"  # noqa: S101
        result = await self._do(item)
        if is_ending := isawaitable(result):
            self._send(TakeItem())
            result = await result
        self._send(Finished(number, result))
        if not is_ending:
            self._send(TakeItem())
