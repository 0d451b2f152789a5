"""A living roster: weeks of a web that changes, with a kill in each; and what a week costs beside a full crawl.

    python benchmarks/live_roster.py weeks [--weeks 8] [--identities 6] [--until split] [--at-each-run]
    python benchmarks/live_roster.py run [--weeks 4] [--until split]
    python benchmarks/live_roster.py cost [--identities 24] [--pictures 48] [--weeks 16]

`weeks`: each week pages drift, die, move, opt out and arrive. The first run of the week is killed, each time at another
point; the second one ends. Time is that of the recorded web. Under the default policy, a change must have ended where
it must 28 days after the last run before it; so three quiet weeks follow. Printed is what each run said, and each
change that was lost or late. `--at-each-run` asks for everything at each run; then each change ends in its week.

`run`: what `mtf watch` costs as a whole, with the clone, DVC, git and the stages after the crawl, on a roster of the
sample's size: with nothing due, and in weeks with twelve changes of the web, under the default policy.
Beside it, all stages from nothing. The time of child processes counts.

`cost`: a full crawl, then weeks in each of which 2 % of the pages change, under the default policy (sources are asked
after 7 days, and after twice as long each time that they are unchanged, up to 28; people are searched for after 28).
Each person has an own day in 28, on which all of the pictures are visited, and new ones are searched for. At the end, a
run with nothing due.
The web is served by a process of its own, as the live one is. Bytes are those of all requests and answers, headers
included; processor time is that of the crawl, in one process, however many people there are. The second half of the
weeks counts, when the policy has settled.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import io
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager, nullcontext, redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import patch

import cv2
import numpy as np
import polars as pl
import yaml

from mtf import config
from mtf.config import Compute, Watch
from mtf.core import csv_files
from mtf.core.project_paths import ProjectPaths
from mtf.crawl import recorded_web, visits
from mtf.pipeline import crawl
from mtf.sample.finds import SampleSize
from mtf.sample.people import CAST
from mtf.sample.weeks import LivingWeb, WebChange
from mtf.watch.run_changes import CHANGELOG

sys.path.append(str(Path(__file__).parents[1] / "tests"))
sys.path.append(str(Path(__file__).parents[1] / "tests/watch"))

from living_project import AT_EACH_RUN, KILLS, LivingProject

from crawl_project import bing_page, bing_result, bing_url
from projects import run_in

REPOSITORY = Path(__file__).parents[1]


def weeks(given: argparse.Namespace) -> int:
    policy = (AT_EACH_RUN if given.at_each_run else Watch()).model_copy(update={"until": given.until})
    astray: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        size = SampleSize(cast=CAST[: given.identities], rare=(), clean=(14, 14), dirt={})
        web = LivingWeb(seed=5, size=size, weeks=given.weeks, compute=Compute())
        project = LivingProject(Path(folder), web, policy=policy)
        project.crawl_first()
        if given.until != "crawl":
            project.bring_up_to_date()
        # After the last change, the web is quiet until all changes must be noticed.
        longest = max(policy.recheck_max_days, policy.search_days) if policy.recheck_days else 7
        for week in range(1, given.weeks + longest // 7):
            project.let_a_week_pass(is_quiet=week > given.weeks)
            point, when = KILLS[(week - 1) % len(KILLS)]
            project.killed(point, when)
            line = next(each for each in project.watched().splitlines() if each.startswith("watch: "))
            print(f"week {week}, killed {when.replace('-', 'at')} {point}: {line.removeprefix('watch: ')}", flush=True)
            overdue = project.astray()
            astray += overdue
            print(f"  {project.ended()} of {len(web.changes)} changes have ended where they must", flush=True)
            print(*(f"  lost or late: {each}" for each in overdue), sep="\n", end="\n" if overdue else "")
        counts = f"{len(web.changes)} changes in {given.weeks} weeks with a kill in each"
        late = f"{len(set(astray))} lost or late (target 0)"
        print(f"{counts}, {late}; {project.ended()} have ended where they must")
        return int(bool(astray) or project.ended() < len(web.changes))


def whole_run(given: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory() as folder:
        changes_a_week = 2  # of each of six kinds
        size = SampleSize(rare=(), dirt={})
        web = LivingWeb(seed=5, size=size, weeks=given.weeks * changes_a_week, compute=Compute())
        print(f"{len(web.people)} people, {len(web.truths)} pictures, {changes_a_week * len(WebChange)} changes a week")
        project = LivingProject(Path(folder), web, policy=Watch(until=given.until))
        with measured() as full:
            project.crawl_first()
            if given.until != "crawl":
                project.bring_up_to_date()
        print(f"all stages up to {given.until}, from nothing: {full}", flush=True)
        with measured() as unchanged:
            run_in(project.root, sys.executable, "-m", "dvc", "repro", "-q", given.until)
        print(f"`dvc repro {given.until}` with nothing changed: {unchanged}", flush=True)
        with measured() as idle:
            run_in(project.root, sys.executable, "-m", "mtf", "watch")
        print(f"`mtf watch` with nothing due: {idle}", flush=True)
        for week in range(1, given.weeks + 1):
            for _ in range(changes_a_week):
                web.advance()
            project.let_a_week_pass(is_quiet=True)
            with measured() as used:
                run_in(project.root, sys.executable, "-m", "mtf", "watch")
            line = (project.root / CHANGELOG).read_text().splitlines()[4]
            print(f"week {week}: {used}, {used.processor_s / full.processor_s:.1%}; {line[14:]}", flush=True)
    return 0


@dataclass
class Used:
    """Time that was used, of this process and of those that it started."""

    wall_s: float = 0.0
    processor_s: float = 0.0

    def __str__(self) -> str:
        return f"{self.processor_s:.1f} s of processor time, {self.wall_s:.0f} s"


@contextmanager
def measured() -> Generator[Used]:
    used, began, before = Used(), time.perf_counter(), processor_s()
    yield used
    used.wall_s, used.processor_s = time.perf_counter() - began, processor_s() - before


def processor_s() -> float:
    states = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in states)


# Serves a recorded web, and passes its bytes on from another port, counted; a line on its input ends it.
SERVER = """
import asyncio, sys
from pathlib import Path
from mtf.crawl import recorded_web
count = 0
async def passed(reader, writer):
    global count
    while data := await reader.read(2**16):
        count += len(data)
        writer.write(data)
        await writer.drain()
    writer.close()
