"""Time until the report is drawn: 640 people with 5,120 faces against 20 people with 360.

    python benchmarks/report_opening.py [--people 640] [--faces 8] [--rounds 15]

Both projects are made up: three labels each, tables and crops as the stages write them, no models. Chromium opens each
page in a window of 1440 × 900 pixels, one after the other in each round. Prints the medians, from the start of the
navigation, of the first content that is painted and of the last chart that is drawn.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

sys.path += [str(Path(__file__).parents[1] / "tests" / "release")]

import made_project

from mtf.core.project_paths import ProjectPaths
from mtf.pipeline import report

LABELS = [
    {"race": race, "gender": gender, "age": age}
    for race in ("Asian (Indian)", "CON", "White")
    for gender in ("Males", "Females")
    for age in ("Young", "Old")
]
PAINTED = "performance.getEntriesByName('first-contentful-paint')[0].startTime"


def written(root: Path, people: int, faces: int) -> Path:
    """The report of a project with so many people, each with so many faces."""
    made = tuple(
        made_project.Person(f"person-{number:04d}", f"Person {number}", **LABELS[number % len(LABELS)], faces=faces)
        for number in range(people)
    )
    params = made_project.made_params()
    workspace: ProjectPaths = made_project.make(root, params, made)
    report.run(workspace, params)
    return workspace.stage("report") / "index.html"


def opened(browser: Browser, path: Path) -> tuple[float, float]:
    """Milliseconds until the first content, and until all charts, of a new page."""
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.set_default_timeout(300_000)
    page.add_init_script(
        "new MutationObserver(() => { if (document.documentElement.dataset.drawn && !window.drawnAt)"
        " window.drawnAt = performance.now(); }).observe(document, {subtree: true, attributes: true})"
    )
    page.goto(path.as_uri())
    page.wait_for_selector("html[data-drawn=yes]")
    times = page.evaluate(f"[{PAINTED}, window.drawnAt]")
    page.close()
    return times[0], times[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=640)
    parser.add_argument("--faces", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        pages = {
            "small": written(Path(folder) / "small", 20, 18),
            "large": written(Path(folder) / "large", options.people, options.faces),
        }
        browser = playwright.chromium.launch(executable_path=options.chromium, args=["--no-sandbox"])
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in pages}
        for _ in range(options.rounds):
            for name, path in pages.items():
                times[name].append(opened(browser, path))
        browser.close()
        medians = {
            name: [statistics.median(each) for each in zip(*found, strict=True)] for name, found in times.items()
        }
        for name, (painted, drawn) in medians.items():
            size = pages[name].stat().st_size / 1e6
            print(f"{name}: {size:.1f} MB; first content {painted:.0f} ms, all charts {drawn:.0f} ms")
    for what, large, small in zip(("first content", "all charts"), medians["large"], medians["small"], strict=True):
        print(f"{what}: {large / small:.2f} times the small page's")


if __name__ == "__main__":
    main()
