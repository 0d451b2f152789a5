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
TRIES = 60
ADDRESS = re.compile(r"^ {2}anna: (http://\S+)$")
PANEL = "window.__foo__.executeOperator('open_panel', {name: 'mtf_review_progress', isActive: true})"


def copy_project(run: Path, to: Path) -> Path:
    """Copy of the run's project, with a ledger and a database of its own; the stages' folders are links."""
    shutil.copytree(run / "data", to / "data")
    shutil.copy(run / "params.yaml", to)
    (to / "build").mkdir()
    for stage in STAGES:
        if (run / "build" / stage).is_dir():
            (to / "build" / stage).symlink_to((run / "build" / stage).resolve())
    return to


def press(page: Page, key: str) -> str:
    """Press a key until it is taken, and return the bar's text.

    A key for a page is refused until the page has been on the screen to its end. Raises AssertionError where it is
    refused for another reason, or again and again.
    """
    for _ in range(TRIES):
        before = page.get_attribute("#mtf-bar", "data-answers")
        page.keyboard.press(key)
        page.wait_for_function(
            "before => document.getElementById('mtf-bar').dataset.answers !== before", arg=before, timeout=WAIT_MS
        )
        if not page.locator("#mtf-bar .refused").count():
            return page.inner_text("#mtf-bar")
        page.mouse.move(SIZE["width"] / 2, SIZE["height"] / 2)
        page.mouse.wheel(0, 5000)
        page.wait_for_timeout(700)
    raise AssertionError(f"{key} is refused: {page.inner_text('#mtf-bar')}")


def take_picture(page: Page, name: str) -> None:
    """Write the screen to `name` in 256 colours: a quarter of the bytes, and the eye sees no difference."""
    picture = Image.open(io.BytesIO(page.screenshot()))
    picture.convert("RGB").quantize(256).save(HERE / name, optimize=True)


def draw(page: Page, url: str) -> None:
    """Take all pictures: a page of the step `identity`, an open face of it, the panel of the progress."""
    page.goto(url, timeout=WAIT_MS)
    page.wait_for_selector("#mtf-bar", timeout=WAIT_MS)
    while "identity: " not in press(page, "Shift+A"):
        pass
    press(page, "Shift+A")
    page.wait_for_timeout(3000)
    take_picture(page, "review-grid.png")
    page.locator("[data-cy=looker]").first.click(position={"x": 60, "y": 60})
    page.wait_for_selector('[data-cy="modal"]', timeout=WAIT_MS)
    page.wait_for_timeout(3000)
    take_picture(page, "review-face.png")
    while page.locator('[data-cy="modal"]').count():
        page.keyboard.press("Escape")
        page.wait_for_timeout(700)
    page.evaluate(PANEL)
    page.wait_for_selector('[data-cy="mtf-progress"] table', timeout=WAIT_MS)
    page.wait_for_timeout(2000)
    take_picture(page, "review-progress.png")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--run", type=Path, default=ROOT)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "mtf", "review", "open", "--reviewer", "anna", "--port", "0"]
        project = copy_project(asked.run, Path(folder))
        room = subprocess.Popen(command, cwd=project, stdout=subprocess.PIPE, text=True)
        try:
            url = next(found[1] for line in room.stdout or () if (found := ADDRESS.match(line)))
            with sync_playwright() as playwright:
                chromium = shutil.which("chromium")
                browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
                draw(browser.new_context(viewport=SIZE).new_page(), url)
                browser.close()
        finally:
            room.send_signal(signal.SIGINT)
            room.wait(60)


if __name__ == "__main__":
    main()
