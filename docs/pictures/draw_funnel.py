"""Draws docs/pictures/funnel.svg from metrics/curate.json: what each step of the funnel left, and why the rest went.

python docs/pictures/draw_funnel.py
"""

from __future__ import annotations

import json
from pathlib import Path
from xml.sax.saxutils import escape

from mtf.curation.funnel_tables import CROPPED
from mtf.curation.steps import title_of

ROOT = Path(__file__).parents[2]
LEFT, WIDTH, BAR, PITCH = 210, 230, 24, 34
STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #222 }
  .count { font-weight: 650 } .why { font-size: 12px; fill: #555 }
  .left { fill: #6a5acd } .gone { fill: #d9d5f3 }
  @media (prefers-color-scheme: dark) {
    text { fill: #eee } .why { fill: #bbb } .left { fill: #9d90ff } .gone { fill: #45406b }
  }
"""


def rows(metrics: dict) -> list[tuple[str, int, int, str]]:
    """(title, left, left before, why) of each step."""
    before = metrics["cropped"]["faces"]
    found = [(CROPPED, before, before, f"from {metrics['images']['count']} images")]
    for step, figures in metrics["steps"].items():
        reasons = sorted(figures["dropped"].items(), key=lambda item: -item[1])
        why = ", ".join(f"{reason.replace('_', ' ')} {count}" for reason, count in reasons if count)
        found.append((title_of(step), figures["faces"], before, why))
        before = figures["faces"]
    return found


def bar(number: int, row: tuple[str, int, int, str], most: int) -> list[str]:
    title, left, before, why = row
    y, middle = 12 + number * PITCH, 12 + number * PITCH + 17
    width, earlier = WIDTH * left / most, WIDTH * before / most
    return [
        f'<text x="{LEFT - 10}" y="{middle}" text-anchor="end">{escape(title)}</text>',
        f'<rect class="gone" x="{LEFT}" y="{y}" width="{earlier:.1f}" height="{BAR}" rx="3"/>',
        f'<rect class="left" x="{LEFT}" y="{y}" width="{width:.1f}" height="{BAR}" rx="3"/>',
        f'<text class="count" x="{LEFT + earlier + 8:.1f}" y="{middle}">{left}'
        f'<tspan class="why" font-weight="400" dx="8">{escape(why)}</tspan></text>',
    ]


def main() -> None:
    found = rows(json.loads((ROOT / "metrics" / "curate.json").read_text(encoding="utf-8")))
    most, height = found[0][1], 12 + len(found) * PITCH
    parts = [part for number, row in enumerate(found) for part in bar(number, row, most)]
    label = "Faces left after each step of the funnel: " + ", ".join(f"{title} {left}" for title, left, *_ in found)
    opening = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 960 {height}" role="img" aria-label="{label}">'
    text = "\n".join([opening, f"<style>{STYLE}</style>", *parts, "</svg>"])
    Path(__file__).with_name("funnel.svg").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
