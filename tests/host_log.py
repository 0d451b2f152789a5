"""A web of many hosts on loopback that logs which process requested what, and when."""

from __future__ import annotations

import asyncio
import itertools
import os
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from aiohttp import web


@dataclass(frozen=True)
class Asked:
    """A request. start, end: of `time.monotonic`, in seconds."""

    host: str
    path: str
    process: int
    start: float
    end: float


@dataclass(frozen=True)
class LoggedHosts:
    """Client side of the web: each request names the process that sends it."""

    origin: str
    recorded_at: datetime | None = None

    def locate(self, url: str) -> tuple[str, dict[str, str]]:
        host, _, path = url.partition("://")[2].partition("/")
        return f"{self.origin}/{path}", {"Host": host, "X-Process": str(os.getpid())}


@dataclass
class HostLog:
    """The web.

    answers: path → (status, headers, body), the same for every host; any other path is not found.
    gate: hosts named `gate-…` answer only when so many processes have sent a request: so that all take part.
    is_open: hosts named `held-…` answer only when it is set.
    waiting: processes whose requests wait for it.
    """

    answers: Mapping[str, tuple[int, dict[str, str], bytes]]
    latency_s: float = 0.002
    gate: int = 0
    asked: list[Asked] = field(default_factory=list)
    senders: set[int] = field(default_factory=set)
    is_open: threading.Event = field(default_factory=threading.Event)
    waiting: set[int] = field(default_factory=set)
    hosts: LoggedHosts = field(default_factory=lambda: LoggedHosts(""))

    def counts(self, path: str) -> Counter[str]:
        """Host → number of requests for a path."""
        return Counter(each.host for each in self.asked if each.path == path)

    def processes(self) -> set[int]:
        return {each.process for each in self.asked}

    def shared_moments(self) -> list[tuple[Asked, Asked]]:
        """Pairs of requests of two processes that were at one host at the same time."""
        found = []
        for host in {each.host for each in self.asked}:
            own = sorted((each for each in self.asked if each.host == host), key=lambda each: each.start)
            found += [
                (one, other)
                for one, other in itertools.pairwise(own)
                if one.process != other.process and other.start < one.end
            ]
        return found

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        start = time.monotonic()
        status, headers, body = self.answers.get(request.path, (404, {}, b""))
        process = int(request.headers["X-Process"])
        self.senders.add(process)
        await asyncio.sleep(self.latency_s)
        while request.host.startswith("gate-") and len(self.senders) < self.gate:
            await asyncio.sleep(self.latency_s)
        while request.host.startswith("held-") and not self.is_open.is_set():
            self.waiting.add(process)
            await asyncio.sleep(self.latency_s)
        self.asked.append(Asked(request.host, request.path, process, start, time.monotonic()))
        return web.Response(status=status, headers=headers, body=body)


@contextmanager
def serving(log: HostLog) -> Iterator[HostLog]:
    """Serve on a free port of 127.0.0.1 while the block runs."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="host log")
    thread.start()

    async def start() -> tuple[web.ServerRunner, int]:
        runner = web.ServerRunner(web.Server(log.answer, access_log=None), shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return runner, runner.addresses[0][1]

    try:
        runner, port = asyncio.run_coroutine_threadsafe(start(), loop).result()
        log.hosts = LoggedHosts(f"http://127.0.0.1:{port}")
        yield log
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
