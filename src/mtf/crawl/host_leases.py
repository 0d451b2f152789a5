"""Host leases: rate limits of a worker that shares hosts with others, and documents that one worker fetches for all.

The other side is `host_scheduler`. A worker sends requests only to hosts of which it has the lease. It keeps a lease
until another worker wants the host, but at least for a time within TENURE_S. So two workers do not take turns at each
request.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from mtf.config import Crawl
from mtf.crawl.host_scheduler import (
    DocumentReady,
    HostGranted,
    HostWanted,
    PutDocument,
    ReturnHost,
    SchedulerMessage,
    WantDocument,
    WantHost,
    WorkerMessage,
)
from mtf.crawl.rate_limits import Pacing

TENURE_S = (0.25, 0.75)
"""Shortest and longest time for which a worker keeps a host that another one wants.

Each lease has a random time in between. With equal times, hosts that were granted together would be returned together,
and the worker would have none of them until it gets them back."""
MAX_IDLE_HOSTS = 512
"""Hosts without requests that a worker keeps."""

Send = Callable[[WorkerMessage], None]
Fetch = Callable[[], Awaitable[bytes]]


@dataclass(slots=True)
class _Lease:
    """Lease of a host, granted or asked for.

    granted: result is set when the host is granted.
    returned: result is set when it is returned.
    granted_at: time of `clock`.
    users: number of requests that are being sent.
    is_wanted: another worker waits for the host.
    tenure_s: time for which the host is kept although another worker wants it.
    """

    granted: asyncio.Future[None]
    returned: asyncio.Future[None]
    granted_at: float = 0.0
    users: int = 0
    is_wanted: bool = False
    tenure_s: float = field(default_factory=lambda: random.uniform(*TENURE_S))


class LeasedPacing(Pacing):
    """Rate limits of one worker among several. `deliver` takes the scheduler's messages.

    clock: seconds of a monotonic clock.
    """

    def __init__(
        self, crawl: Crawl, send: Send, *, concurrency: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(crawl, concurrency=concurrency)
        self._send = send
        self._clock = clock
        self._leases: dict[str, _Lease] = {}
        self._idle: dict[str, None] = {}

    @asynccontextmanager
    async def turn(self, host: str) -> AsyncGenerator[None]:
        """Wait for the host's lease and a slot at `host`, and hold both while the block runs."""
        name, line = self.line_name(host), self._line(host)
        line.requests += 1
        try:
            async with line.slots:
                lease = await self._hold(name)
                try:
                    await line.wait()
                    async with self._slots:
                        yield
                finally:
                    lease.users -= 1
        finally:
            line.requests -= 1
            self._return_if_unneeded(name)

    def deliver(self, message: HostGranted | HostWanted) -> None:
        """Take a message of the scheduler."""
        lease = self._leases.get(message.host)
        if lease is None:  # it was returned meanwhile
            return
        match message:
            case HostGranted(host, pace):
                if pace is not None:
                    self._line(host).resume(pace)
                lease.granted_at = self._clock()
                lease.granted.set_result(None)
            case HostWanted():
                lease.is_wanted = True
        self._return_if_unneeded(message.host)

    def return_all(self) -> None:
        """Return every host, at the worker's end."""
        for name, lease in list(self._leases.items()):
            if lease.granted.done():
                self._return(name, lease)

    async def _hold(self, name: str) -> _Lease:
        while True:
            lease = self._leases.get(name)
            if lease is None:
                loop = asyncio.get_running_loop()
                lease = self._leases[name] = _Lease(loop.create_future(), loop.create_future())
                self._send(WantHost(name))
            if not lease.granted.done():
                await asyncio.shield(lease.granted)
            if lease.returned.done():
                continue
            if not self._is_closing(lease):
                lease.users += 1
                return lease
            self._return_if_unneeded(name)  # this may be the last request of the lease: nobody else would return it
            await asyncio.shield(lease.returned)

    def _is_closing(self, lease: _Lease) -> bool:
        """True if no further request may start, since another worker has waited long enough."""
        return lease.is_wanted and lease.granted.done() and self._clock() - lease.granted_at >= lease.tenure_s

    def _return_if_unneeded(self, name: str) -> None:
        """Return a host without a request in flight if another worker may have it now; else keep it, if it is idle."""
        lease = self._leases.get(name)
        if lease is None or lease.users or not lease.granted.done():
            return
        is_idle = self._lines[name].requests == 0 if name in self._lines else True
        if self._is_closing(lease) or (lease.is_wanted and is_idle):
            self._return(name, lease)
        elif is_idle:
            self._keep_idle(name)

    def _keep_idle(self, name: str) -> None:
        """Keep a host without requests; return those that were idle longest, beyond MAX_IDLE_HOSTS."""
        self._idle.pop(name, None)
        self._idle[name] = None
        while len(self._idle) > MAX_IDLE_HOSTS:
            self._return_idle(next(iter(self._idle)))

    def _return_idle(self, name: str) -> None:
        self._idle.pop(name)
        lease, line = self._leases.get(name), self._lines.get(name)
        if lease is not None and not lease.users and (line is None or line.requests == 0):
            self._return(name, lease)

    def _return(self, name: str, lease: _Lease) -> None:
        line = self._line(name)
        self._idle.pop(name, None)
        del self._leases[name]
        if line.requests == 0:
            del self._lines[name]
        lease.returned.set_result(None)
        self._send(ReturnHost(name, line.pace()))


class SharedDocuments:
    """Documents that are fetched once per run by one worker, and read by all. `deliver` takes their content."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._wanted: dict[str, asyncio.Future[bytes | None]] = {}

    async def of(self, key: str, fetch: Fetch) -> bytes:
        """Content of a document: from the worker that has fetched it, or by `fetch` if this one is to do so.

        Raises what `fetch` raises; then another worker fetches it.
        """
        if key not in self._wanted:
            self._wanted[key] = asyncio.get_running_loop().create_future()
            self._send(WantDocument(key))
        content = await asyncio.shield(self._wanted[key])
        if content is not None:
            return content
        try:
            content = await fetch()
        finally:
            self._wanted.pop(key, None)
            self._send(PutDocument(key, content))
        return content

    def deliver(self, message: DocumentReady) -> None:
        """Take a message of the scheduler."""
        wanted = self._wanted.get(message.key)
        if wanted is None or wanted.done():
            return
        wanted.set_result(message.content)
        if message.content is not None:
            del self._wanted[message.key]


class SharedHosts:
    """Leases of hosts, and documents, that a worker shares with others."""

    def __init__(self, crawl: Crawl, send: Send, *, concurrency: int) -> None:
        self.pacing = LeasedPacing(crawl, send, concurrency=concurrency)
        self.documents = SharedDocuments(send)

    def deliver(self, message: SchedulerMessage) -> None:
        """Take a message of the scheduler."""
        if isinstance(message, DocumentReady):
            self.documents.deliver(message)
        else:
            self.pacing.deliver(message)