async def main(port):
    async def accept(reader, writer):
        there = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(passed(reader, there[1]), passed(there[0], writer), return_exceptions=True)
    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    print(count, flush=True)
with recorded_web.serve(Path(sys.argv[1])) as web:
    asyncio.run(main(int(web.origin.rpartition(":")[2])))
"""


def crawled(workspace: ProjectPaths, web: Path, due: visits.Due | None) -> tuple[float, int]:
    """Crawl in this process: its processor time in seconds, and the bytes of its requests and answers."""
    command = [sys.executable, "-c", SERVER, str(web)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None and server.stdout is not None
        located = recorded_web.RecordedWeb(web)
        located.origin = f"http://127.0.0.1:{server.stdout.readline().strip()}"
        with (
            patch.object(recorded_web, "serve", lambda _: nullcontext(located)),
            patch.object(visits.Due, "of", lambda *_, **__: due),
            redirect_stdout(io.StringIO()),
        ):
            params = config.load(workspace.params)
            began = time.process_time()
            crawl.run(workspace, params, due=due is not None)
            taken = time.process_time() - began
        server.stdin.write("\n")
        server.stdin.flush()
        return taken, int(server.stdout.readline())


@functools.cache
def picture(identity: int, number: int, side_px: int) -> bytes:
    noise = np.random.default_rng(1).integers(0, 255, (side_px // 4, side_px // 4, 3), np.uint8)
    return cv2.imencode(".jpg", cv2.resize(np.roll(noise, (identity, number), (0, 1)), (side_px, side_px)))[1].tobytes()


def write_web(folder: Path, given: argparse.Namespace, *, week: int) -> None:
    """A page of some 6 KB and a picture for each result. Each week, another fiftieth of the pages changes license."""
    licenses = [f"https://creativecommons.org/licenses/by/{version}/" for version in ("4.0", "3.0", "2.5", "2.0")]
    responses = []
    for identity in range(given.identities):
        results = []
        for number in range(given.pictures):
            host, key = f"https://host-{number % 12}.example", f"{identity}-{number}"
            body = picture(identity, number, given.side_px)
            place = (identity * given.pictures + number) * 37 % 50
            link = f'<a rel="license" href="{licenses[max(0, week - place + 49) // 50 % 4]}">CC</a>'
            text = f"<html><body>{link}{'<p>Words about the picture.</p>' * 200}</body></html>".encode()
            for url, content in ((f"{host}/{key}.jpg", body), (f"{host}/{key}", text)):
                headers = {"Content-Type": "image/jpeg" if content is body else "text/html"}
                headers["ETag"] = f'"{hashlib.sha256(content).hexdigest()[:24]}"'
                responses.append(recorded_web.Response(url, headers=headers, body=content))
            results.append(bing_result(f"{host}/{key}.jpg", page=f"{host}/{key}"))
        for first in range(0, given.pictures + 20, 20):
            shown = bing_page(*results[first : first + 20])
            responses.append(recorded_web.Response(bing_url(f"Person {identity}", first), body=shown))
    recorded_web.write(folder, responses)


def cost(given: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory() as folder:
        workspace, web = ProjectPaths(Path(folder) / "project"), Path(folder) / "web"
        workspace.data.mkdir(parents=True)
        raw = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
        raw["crawl"] |= {"web": str(web), "sources": [{"kind": "bing", "licenses": ["commercial,modify"]}]}
        raw["compute"]["workers"] = 1
        workspace.params.write_text(yaml.safe_dump(raw))
        rows = [(f"person-{n}", f"Person {n}", "Amber", "Males", "Young") for n in range(given.identities)]
        csv_files.write(workspace.roster, [("identity", "name", "race", "gender", "age"), *rows])
        write_web(web, given, week=0)
        began = datetime.now(UTC)
        full_s, full_bytes = crawled(workspace, web, None)
        costs = []
        for week in range(1, given.weeks + 1):
            write_web(web, given, week=week)
            policy = Watch()
            now = began + timedelta(days=7 * week)
            (web / recorded_web.RECORDED_AT).write_text(now.isoformat())
            due = visits.Due(now, policy.recheck_days, policy.recheck_max_days, policy.search_days)
            costs.append(crawled(workspace, web, due))
            asked = visits.read(workspace.stage("crawl")).filter(pl.col("visited_at") >= now - timedelta(days=1))
            counts = dict(asked.drop_nulls("image_id")["page"].value_counts(sort=True).iter_rows())
            share = f"{costs[-1][0] / full_s:6.1%} of the time, {costs[-1][1] / full_bytes:6.1%} of the bytes"
            print(f"week {week:2}: {share}, asked for {counts}", flush=True)
        idle_s, _ = crawled(workspace, web, due)
    later = costs[len(costs) // 2 :]
    week_s, week_bytes = (sum(values) / len(later) for values in zip(*later, strict=True))
    print(f"{given.identities} identities, {given.identities * given.pictures:,} pictures")
    print(f"full crawl: {full_s:6.2f} s of processor time, {full_bytes / 1e6:8.2f} MB")
    print(f"a week:     {week_s:6.2f} s of processor time, {week_bytes / 1e6:8.2f} MB")
    print(f"no change:  {idle_s:6.2f} s of processor time, {idle_s / full_s:.1%}, if nothing is due")
    print(f"of it:      {week_s / full_s:7.1%} and {week_bytes / full_bytes:.1%} (target 5 % of both)")
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    of_weeks = commands.add_parser("weeks")
    of_weeks.add_argument("--weeks", type=int, default=8)
    of_weeks.add_argument("--identities", type=int, default=6)
    of_weeks.add_argument("--until", default="split")
    of_weeks.add_argument("--at-each-run", action="store_true", help="ask for everything at each run")
    of_weeks.set_defaults(run=weeks)
    of_run = commands.add_parser("run")
    of_run.add_argument("--weeks", type=int, default=4)
    of_run.add_argument("--until", default="split")
    of_run.set_defaults(run=whole_run)
    of_cost = commands.add_parser("cost")
    of_cost.add_argument("--identities", type=int, default=24)
    of_cost.add_argument("--pictures", type=int, default=48)
    of_cost.add_argument("--weeks", type=int, default=16)
    of_cost.add_argument("--side-px", type=int, default=640)
    of_cost.set_defaults(run=cost)
    given = parser.parse_args()
    return given.run(given)


if __name__ == "__main__":
    sys.exit(main())
