"""Time from a key to the next page of faces in the review room, against the room of before, in Chromium.

    .venv/bin/python benchmarks/review_latency.py [--pages 30] [--faces 2000] [--slow-ms 1500] [--rival d3d35a7]
        [--clock FILE]

The rival is the commit before the panel, checked out beside this one: there, FiftyOne's grid was the page. Both rooms
show the same made-up project (drawn faces, fifty of each person) at 1440 × 900. A simulated reviewer looks at each
page for LOOK_S, then accepts it with one key. The clock is the browser's:

- panel: from the key to the moment at which all pictures of the next page are drawn; the ledger is on disk before;
- grid: from the key to the first moment at which new faces stand where the old ones stood.

Also measured: keys that decide one face, up to the sign that the verdict is on disk; how often a reviewer has to scroll
to see a page; and both rooms again while each of FiftyOne's own queries (`/graphql`) takes `--slow-ms` longer.

Targets: median at most 100 ms, 95th percentile at most 250 ms, and every page comes while the queries are slow. They
are for an idle machine of two cores. The exit status is 1 if one is missed. `--clock` writes what a page and a key cost
in both rooms, for `review_effort.py`.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from playwright.sync_api import Browser, Error, Page, Route, sync_playwright

from mtf.core import parallel_map

ROOT = Path(__file__).resolve().parents[1]
RIVAL = "d3d35a7"
LOOK_S = 1.2
GIVEN_UP_MS = 60_000
OPENING_MS = 300_000
MEDIAN_MS, P95_MS = 100.0, 250.0
SIZE = {"width": 1440, "height": 900}


class Times(NamedTuple):
    """Milliseconds of one room.

    pages: key to the next page; of a page that did not come, GIVEN_UP_MS.
    keys: key that decides one face to its sign.
    scrolls: screens that a reviewer has to scroll on, per page.
    """

    pages: list[float]
    keys: list[float]
    scrolls: list[float]

    def line(self, name: str) -> str:
        keys = f"; one face {statistics.median(self.keys):.0f} ms" if self.keys else ""
        lost = sum(each >= GIVEN_UP_MS for each in self.pages)
        return (
            f"{name}: next page median {statistics.median(self.pages):.0f} ms, 95 % {p95(self.pages):.0f} ms "
            f"({len(self.pages)} pages, {lost} never came){keys}; {statistics.mean(self.scrolls):.1f} scrolls a page"
        )

    def clock(self) -> dict[str, float]:
        """Medians: milliseconds of a page and of a key for one face, and scrolls a page."""
        key_ms = statistics.median(self.keys or self.pages)
        return {"page_ms": statistics.median(self.pages), "key_ms": key_ms, "scrolls": statistics.mean(self.scrolls)}


def p95(values: list[float]) -> float:
    return sorted(values)[max(int(0.95 * len(values) + 0.5) - 1, 0)]


@contextmanager
def room(root: Path, source: Path, home: Path) -> Generator[str]:
    """Address of anna's room, by the code of `source`."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FIFTYONE_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "mtf", "review", "open", "--reviewer", "anna", "--port", "0", "--no-browser"],
        cwd=root,
        env=environment | {"PYTHONPATH": str(source / "src"), "HOME": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    printed: list[str] = []
    for line in process.stdout:
        printed.append(line)
        if "The review app is open" in line:
            break
    else:
        sys.exit("".join(printed))
    threading.Thread(target=process.stdout.read, daemon=True).start()
    found = re.search(r"http://\S+", "".join(printed))
    assert found is not None
    try:
        yield found[0]
    finally:
        process.send_signal(2)
        process.wait(60)


MAKE = """
import sys
from pathlib import Path
sys.path.insert(0, "tests/review_app")
from reviewed_project import a_project
people = {f"person-{number:02d}": 50 for number in range(int(sys.argv[2]) // 50)}
a_project(Path(sys.argv[1]), people)
"""


def make_project(source: Path, to: Path, faces: int) -> Path:
    """A project of drawn faces, by the code of `source`: tables and parameters are those of its time."""
    command = [sys.executable, "-c", MAKE, str(to), str(faces)]
    subprocess.run(command, cwd=source, env=os.environ | {"PYTHONPATH": str(source / "src")}, check=True)
    return to


def opened(browser: Browser, url: str, *, ready: str, slow_ms: int) -> Page:
    page = browser.new_context(viewport=SIZE).new_page()
    page.set_default_timeout(OPENING_MS)

    def slow(route: Route) -> None:
        page.wait_for_timeout(slow_ms)
        with suppress(Error):
            route.continue_()

    if slow_ms:
        page.route("**/graphql", slow)
    page.goto(url, timeout=OPENING_MS)
    page.wait_for_selector(ready)
    return page


# Screens of faces beyond the first.
HIDDEN = """(() => {
  const area = document.querySelector('.mtf-faces');
  return Math.max(area.scrollHeight / area.clientHeight - 1, 0);
})()"""


def of_panel(browser: Browser, url: str, pages: int, slow_ms: int) -> Times:
    page = opened(browser, url, ready='[data-cy="mtf-face"] img', slow_ms=slow_ms)
    measured = "performance.getEntriesByName('mtf next page').map(one => one.duration)"
    answered = "before => document.querySelector('[data-cy=mtf-room]').dataset.answers !== before"
    times = Times([], [], [])
    for number in range(pages):
        page.wait_for_timeout(LOOK_S * 1000)
        times.scrolls.append(round(page.evaluate(HIDDEN), 1))
        if number % 5 == 0:
            before = page.get_attribute('[data-cy="mtf-room"]', "data-answers")
            began = time.monotonic()
            page.keyboard.press("1")
            page.wait_for_function(answered, arg=before)
            times.keys.append(1000 * (time.monotonic() - began))
            page.wait_for_timeout(LOOK_S * 1000)
        have = len(page.evaluate(measured))
        page.keyboard.press("Shift+A")
        try:
            page.wait_for_function(f"have => {measured}.length > have", arg=have, timeout=GIVEN_UP_MS)
            times.pages.append(page.evaluate(measured)[-1])
        except Error:
            times.pages.append(GIVEN_UP_MS)
    page.context.close()
    return times


WATCHED = """() => {
  const faces = () => [...document.querySelectorAll('[data-cy=looker]')];
  faces().forEach((face) => { face.isOld = true; });
  window.cameAt = null;
  window.pressedAt = performance.now();
  const look = () => {
    const now = faces();
    if (now.length && now.every((face) => !face.isOld)) { window.cameAt = performance.now(); return; }
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}"""


def of_grid(browser: Browser, url: str, pages: int, slow_ms: int) -> Times:
    page = opened(browser, url, ready="#mtf-bar", slow_ms=slow_ms)
    answered = "before => document.getElementById('mtf-bar').dataset.answers !== before"
    times = Times([], [], [])
    for _ in range(pages):
        page.wait_for_timeout(LOOK_S * 1000)
        page.mouse.move(800, 500)
        scrolls = 0
        for _ in range(200):
            before = page.get_attribute("#mtf-bar", "data-answers")
            page.evaluate(WATCHED)
            page.keyboard.press("Shift+A")
            page.wait_for_function(answered, arg=before)
            bar = page.inner_text("#mtf-bar")
            if "✓" in bar:
                break
            if "scroll to its end" in bar:
                scrolls += 1
                page.mouse.wheel(0, 600)
            page.wait_for_timeout(300)
        times.scrolls.append(scrolls)
        try:
            page.wait_for_function("() => window.cameAt !== null", timeout=GIVEN_UP_MS)
            times.pages.append(page.evaluate("window.cameAt - window.pressedAt"))
        except Error:
            times.pages.append(GIVEN_UP_MS)
    page.context.close()
    return times


def measured(browser: Browser, asked: argparse.Namespace, home: Path, rival: Path) -> dict[tuple[str, int], Times]:
    found: dict[tuple[str, int], Times] = {}
    rooms: dict[str, tuple[Path, Any]] = {"panel": (ROOT, of_panel), "grid": (rival, of_grid)}
    for slow_ms in (0, asked.slow_ms):
        for name, (source, drive) in rooms.items():
            project = make_project(source, home / f"{name}-{slow_ms}", asked.faces)
            count = asked.pages if not slow_ms else max(asked.pages // 5, 3)
            with room(project, source, home) as url:
                found[name, slow_ms] = drive(browser, url, count, slow_ms)
            label = f"{name}, queries {slow_ms} ms slower" if slow_ms else name
            print(found[name, slow_ms].line(label), flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--pages", type=int, default=30)
    parser.add_argument("--faces", type=int, default=2000)
    parser.add_argument("--slow-ms", type=int, default=1500)
    parser.add_argument("--rival", default=RIVAL)
    parser.add_argument("--clock", type=Path)
    asked = parser.parse_args()
    chromium = shutil.which("chromium")
    if chromium is None:
        print("no chromium: nothing to measure")
        return
    home = Path(tempfile.mkdtemp())
    rival = home / "rival"
    subprocess.run(["git", "worktree", "add", "--detach", "-q", str(rival), asked.rival], cwd=ROOT, check=True)
    try:
        load = os.getloadavg()[0]
        print(f"{asked.faces} faces, {parallel_map.cores()} cores, load before {load:.1f}", flush=True)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            found = measured(browser, asked, home, rival)
            browser.close()
    finally:
        subprocess.run(["git", "worktree", "remove", "--force", str(rival)], cwd=ROOT, check=False)
        shutil.rmtree(home, ignore_errors=True)
    if asked.clock:
        asked.clock.write_text(json.dumps({name: found[name, 0].clock() for name in ("panel", "grid")}))
    panel, grid, slow = found["panel", 0], found["grid", 0], found["panel", asked.slow_ms]
    ratio = statistics.median(grid.pages) / statistics.median(panel.pages)
    print(f"next page, grid over panel: {ratio:.1f}× in the middle, {p95(grid.pages) / p95(panel.pages):.1f}× at 95 %")
    is_fast = statistics.median(panel.pages) <= MEDIAN_MS and p95(panel.pages) <= P95_MS
    sys.exit(0 if is_fast and max(slow.pages) < GIVEN_UP_MS else 1)


if __name__ == "__main__":
    main()
