"""How fast we may ask: so many requests at once in all, so many per host, a delay between those of one host."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from mtf.schemas import FetchOutcome
from mtf.sources.fetch_failure import FetchFailed

LONGEST_WAIT_S = 60.0
"""How long a host may make us wait, by Retry-After or by Crawl-delay."""


@dataclass
class _Line:
    """The queue before one host. Times are of `time.monotonic`, in seconds."""

    slots: asyncio.Semaphore
    delay_s: float
    next_start: float = 0.0
    held_until: float = 0.0
    held_by: int | None = None

    async def wait(self) -> None:
        """Until this host may be asked again; raises Failed where that is further off than LONGEST_WAIT_S."""
        now = time.monotonic()
        if self.held_until - now > LONGEST_WAIT_S:
            text = f"the host asked to wait another {self.held_until - now:.0f} s"
            raise FetchFailed(FetchOutcome.HTTP_ERROR, text, http_status=self.held_by)
        start = max(now, self.next_start, self.held_until)
        self.next_start = start + self.delay_s
        if start > now:
            await asyncio.sleep(start - now)


class Pacing:
    """Shared by everything that one crawl asks for."""

    def __init__(self, *, concurrency: int, per_host_concurrency: int, per_host_delay_s: float) -> None:
        self._slots = asyncio.Semaphore(concurrency)
        self._per_host_concurrency = per_host_concurrency
        self._per_host_delay_s = per_host_delay_s
        self._lines: dict[str, _Line] = {}

    @asynccontextmanager
    async def turn(self, host: str) -> AsyncGenerator[None]:
        """Wait for a turn at `host`, and hold it while the block runs."""
        line = self._line(host)
        # The host's own queue first: those who wait for a slow host keep nobody else waiting.
        async with line.slots:
            await line.wait()
            async with self._slots:
                yield

    def slow_down(self, host: str, delay_s: float) -> None:
        """Keep at least `delay_s` (at most LONGEST_WAIT_S) between two requests to `host`."""
        line = self._line(host)
        line.delay_s = max(line.delay_s, min(delay_s, LONGEST_WAIT_S))

    def hold(self, host: str, wait_s: float, *, http_status: int) -> None:
        """Ask nothing of `host` for `wait_s`, as its answer of `http_status` said."""
        line = self._line(host)
        line.held_until = max(line.held_until, time.monotonic() + wait_s)
        line.held_by = http_status

    def _line(self, host: str) -> _Line:
        line = self._lines.get(host)
        if line is None:
            line = _Line(asyncio.Semaphore(self._per_host_concurrency), self._per_host_delay_s)
            self._lines[host] = line
        return line
