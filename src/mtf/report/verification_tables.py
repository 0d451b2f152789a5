"""Tables of the verification tests in `metrics/verify/`: errors of an embedding, by group and across groups."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mtf.report.report_page import PageTable, number

Figures = Mapping[str, Any]
Named = tuple[str, PageTable]


def verified(found: Mapping[str, Figures]) -> Iterator[Named]:
    """Tables of each test; `found`: name of the file → figures of `verification_figures.measure`."""
    for name, figures in found.items():
        if "overall" not in figures:
            continue
        people = figures["people"]
        rows = [
            [fmr, f"{row['threshold']:.3f}", _rate(row, "fmr"), _rate(row, "fnmr"), number(row["genuine_pairs"])]
            for fmr, row in figures["overall"].items()
        ]
        title = (
            f"Verification, {name}: thresholds from {people['calibration']:,} people, measured on {people['test']:,}"
        )
        yield title, PageTable(["FMR wanted", "Threshold", "FMR", "FNMR", "Genuine pairs"], rows, numeric=4)
        for grouping, part in figures["groupings"].items():
            if rows := list(_groups(part)):
                columns = [grouping, "People", "No vector", "FMR wanted", "FMR", "FNMR"]
                yield f"Verification, {name}: by {grouping}", PageTable(columns, rows)
            if rows := list(_differentials(part)):
                columns = ["FMR wanted", "Worst FMR", "Max/min", "Gini", "Worst FNMR", "Max/min", "Gini", "Worst group"]
                yield f"Verification, {name}: differences by {grouping}", PageTable(columns, rows)


def _groups(part: Figures) -> Iterator[list[str]]:
    for group, row in part["groups"].items():
        if "at" not in row:
            missing = f"cannot be said: it takes {row['more_people']:,} more people"
            yield [group, number(row["people"]), "", "", missing, ""]
            continue
        acquire = row["failure_to_acquire"]
        failed = _rate(acquire, "share", ("low", "high")) if acquire else ""
        for fmr, rates in row["at"].items():
            yield [group, number(row["people"]), failed, fmr, _rate(rates, "fmr"), _rate(rates, "fnmr")]


def _differentials(part: Figures) -> Iterator[list[str]]:
    for fmr, measures in part.get("differentials", {}).items():
        row = [fmr]
        for kind in ("fmr", "fnmr"):
            each = measures[kind] or {}
            row += [_percent(each.get("worst_case")), _plain(each.get("ratio")), _plain(each.get("gini"))]
        yield [*row, measures.get("worst_fnmr") or "cannot be said"]


def _rate(row: Figures, name: str, ends: tuple[str, str] | None = None) -> str:
    """`2.71 % (1.42 to 5.2)`."""
    low, high = (row.get(end) for end in ends or (f"{name}_low", f"{name}_high"))
    shown = _percent(row.get(name))
    return shown if low is None or high is None else f"{shown} ({100 * low:.3g} to {100 * high:.3g})"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.3g} %"


def _plain(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
