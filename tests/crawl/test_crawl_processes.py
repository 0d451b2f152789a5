"""A crawl in several processes: a host belongs to one of them at a time, and its files are requested once."""

import asyncio
import itertools
import os
import signal
from collections.abc import AsyncGenerator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest

from crawl_project import Project, picture_bytes
from host_log import HostLog, LoggedHosts, serving
from mtf.config import Crawl
from mtf.core.errors import BadInput, MtfError
from mtf.crawl import crawler, host_leases, worker_processes
from mtf.crawl.host_leases import LeasedPacing, SharedHosts
from mtf.crawl.host_scheduler import (
    UNKNOWN_DELAY_S,
    HostGranted,
    HostPace,
    HostScheduler,
    HostWanted,
    ReturnHost,
    WantHost,
)
from mtf.crawl.http_client import HttpFetcher
from mtf.crawl.signals_client import SignalsClient
from mtf.crawl.work import Do, Work

CRAWL = Crawl.model_validate(
    {"sources": [{"kind": "bing"}], "per_host_delay_s": 0.0, "per_host_concurrency": 2, "timeout_s": 20.0}
)
HOSTS = [f"host-{number}.example" for number in range(5)]


@dataclass(frozen=True)
class Visits:
    """Work whose items are lists of addresses: each is requested if robots.txt permits it."""

    web: LoggedHosts
    crawl: Crawl = CRAWL

    @asynccontextmanager
    async def open(self, hosts: SharedHosts) -> AsyncGenerator[Do]:
        async with HttpFetcher(self.crawl, user_agent="mtf test", web=self.web, pacing=hosts.pacing) as fetcher:
            signals = SignalsClient(fetcher, ["robots.txt"], hosts.documents)

            async def visit(urls: list[str]) -> tuple[int, int]:
                if urls == ["killed"]:
                    os.kill(os.getpid(), signal.SIGKILL)
                if urls == ["refused"]:
                    raise BadInput("the item is refused")
                jobs = (fetcher.get(url, max_bytes=1000, permission=signals.permit) for url in urls)
                return os.getpid(), len(await asyncio.gather(*jobs))

            yield visit


def visits(web: HostLog, items: list[list[str]], folder: Path, *, processes: int, crawl: Crawl = CRAWL) -> list[int]:
    """Requests that were answered, by item in order of arrival."""
    answered: list[tuple[int, int]] = []
    work = Work(crawl, Visits(web.hosts, crawl).open, at_once=2)
    worker_processes.run(work, items, answered.append, processes=processes, folder=folder)
    return [count for _, count in answered]


def items(count: int) -> list[list[str]]:
    """Items that each request every host."""
    return [[f"http://{host}/{number}.jpg" for host in HOSTS for number in range(6)] for _ in range(count)]


def web() -> HostLog:
    robots = b"User-agent: *\nDisallow: /secret\n"
    return HostLog({"/robots.txt": (200, {}, robots)} | {f"/{number}.jpg": (200, {}, b"x") for number in range(6)})


@dataclass(frozen=True)
class Endings:
    """Work whose items each end only after the next one has begun."""

    count: int

    @asynccontextmanager
    async def open(self, _hosts: SharedHosts) -> AsyncGenerator[Do]:
        begun = [asyncio.Event() for _ in range(self.count + 1)]
        begun[-1].set()

        async def one(number: int) -> Awaitable[int]:
            begun[number].set()
            return end(number)

        async def end(number: int) -> int:
            await asyncio.wait_for(begun[number + 1].wait(), 60)
            return number

        yield one


def test_an_item_that_only_waits_for_its_end_lets_another_one_begin(tmp_path: Path) -> None:
    ended: list[int] = []
    work = Work(CRAWL, Endings(5).open, at_once=1)
    worker_processes.run(work, range(5), ended.append, processes=1, folder=tmp_path)
    assert sorted(ended) == list(range(5))


