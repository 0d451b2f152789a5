"""docs/papers.md: a row, with its command, for every table and figure of the three papers.

`tests/project/test_project_docs.py` checks that each command on the page exists, with its options.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from projects import ROOT

PAGE = (ROOT / "docs" / "papers.md").read_text(encoding="utf-8")
# Section of the page → the numbers of the paper's tables and figures.
NUMBERED = {
    "MTF": (range(1, 10), range(1, 3)),
    "Das et al.": (range(1, 6), range(1, 6)),
    "EFRS": (range(1, 7), range(1, 8)),
}


def rows(section: str) -> list[list[str]]:
    text = PAGE.split(f"\n## {section}\n")[1].split("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if "in the paper" not in line]


def numbers(text: str, kind: str) -> Iterator[int]:
    """Numbers that a text names: `Table 9`, `Tables 5 to 8`, `Tables 4 and 5`."""
    for first, joined, second in re.findall(rf"{kind}s? (\d)(?: (to|and) (\d))?", text):
        yield from range(int(first), int(second) + 1) if joined == "to" else {int(first), int(second or first)}


@pytest.mark.parametrize("section", NUMBERED)
def test_every_table_and_figure_of_a_paper_has_a_row_with_its_command(section: str) -> None:
    named = {kind: {n for row in rows(section) for n in numbers(row[0], kind)} for kind in ("Table", "Figure")}
    tables, figures = NUMBERED[section]
    assert named == {"Table": set(tables), "Figure": set(figures)}


@pytest.mark.parametrize("section", NUMBERED)
def test_every_row_names_one_command_and_how_it_differs(section: str) -> None:
    for row in rows(section):
        assert len(row) == 3, row
        assert re.fullmatch(r"`mtf [^`]+`", row[1]), row
        assert row[2], row
