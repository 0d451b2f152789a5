"""Draws docs/pictures/review-*.png: the room on the sample, at each step, in a joint session, in a last look, and in a
certification.

    python docs/pictures/draw_room.py [--run FOLDER]

FOLDER (default: this checkout) holds the sample's finished run. It is only read: the review goes on in a copy, by a
reviewer who is made up, and in a real browser (chromium, headless). The last look is that of the sample's panel.
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
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
STAGES = ("crawl", "crop", "screen", "label", "curate")
PANEL_MEMBER = "panel-a"
SIZE = {"width": 1280, "height": 720}
SHOWN = (1024, 576)
WAIT_MS = 120_000
TRIES = 200
ADDRESS = re.compile(r"^ {2}\S+: (http://\S+)$")
ROOM = '[data-cy="mtf-room"]'
FACE = '[data-cy="mtf-face"]'
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
    """Press a key until it is taken, and return the message."""
    for _ in range(TRIES):
        before = page.get_attribute(ROOM, "data-answers")
        page.keyboard.press(key)
        page.wait_for_function(
            f"before => document.querySelector('{ROOM}').dataset.answers !== before", arg=before, timeout=WAIT_MS
        )
        message = page.inner_text('[data-cy="mtf-message"]')
        if "too fast" not in message:
            return message
        page.wait_for_timeout(100)
    raise AssertionError(f"{key} is refused: {message}")


def take_picture(page: Page, name: str) -> None:
    """Write the screen to `name`, smaller and in 64 colours: the faces of the sample are drawn in few."""
    page.wait_for_timeout(800)
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB").resize(SHOWN, Image.Resampling.LANCZOS)
    picture.quantize(64, dither=Image.Dither.NONE).save(HERE / name, optimize=True)


def until(page: Page, step: str) -> None:
    """Accept page by page, up to the first page of a step with faces that the person has accepted before, if any."""
    for _ in range(TRIES):
        if f"{step}: " in page.inner_text(".mtf-head"):
            return
        press(page, "Shift+A")
    raise AssertionError(f"no page of the step {step}")


@contextmanager
def opened(browser: Browser, project: Path, command: str, reviewer: str) -> Generator[Page]:
    """Page of a reviewer in the room that `mtf review COMMAND` opens."""
    words = [sys.executable, "-m", "mtf", "review", command, "--reviewer", reviewer, "--port", "0"]
    room = subprocess.Popen(words, cwd=project, stdout=subprocess.PIPE, text=True)
    page = browser.new_context(viewport=SIZE).new_page()
    try:
        url = next(found[1] for line in room.stdout or () if (found := ADDRESS.match(line)))
        page.goto(url, timeout=WAIT_MS)
        page.wait_for_selector(f"{FACE} img", timeout=WAIT_MS)
        yield page
    finally:
        page.context.close()
        room.send_signal(signal.SIGINT)
        room.communicate(timeout=60)


def draw_steps(page: Page) -> None:
    """Pictures of the steps, of all keys, and of the progress."""
    for _ in range(2):
        press(page, "Shift+A")
    for number in (3, 8):
        page.locator(FACE).nth(number).click()
    take_picture(page, "review-face.png")
    press(page, "1")
    until(page, "identity")
    press(page, "Shift+A")
    press(page, "3")
    take_picture(page, "review-identity.png")
    page.keyboard.down("p")
    page.wait_for_selector('[data-cy="mtf-whole"] img', timeout=WAIT_MS)
    take_picture(page, "review-whole.png")
    page.keyboard.up("p")
    page.keyboard.press("?")
    page.wait_for_selector("#mtf-help", timeout=WAIT_MS)
    take_picture(page, "review-keys.png")
    page.keyboard.press("Escape")
    until(page, "quality")
    take_picture(page, "review-quality.png")
    until(page, "duplicates")
    take_picture(page, "review-duplicate.png")
    until(page, "task fit")
    for key in ("l", "1"):
        page.keyboard.press(key)
    take_picture(page, "review-task-fit.png")
    page.keyboard.press("Escape")
    page.evaluate(PANEL)
    page.wait_for_selector('[data-cy="mtf-progress"] table', timeout=WAIT_MS)
    take_picture(page, "review-progress.png")


def draw_last_look(page: Page) -> None:
    for number in (0, 1):
        page.locator(FACE).nth(number).click()
    take_picture(page, "review-last-look.png")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--run", type=Path, default=ROOT)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        with opened(browser, copy_project(asked.run, Path(folder, "steps")), "open", "anna") as page:
            draw_steps(page)
        project = copy_project(asked.run, Path(folder, "panel"))
        with opened(browser, project, "adjudicate", PANEL_MEMBER) as page:
            take_picture(page, "review-joint.png")
        with opened(browser, project, "last-look", PANEL_MEMBER) as page:
            draw_last_look(page)
        with opened(browser, project, "certify", "dora") as page:
            take_picture(page, "review-certificate.png")
        browser.close()


if __name__ == "__main__":
    main()
