"""Rate limits: concurrent requests in all and per host, delays, bandwidth, and waits that a host demands.

Hosts of `crawl.hosts` have limits of their own. A host that demands more waiting than its limits permit is left alone:
its requests fail without being sent, so that they are no attempts.
"""

from __future__ import annotations

import asyncio
import time
from asyncio import sleep
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from mtf.config import Crawl, HostManners
from mtf.crawl.host_scheduler import HostPace
from mtf.schemas import FetchOutcome
from mtf.sources.fetch_failure import FetchFailed

LONGEST_DELAY_S = 60.0
"""Longest delay that a host can demand by Crawl-delay."""
USED_SHARE = 0.95
"""Share of a permitted bandwidth that is used: what the host has sent is more than what has arrived."""
BURST_S = 0.25
"""Time whose bandwidth may arrive at once after a pause."""
FIRST_BACK_OFF_S = 1.0
"""Wait after a status 429 without Retry-After; it doubles while such answers follow one another."""
_GENERAL = HostManners()
_REMEMBERED_HOSTS = 20_000


@dataclass
class _Line:
    """Queue of requests to one host. Times are of `time.monotonic`, in seconds.

    slots: concurrent requests.
    delay_s: least time between two requests.
    bytes_per_s: bandwidth; None for no limit.
    retry_after_s, retry_budget_s: longest wait that the host can demand, and longest sum of its waits.
    next_start: earliest time of the next request.
    paid_until: time until which the bytes that have arrived use up the bandwidth.
    held_until: time before which the host wants no request.
    held_by: HTTP status of the answer that demanded the wait.
    demanded_s: sum of the waits that it has demanded.
    back_off_s: next wait after an answer that demands one without saying how long.
    requests: those that wait for their turn or have it.
    """

    slots: asyncio.Semaphore
    delay_s: float
    bytes_per_s: float | None
    retry_after_s: float
    retry_budget_s: float
    next_start: float = 0.0
    paid_until: float = 0.0
    held_until: float = 0.0
    held_by: int | None = None
    demanded_s: float = 0.0
    back_off_s: float = 0.0
    requests: int = 0

    def pace(self) -> HostPace:
        """State of the line, for another process (`resume`)."""
        now = time.monotonic()
        return HostPace(
            delay_s=self.delay_s,
            next_start_s=max(0.0, self.next_start - now),
            paid_s=max(0.0, self.paid_until - now),
            held_s=max(0.0, self.held_until - now),
            held_by=self.held_by,
            demanded_s=self.demanded_s,
            back_off_s=self.back_off_s,
        )

    def resume(self, pace: HostPace) -> None:
        """Keep the limits that another process has left; of two waits, the longer one counts."""
        now = time.monotonic()
        self.delay_s = max(self.delay_s, pace.delay_s)
        self.next_start = max(self.next_start, now + pace.next_start_s)
        self.paid_until = max(self.paid_until, now + pace.paid_s)
        self.held_until = max(self.held_until, now + pace.held_s)
        self.held_by = pace.held_by if self.held_by is None else self.held_by
        self.demanded_s = max(self.demanded_s, pace.demanded_s)
        self.back_off_s = pace.back_off_s

    async def wait(self) -> None:
        """Wait for the next permitted start. Raises FetchFailed if the host demands too long waits."""
        now = time.monotonic()
        if self.held_until - now > self.retry_after_s:
            raise self._left_alone(f"the host asked to wait another {self.held_until - now:.0f} s")
        if self.demanded_s > self.retry_budget_s:
            raise self._left_alone(f"the host asked to wait {self.demanded_s:.0f} s in all")
        start = max(now, self.next_start, self.held_until, self.paid_until)
        self.next_start = start + self.delay_s
        if start > now:
            await sleep(start - now)

    def _left_alone(self, text: str) -> FetchFailed:
        return FetchFailed(FetchOutcome.HTTP_ERROR, text, http_status=self.held_by)

    async def pay(self, size_bytes: int) -> None:
        """Wait until `size_bytes` more bytes may arrive."""
        if self.bytes_per_s is None:
            return
        now = time.monotonic()
        self.paid_until = max(self.paid_until, now - BURST_S) + size_bytes / self.bytes_per_s
        if self.paid_until > now:
            await sleep(self.paid_until - now)


