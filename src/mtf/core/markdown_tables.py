"""Markdown tables in GitHub's dialect: for the release's README, model cards, receipts and the papers' tables."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_BAR = re.compile(r"(?<!\\)\|")


def table(header: Sequence[str], rows: Iterable[Sequence[str]], *, figures_from: int | None = None) -> str:
    """Markdown table, each line with its line end. Columns from number `figures_from` on (from 0) are right-aligned."""
    first = len(header) if figures_from is None else figures_from
    ruler = ["---:" if number >= first else "---" for number in range(len(header))]
    return "".join(
        f"| {' | '.join(cells)} |\n" for cells in (map(cell, header), ruler, *(map(cell, row) for row in rows))
    )


def cell(text: str) -> str:
    """Text of a cell, with vertical bars escaped; bars that are escaped already stay."""
    return _BAR.sub(r"\\|", text)