def test_no_two_processes_are_at_one_host_at_once_and_robots_is_requested_once(tmp_path: Path) -> None:
    gates = [f"gate-{number}.example" for number in range(12)]
    gated = [[f"http://{gate}/0.jpg", *urls] for gate, urls in zip(gates, items(12), strict=True)]
    log = web()
    log.gate = 2
    with serving(log):
        answered = visits(log, gated, tmp_path, processes=3)
    assert answered == [1 + 6 * len(HOSTS)] * 12
    assert len(log.processes()) > 1, "else nothing is shown"
    assert log.shared_moments() == []
    assert log.counts("/robots.txt") == dict.fromkeys([*HOSTS, *gates], 1)
    assert log.counts("/0.jpg") == dict.fromkeys(HOSTS, 12) | dict.fromkeys(gates, 1)


def test_the_delay_of_a_host_holds_over_all_processes(tmp_path: Path) -> None:
    crawl = CRAWL.model_copy(update={"per_host_delay_s": 0.05})
    with serving(web()) as log:
        visits(
            log, [[f"http://one.example/{number}.jpg"] for number in range(6)] * 3, tmp_path, processes=3, crawl=crawl
        )
    starts = sorted(each.start for each in log.asked)
    gaps = [after - before for before, after in itertools.pairwise(starts)]
    assert len(starts) == 19, "robots.txt and 18 pictures"
    assert sum(gaps) / len(gaps) > 0.045, "one by one a gap may shrink by what the network took"


def test_a_killed_process_is_one_line_and_leaves_no_other(tmp_path: Path) -> None:
    with serving(web()) as log, pytest.raises(MtfError, match="ended by signal 9; run the command again"):
        visits(log, [*items(2), ["killed"], *items(2)], tmp_path, processes=2)


def test_an_exception_in_a_process_is_raised_here(tmp_path: Path) -> None:
    with serving(web()) as log, pytest.raises(BadInput, match="the item is refused"):
        visits(log, [*items(2), ["refused"]], tmp_path, processes=2)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def scheduler(clock: Clock) -> HostScheduler:
    return HostScheduler(lambda content: lambda: content, clock)


def test_the_next_worker_gets_the_pace_that_the_last_one_left_less_the_time_since() -> None:
    clock = Clock()
    hosts = scheduler(clock)
    assert hosts.handle("a", WantHost("h")) == [("a", HostGranted("h", None))]
    assert hosts.handle("b", WantHost("h")) == [("a", HostWanted("h"))]
    pace = HostPace(delay_s=2.0, next_start_s=2.0, held_s=30.0, held_by=429, demanded_s=30.0)
    assert hosts.handle("a", ReturnHost("h", pace)) == [("b", HostGranted("h", pace))]
    hosts.handle("b", ReturnHost("h", pace))
    clock.now += 5.0
    later = HostPace(delay_s=2.0, held_s=25.0, held_by=429, demanded_s=30.0)
    assert hosts.handle("c", WantHost("h")) == [("c", HostGranted("h", later))]


def test_a_worker_that_ends_frees_its_hosts_and_waits_for_none() -> None:
    hosts = scheduler(Clock())
    for worker in ("a", "b", "c"):
        hosts.handle(worker, WantHost("h"))
    assert hosts.remove("b") == []
    assert [worker for worker, _ in hosts.remove("a")] == ["c"]
    assert hosts.handle("a", ReturnHost("h", HostPace())) == [], "what a removed worker still says counts for nothing"


