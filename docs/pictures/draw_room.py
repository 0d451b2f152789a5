"""Draws docs/pictures/review-grid.png, review-face.png and review-progress.png: the review room, on the sample.

    python docs/pictures/draw_room.py [--run FOLDER]

FOLDER (default: this checkout) holds the sample's finished run. It is only read: the review goes on in a copy, by a
reviewer who is made up, and in a real browser (chromium, headless).
"""

from __future__ import annotations

import argparse
import io
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
STAGES = ("crawl", "crop", "screen", "label")
SIZE = {"width": 1400, "height": 860}
WAIT_MS = 120_000
ADDRESS = re.compile(r"^ {2}anna: (http://\S+)$")
PANEL = "window.__foo__.executeOperator('open_panel', {name: 'mtf_review_progress', isActive: true})"


def copied(run: Path, to: Path) -> Path:
    """A project that looks like the run, with a ledger and a database of its own."""
    shutil.copytree(run / "data", to / "data")
    shutil.copy(run / "params.yaml", to)
    (to / "build").mkdir()
    for stage in STAGES:
        if (run / "build" / stage).is_dir():
            (to / "build" / stage).symlink_to((run / "build" / stage).resolve())
    return to


def pressed(page: Page, key: str) -> str:
    """What the bar says after a key; a key for a page is pressed again until the page is there."""
    while True:
        before = page.get_attribute("#mtf-bar", "data-answers")
        page.keyboard.press(key)
        page.wait_for_function(
            "before => document.getElementById('mtf-bar').dataset.answers !== before", arg=before, timeout=WAIT_MS
        )
        bar = page.inner_text("#mtf-bar")
        if "too fast" not in bar:
            return bar
        page.wait_for_timeout(700)


def taken(page: Page, name: str) -> None:
    """A picture of the screen in 256 colours: a quarter of the bytes, and nothing of it is lost to the eye."""
    picture = Image.open(io.BytesIO(page.screenshot()))
    picture.convert("RGB").quantize(256).save(HERE / name, optimize=True)


def drawn(page: Page, url: str) -> None:
    page.goto(url, timeout=WAIT_MS)
    page.wait_for_selector("#mtf-bar", timeout=WAIT_MS)
    while "identity: " not in pressed(page, "Shift+A"):
        pass
    pressed(page, "Shift+A")
    page.wait_for_timeout(3000)
    taken(page, "review-grid.png")
    page.locator("[data-cy=looker]").first.click(position={"x": 60, "y": 60})
    page.wait_for_selector('[data-cy="modal"]', timeout=WAIT_MS)
    page.wait_for_timeout(3000)
    taken(page, "review-face.png")
    while page.locator('[data-cy="modal"]').count():
        page.keyboard.press("Escape")
        page.wait_for_timeout(700)
    page.evaluate(PANEL)
    page.wait_for_selector('[data-cy="mtf-progress"] table', timeout=WAIT_MS)
    page.wait_for_timeout(2000)
    taken(page, "review-progress.png")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--run", type=Path, default=ROOT)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "mtf", "review", "open", "--reviewer", "anna", "--port", "0"]
        project = copied(asked.run, Path(folder))
        room = subprocess.Popen(command, cwd=project, stdout=subprocess.PIPE, text=True)
        try:
            url = next(found[1] for line in room.stdout or () if (found := ADDRESS.match(line)))
            with sync_playwright() as playwright:
                chromium = shutil.which("chromium")
                browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
                drawn(browser.new_context(viewport=SIZE).new_page(), url)
                browser.close()
        finally:
            room.send_signal(signal.SIGINT)
            room.wait(60)


if __name__ == "__main__":
    main()
