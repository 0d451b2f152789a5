"""Draws docs/pictures/pipeline.svg: the stages, what each answers, and what people write.

python docs/pictures/draw_pipeline.py
"""

from __future__ import annotations

from pathlib import Path
from xml.sax.saxutils import escape

STAGES = [
    ("crawl", "which pictures exist, and", "the evidence of licenses"),
    ("crop", "where the faces are", ""),
    ("screen", "hints: blur, eyes,", "duplicates, outliers"),
    ("curate", "which faces stay or go,", "and by whose decision"),
    ("split", "train, val, test;", "no duplicate in two"),
    ("train", "one network per", "model and task"),
    ("multitask", "one network for all tasks,", "by loss weighting"),
    ("evaluate", "figures, also by group,", "beside guessing"),
    ("validate", "gates: may the data set", "be published?"),
    ("release", "folders, credits,", "cards, checksums"),
    ("report", "one page on the state", "of the data set"),
]
COLUMNS = 4
PEOPLE = {0: "roster", 3: "reviewers' ledger,\ntakedowns, license policy"}
WIDTH, HEIGHT, GAP = 168, 78, 22
STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #222 }
  .name { font-weight: 650; font-size: 15px }
  .note { font-size: 12px; fill: #555 }
  rect { fill: #f3f1fa; stroke: #6a5acd; stroke-width: 1.4; rx: 9 }
  .people { fill: #fff6e5; stroke: #d08700 }
  path { stroke: #888; stroke-width: 1.6; fill: none; marker-end: url(#tip) }
  #tip path { fill: #888; stroke: none }
  @media (prefers-color-scheme: dark) {
    text { fill: #eee } .note { fill: #bbb } rect { fill: #2a2740; stroke: #9d90ff }
    .people { fill: #3a2f16; stroke: #e0a030 }
  }
"""


def place(index: int) -> tuple[int, int]:
    """Upper left corner of a stage. Stages run left to right, row by row, below the boxes of what people write."""
    column, row = index % COLUMNS, index // COLUMNS
    return 20 + column * (WIDTH + GAP), 96 + row * (HEIGHT + 66)


def box(x: int, y: int, height: int, kind: str = "") -> str:
    return f'<rect x="{x}" y="{y}" width="{WIDTH}" height="{height}" rx="9" class="{kind}"/>'


def text(x: int, y: int, words: str, kind: str) -> str:
    return f'<text x="{x}" y="{y}" text-anchor="middle" class="{kind}">{escape(words)}</text>'


def stage(index: int) -> list[str]:
    name, first, second = STAGES[index]
    x, y = place(index)
    middle = x + WIDTH // 2
    return [
        box(x, y, HEIGHT),
        text(middle, y + 25, name, "name"),
        text(middle, y + 46, first, "note"),
        text(middle, y + 63, second, "note"),
    ]


def arrow(index: int) -> str:
    """Arrow from a stage to the next: along the row, or down to the start of the next row."""
    x, y = place(index)
    to_x, to_y = place(index + 1)
    if y == to_y:
        return f'<path d="M{x + WIDTH} {y + HEIGHT // 2} H{to_x - 4}"/>'
    middle, half = x + WIDTH // 2, (y + HEIGHT + to_y) // 2
    return f'<path d="M{middle} {y + HEIGHT} V{half} H{to_x + WIDTH // 2} V{to_y - 4}"/>'


def people(index: int, words: str) -> list[str]:
    x, y = place(index)
    lines = words.split("\n")
    first = 42 if len(lines) == 1 else 34
    return [
        box(x, 14, 46, "people"),
        *(text(x + WIDTH // 2, first + 16 * number, line, "note") for number, line in enumerate(lines)),
        f'<path d="M{x + WIDTH // 2} 60 V{y - 4}"/>',
    ]


def main() -> None:
    width, height = 20 + COLUMNS * (WIDTH + GAP), place(len(STAGES) - 1)[1] + HEIGHT + 18
    label = "The stages: " + ", ".join(name for name, *_ in STAGES)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-label="{label}">',
        f"<style>{STYLE}</style>",
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="6" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0 L8 4 L0 8 z"/></marker></defs>',
        *(part for index in range(len(STAGES)) for part in stage(index)),
        *(arrow(index) for index in range(len(STAGES) - 1)),
        *(part for index, words in PEOPLE.items() for part in people(index, words)),
        "</svg>",
    ]
    Path(__file__).with_name("pipeline.svg").write_text("\n".join(parts) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
