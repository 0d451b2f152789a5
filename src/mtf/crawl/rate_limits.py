"""Rate limits: concurrent requests in all and per host, and a delay between requests to one host."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from mtf.schemas import FetchOutcome
from mtf.sources.fetch_failure import FetchFailed

LONGEST_WAIT_S = 60.0
"""Longest wait that a host can demand, by Retry-After or by Crawl-delay."""


@dataclass
class _Line:
    """Queue of requests to one host. Times are of `time.monotonic`, in seconds.

    slots: concurrent requests.
    delay_s: least time between two requests.
    next_start: earliest time of the next request.
    held_until: time before which the host wants no request.
    held_by: HTTP status of the answer that demanded the wait.
    """

    slots: asyncio.Semaphore
    delay_s: float
    next_start: float = 0.0
    held_until: float = 0.0
    held_by: int | None = None

    async def wait(self) -> None:
        """Wait for the next permitted start. Raises FetchFailed if the host demands more than LONGEST_WAIT_S."""
        now = time.monotonic()
        if self.held_until - now > LONGEST_WAIT_S:
            text = f"the host asked to wait another {self.held_until - now:.0f} s"
            raise FetchFailed(FetchOutcome.HTTP_ERROR, text, http_status=self.held_by)
        start = max(now, self.next_start, self.held_until)
        self.next_start = start + self.delay_s
        if start > now:
            await asyncio.sleep(start - now)


class Pacing:
    """Rate limits, shared by all requests of one crawl."""

    def __init__(self, *, concurrency: int, per_host_concurrency: int, per_host_delay_s: float) -> None:
        self._slots = asyncio.Semaphore(concurrency)
        self._per_host_concurrency = per_host_concurrency
        self._per_host_delay_s = per_host_delay_s
        self._lines: dict[str, _Line] = {}

    @asynccontextmanager
    async def turn(self, host: str) -> AsyncGenerator[None]:
        """Wait for a slot at `host`, and hold it while the block runs."""
        line = self._line(host)
        # The host's own queue first: requests that wait for a slow host hold no shared slot.
        async with line.slots:
            await line.wait()
            async with self._slots:
                yield

    def slow_down(self, host: str, delay_s: float) -> None:
        """Keep at least `delay_s` (at most LONGEST_WAIT_S) between two requests to `host`."""
        line = self._line(host)
        line.delay_s = max(line.delay_s, min(delay_s, LONGEST_WAIT_S))

    def hold(self, host: str, wait_s: float, *, http_status: int) -> None:
        """Send `host` nothing for `wait_s` seconds, as its answer with `http_status` demanded."""
        line = self._line(host)
        line.held_until = max(line.held_until, time.monotonic() + wait_s)
        line.held_by = http_status

    def _line(self, host: str) -> _Line:
        line = self._lines.get(host)
        if line is None:
            line = _Line(asyncio.Semaphore(self._per_host_concurrency), self._per_host_delay_s)
            self._lines[host] = line
        return line