def test_a_host_whose_time_ends_between_two_requests_changes_hands() -> None:
    """The first request ends in time, and the next one finds that the time is over: it has to return the host."""
    clock = Clock()
    sent: list[object] = []

    async def two_requests() -> None:
        crawl = CRAWL.model_copy(update={"per_host_concurrency": 1})
        pacing = LeasedPacing(crawl, sent.append, concurrency=4, clock=clock)
        is_answered = asyncio.Event()

        async def request(wait: bool) -> None:
            async with pacing.turn("h"):
                if wait:
                    await is_answered.wait()

        first, second = asyncio.create_task(request(wait=True)), asyncio.create_task(request(wait=False))
        await asyncio.sleep(0)
        pacing.deliver(HostGranted("h", None))
        pacing.deliver(HostWanted("h"))
        is_answered.set()
        await asyncio.sleep(0)
        clock.now += host_leases.TENURE_S[1]
        for _ in range(5):
            await asyncio.sleep(0)
        assert [type(each) for each in sent] == [WantHost, ReturnHost, WantHost]
        pacing.deliver(HostGranted("h", None))
        await asyncio.wait_for(asyncio.gather(first, second), 5)

    asyncio.run(two_requests())


def test_a_host_of_a_worker_that_ended_is_taken_for_one_that_was_just_asked() -> None:
    clock = Clock()
    hosts = scheduler(clock)
    pace = HostPace(delay_s=2.0, held_s=30.0, held_by=429, demanded_s=30.0)
    hosts.handle("a", WantHost("h"))
    hosts.handle("a", ReturnHost("h", pace))
    hosts.handle("b", WantHost("h"))
    hosts.handle("b", WantHost("never returned"))
    clock.now += 5.0
    hosts.remove("b")
    after = HostPace(delay_s=2.0, next_start_s=2.0, held_s=25.0, held_by=429, demanded_s=30.0)
    assert hosts.handle("c", WantHost("h")) == [("c", HostGranted("h", after))]
    unknown = HostPace(next_start_s=UNKNOWN_DELAY_S)
    assert hosts.handle("c", WantHost("never returned")) == [("c", HostGranted("never returned", unknown))]


WITHOUT_TIMES = ("fetched_at", "checked_at", "heard_at")


def tables(project: Project) -> dict[str, list[tuple[object, ...]]]:
    """Rows of the crawl's tables without the times of the run."""
    names = ("images", "fetches", "evidence", "signals")
    return {
        name: project.table(name)
        .drop(*WITHOUT_TIMES, strict=False)
        .with_columns(pl.all().cast(pl.String, strict=False))
        .rows()
        for name in names
    }


def pictures(project: Project) -> list[bytes]:
    """Bytes of each shard up to the end of its pictures."""
    ends = project.table("images").group_by("identity").agg(end=(pl.col("offset") + pl.col("size_bytes")).max())
    shards = {identity: project.workspace.shard("crawl", identity).read_bytes()[:end] for identity, end in ends.rows()}
    return [shards[identity] for identity in sorted(shards)]


def test_a_crawl_by_two_processes_gives_the_same_and_asks_each_site_once(
    project: Project, asked: list, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crawler, "IDENTITIES_PER_PROCESS", 2)
    monkeypatch.setattr(crawler, "AT_ONCE", 2)
    for number in range(8):
        project.person(f"person-{number}")
        urls = [f"https://{host}.example/{number}-{at}.jpg" for at, host in enumerate(("one", "two", "three"))]
        found = [
            project.picture(url, picture_bytes(10 * number + at), page=f"https://pages.example/{number}-{at}")
            for at, url in enumerate(urls)
        ]
        project.finds(f"person-{number}", found)
    project.run()
    several, bytes_of_several, requests = tables(project), pictures(project), asked[-1]
    monkeypatch.setattr(crawler, "IDENTITIES_PER_PROCESS", 100)
    for shard in project.workspace.shards("crawl").iterdir():
        shard.unlink()
    project.run()
    assert several == tables(project)
    assert bytes_of_several == pictures(project)
    assert requests == asked[-1], "each address is requested as often as by one process"
    robots = {path: count for path, count in requests.items() if path.endswith("/robots.txt")}
    assert len(robots) == 4
    assert set(robots.values()) == {1}
