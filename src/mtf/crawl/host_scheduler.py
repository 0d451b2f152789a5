"""Host scheduler: leases each host to one worker at a time, and shares what is fetched once per run (robots.txt).

A worker is one process that sends requests, on this machine or another. It wants a host (`WantHost`), gets it with the
host's pace (`HostGranted`), and returns it with the pace as it then is (`ReturnHost`): so delays, bandwidth and waits
that a host demands hold over all workers. `HostWanted` tells the holder that another worker waits.

The scheduler does no input or output: a caller hands it each message of a worker, and sends the replies. So a thread
with pipes serves processes (`worker_processes`), and an actor serves a Ray cluster (`ray_workers`).
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from mtf.crawl.spool import Reader

UNKNOWN_DELAY_S = 1.0
"""Time without a request to a host whose first worker has ended, and with it what the host demanded."""


@dataclass(frozen=True, slots=True)
class HostPace:
    """State of a host's rate limits, with times in seconds from now, so that it holds on another machine's clock.

    delay_s: least time between two requests.
    next_start_s: time until the next request may start.
    paid_s: time until the bytes that have arrived are within the bandwidth.
    held_s: time for which the host wants no request.
    held_by: HTTP status of the answer that demanded the wait.
    demanded_s: sum of the waits that it has demanded.
    back_off_s: next wait after an answer that demands one without saying how long.
    """

    delay_s: float = 0.0
    next_start_s: float = 0.0
    paid_s: float = 0.0
    held_s: float = 0.0
    held_by: int | None = None
    demanded_s: float = 0.0
    back_off_s: float = 0.0

    def after(self, elapsed_s: float) -> HostPace:
        """Pace when `elapsed_s` seconds have passed."""
        left = {name: max(0.0, getattr(self, name) - elapsed_s) for name in ("next_start_s", "paid_s", "held_s")}
        return replace(self, **left)


@dataclass(frozen=True, slots=True)
class WantHost:
    """A worker asks for the lease of a host, once until it is granted."""

    host: str


@dataclass(frozen=True, slots=True)
class ReturnHost:
    """A worker gives a lease back."""

    host: str
    pace: HostPace


@dataclass(frozen=True, slots=True)
class WantDocument:
    """A worker asks for a document that one worker fetches for all."""

    key: str


@dataclass(frozen=True, slots=True)
class PutDocument:
    """Content of a document that the worker was told to fetch; None if it gave up, so that another one fetches it."""

    key: str
    content: bytes | None


@dataclass(frozen=True, slots=True)
class HostGranted:
    """Lease of a host. pace: None if nobody has had it before."""

    host: str
    pace: HostPace | None


@dataclass(frozen=True, slots=True)
class HostWanted:
    """Another worker waits for a host that this one has."""

    host: str


@dataclass(frozen=True, slots=True)
class DocumentReady:
    """Content of a document; None tells the worker to fetch it and to put it."""

    key: str
    content: bytes | None


WorkerMessage: TypeAlias = WantHost | ReturnHost | WantDocument | PutDocument
SchedulerMessage: TypeAlias = HostGranted | HostWanted | DocumentReady
Replies: TypeAlias = list[tuple[str, SchedulerMessage]]
"""(worker, message) pairs, in the order in which they are to be sent."""


@dataclass(slots=True)
class _Host:
    """Lease of a host. returned_at: of `clock`, when `pace` was valid."""

    holder: str | None = None
    waiting: deque[str] = field(default_factory=deque)
    pace: HostPace | None = None
    returned_at: float = 0.0


@dataclass(slots=True)
class _Document:
    """A document. read: None while `fetcher` fetches it."""

    fetcher: str | None = None
    waiting: list[str] = field(default_factory=list)
    read: Reader | None = None


class HostScheduler:
    """Scheduler of one run.

    store: keeps the content of a document and returns its reader, such as `Spool.add`, so that memory is bounded.
    clock: seconds of a monotonic clock.
    """

    def __init__(self, store: Callable[[bytes], Reader], clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        self._hosts: dict[str, _Host] = {}
        self._documents: dict[str, _Document] = {}

    def handle(self, worker: str, message: WorkerMessage) -> Replies:
        """Replies to a worker's message."""
        match message:
            case WantHost(host):
                return self._want_host(worker, host)
            case ReturnHost(host, pace):
                return self._return_host(worker, host, pace)
            case WantDocument(key):
                return self._want_document(worker, key)
            case PutDocument(key, content):
                return self._put_document(worker, key, content)

    def remove(self, worker: str) -> Replies:
        """Free all that a worker had when it ended.

        Its hosts keep the pace that they were granted with, as if a request had been sent just now.
        """
        replies: Replies = []
        for host, lease in list(self._hosts.items()):
            lease.waiting = deque(each for each in lease.waiting if each != worker)
            if lease.holder == worker:
                replies += self._return_host(worker, host, self._pace_of_lost(lease))
        for key, document in self._documents.items():
            document.waiting = [each for each in document.waiting if each != worker]
            if document.fetcher == worker:
                replies += self._put_document(worker, key, None)
        return replies

    def _pace_of_lost(self, lease: _Host) -> HostPace:
        """Pace of a host whose holder ended without returning it: when it sent its last request is not known."""
        if lease.pace is None:
            return HostPace(next_start_s=UNKNOWN_DELAY_S)
        pace = lease.pace.after(self._clock() - lease.returned_at)
        return replace(pace, next_start_s=max(pace.next_start_s, pace.delay_s))

    def _want_host(self, worker: str, host: str) -> Replies:
        lease = self._hosts.setdefault(host, _Host())
        if lease.holder is None:
            return self._grant(worker, host, lease)
        lease.waiting.append(worker)
        return [(lease.holder, HostWanted(host))] if len(lease.waiting) == 1 else []

    def _grant(self, worker: str, host: str, lease: _Host) -> Replies:
        now = self._clock()
        lease.holder = worker
        if lease.pace is not None:
            lease.pace, lease.returned_at = lease.pace.after(now - lease.returned_at), now
        replies: Replies = [(worker, HostGranted(host, lease.pace))]
        return [*replies, (worker, HostWanted(host))] if lease.waiting else replies

    def _return_host(self, worker: str, host: str, pace: HostPace) -> Replies:
        lease = self._hosts[host]
        if lease.holder != worker:
            return []
        lease.holder, lease.pace, lease.returned_at = None, pace, self._clock()
        return self._grant(lease.waiting.popleft(), host, lease) if lease.waiting else []

    def _want_document(self, worker: str, key: str) -> Replies:
        document = self._documents.setdefault(key, _Document())
        if document.read is not None:
            return [(worker, DocumentReady(key, document.read()))]
        if document.fetcher is not None:
            document.waiting.append(worker)
            return []
        document.fetcher = worker
        return [(worker, DocumentReady(key, None))]

    def _put_document(self, worker: str, key: str, content: bytes | None) -> Replies:
        document = self._documents[key]
        if document.fetcher != worker:
            return []
        document.fetcher = None
        if content is None:
            return self._want_document(document.waiting.pop(0), key) if document.waiting else []
        document.read = self._store(content)
        waiting, document.waiting = document.waiting, []
        return [(each, DocumentReady(key, content)) for each in waiting]