class Pacing:
    """Rate limits, shared by all requests of one crawl in one process.

    concurrency: requests at a time, in all; None for that of `crawl`.
    """

    def __init__(self, crawl: Crawl, *, concurrency: int | None = None) -> None:
        self._crawl = crawl
        self._slots = asyncio.Semaphore(concurrency or crawl.concurrency)
        self._lines: dict[str, _Line] = {}
        self._profiles: dict[str, str | None] = {}

    @asynccontextmanager
    async def turn(self, host: str) -> AsyncGenerator[None]:
        """Wait for a slot at `host`, and hold it while the block runs."""
        line = self._line(host)
        # The host's own queue first: requests that wait for a slow host hold no shared slot.
        async with line.slots:
            await line.wait()
            async with self._slots:
                yield

    async def received(self, host: str, size_bytes: int) -> None:
        """Count bytes that arrived from `host`, and wait until more may arrive."""
        await self._line(host).pay(size_bytes)

    def added_time_s(self, host: str, max_bytes: int) -> float:
        """Time that the bandwidth of `host` adds to an answer of `max_bytes`, while all its slots are in use."""
        manners = self._manners(host)
        if manners.megabits_per_s is None:
            return 0.0
        slots = manners.concurrency or self._crawl.per_host_concurrency
        return slots * max_bytes * 8 / (manners.megabits_per_s * 1e6 * USED_SHARE)

    def is_bandwidth_limited(self, host: str) -> bool:
        return self._manners(host).megabits_per_s is not None

    def slow_down(self, host: str, delay_s: float) -> None:
        """Keep at least `delay_s` (at most LONGEST_DELAY_S) between two requests to `host`."""
        line = self._line(host)
        line.delay_s = max(line.delay_s, min(delay_s, LONGEST_DELAY_S))

    def hold(self, host: str, wait_s: float, *, http_status: int) -> bool:
        """Send `host` nothing for `wait_s` seconds, as its answer with `http_status` demanded.

        True if the wait is within its limits: then the request may be repeated.
        """
        line = self._line(host)
        until = time.monotonic() + wait_s
        line.demanded_s += max(0.0, until - max(line.held_until, time.monotonic()))
        line.held_until = max(line.held_until, until)
        line.held_by = http_status
        return wait_s <= line.retry_after_s and line.demanded_s <= line.retry_budget_s

    def back_off(self, host: str, *, http_status: int) -> bool:
        """Hold `host` after an answer that demands a wait without saying how long: FIRST_BACK_OFF_S, then doubled.

        Answers to requests that were sent before the host was held double nothing. True as for `hold`.
        """
        line = self._line(host)
        if line.held_until > time.monotonic():
            return self.hold(host, 0.0, http_status=http_status)
        wait_s, line.back_off_s = line.back_off_s or FIRST_BACK_OFF_S, 2 * (line.back_off_s or FIRST_BACK_OFF_S)
        return self.hold(host, wait_s, http_status=http_status)

    def end_back_off(self, host: str) -> None:
        """Begin with FIRST_BACK_OFF_S the next time, since `host` has answered a request."""
        self._line(host).back_off_s = 0.0

    def line_name(self, host: str) -> str:
        """Name of the queue of a host: its own, or that of the profile which it shares with other hosts.

        `example.org.` is the same host as `example.org` (RFC 1034, section 3.1).
        """
        return self._profile(host) or host.removesuffix(".")

    def _line(self, host: str) -> _Line:
        name = self.line_name(host)
        line = self._lines.get(name)
        if line is None:
            line = self._lines[name] = self._new_line(self._manners(host))
        return line

    def _new_line(self, manners: HostManners) -> _Line:
        crawl, megabits = self._crawl, manners.megabits_per_s
        return _Line(
            asyncio.Semaphore(manners.concurrency or crawl.per_host_concurrency),
            crawl.per_host_delay_s if manners.delay_s is None else manners.delay_s,
            None if megabits is None else megabits * 1e6 / 8 * USED_SHARE,
            crawl.retry_after_s if manners.retry_after_s is None else manners.retry_after_s,
            crawl.retry_budget_s if manners.retry_budget_s is None else manners.retry_budget_s,
        )

    def _manners(self, host: str) -> HostManners:
        name = self._profile(host)
        return (None if name is None else self._crawl.hosts[name]) or _GENERAL

    def _profile(self, host: str) -> str | None:
        """Key of `crawl.hosts` for a host: its own name, or the longest `*.domain` above it; None for none."""
        if host not in self._profiles:
            if len(self._profiles) >= _REMEMBERED_HOSTS:
                self._profiles.clear()
            self._profiles[host] = self._found_profile(host.lower().removesuffix("."))
        return self._profiles[host]

    def _found_profile(self, host: str) -> str | None:
        if self._crawl.hosts.get(host) is not None:
            return host
        labels = host.split(".")
        above = (f"*.{'.'.join(labels[start:])}" for start in range(1, len(labels)))
        return next((name for name in above if self._crawl.hosts.get(name) is not None), None)
