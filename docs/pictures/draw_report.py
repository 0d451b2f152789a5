"""Draws docs/pictures/report.png: the whole report of a finished run, its sections side by side in columns.

python docs/pictures/draw_report.py [--project .] [--to docs/pictures/report.png] [--columns 3]

The page is laid out as on a narrow screen, so that its letters can still be read where the picture is shown small.
"""

from __future__ import annotations

import argparse
import io
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

WIDTH_PX, GAP_PX, MARGIN_PX = 700, 28, 24
BACKGROUND = "#ffffff"
# Controls that only a person who opens the page needs.
HIDDEN = "nav, .skip, details, #show-all { display: none !important } h2 { border-top: 0 !important }"


def sections(page_file: Path) -> Iterator[Image.Image]:
    """The title and each section as pictures, `WIDTH_PX` wide, in the order of the page."""
    program = shutil.which("chromium") or sys.exit("draw_report: the program chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH_PX, "height": 900}, color_scheme="light")
        page.goto(page_file.resolve().as_uri())
        page.wait_for_selector("html[data-drawn=yes]")
        page.add_style_tag(content=HIDDEN)
        page.wait_for_timeout(1000)  # plotly draws again for the width that is left
        for element in page.locator("h1, main > section").all():
            yield Image.open(io.BytesIO(element.screenshot())).convert("RGB")
        browser.close()


def columns(parts: list[Image.Image], count: int) -> list[list[Image.Image]]:
    """The parts in their order, dealt to `count` columns of about the same height."""
    target = sum(part.height for part in parts) / count
    dealt: list[list[Image.Image]] = [[]]
    for part in parts:
        height = sum(each.height for each in dealt[-1])
        if dealt[-1] and height + part.height / 2 > target and len(dealt) < count:
            dealt.append([])
        dealt[-1].append(part)
    return dealt


def sheet(dealt: list[list[Image.Image]]) -> Image.Image:
    widest = max(part.width for column in dealt for part in column)
    height = max(sum(part.height + GAP_PX for part in column) for column in dealt)
    drawn = Image.new(
        "RGB", (2 * MARGIN_PX + len(dealt) * (widest + GAP_PX) - GAP_PX, height + 2 * MARGIN_PX), BACKGROUND
    )
    for number, column in enumerate(dealt):
        top = MARGIN_PX
        for part in column:
            drawn.paste(part, (MARGIN_PX + number * (widest + GAP_PX), top))
            top += part.height + GAP_PX
    return drawn


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--project", type=Path, default=Path())
    parser.add_argument("--to", type=Path, default=Path(__file__).with_name("report.png"))
    parser.add_argument("--columns", type=int, default=3)
    given = parser.parse_args()
    page = given.project / "build/report/index.html"
    if not page.is_file():
        sys.exit(f"draw_report: {page}: no such file; run the pipeline first (`make repro`)")
    drawn = sheet(columns(list(sections(page)), given.columns))
    # Few colours are in it but for the thumbnails: a palette makes the file a quarter of the size.
    drawn.quantize(colors=128, dither=Image.Dither.NONE).save(given.to, optimize=True)
    print(f"{given.to}: {drawn.width} × {drawn.height} px, {given.to.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
