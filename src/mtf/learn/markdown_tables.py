"""Tables in GitHub's Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(header: Sequence[str], rows: Iterable[Sequence[str]], *, figures_from: int | None = None) -> str:
    """Markdown table, each line with its line end. Columns from number `figures_from` on (from 0) are right-aligned."""
    first = len(header) if figures_from is None else figures_from
    ruler = ["---:" if number >= first else "---" for number in range(len(header))]
    return "".join(
        f"| {' | '.join(cells)} |\n" for cells in (map(cell, header), ruler, *(map(cell, row) for row in rows))
    )


def cell(text: str) -> str:
    """`text` with escaped vertical bars."""
    return text.replace("|", "\\|")
