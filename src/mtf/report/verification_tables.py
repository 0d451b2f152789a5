"""Tables of the verification tests in `metrics/verify/`: errors of an embedding, by group and across groups."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mtf.evaluation.group_tables import pair_key
from mtf.report.report_page import PageTable, number

Figures = Mapping[str, Any]
Named = tuple[str, PageTable]
MATRIX_GROUPS = 7
"""Groups of more than so many are shown as a list of pairs: a wider matrix cannot be read."""


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
            for title, table in (*across(grouping, part), *differences(grouping, part)):
                yield f"Verification, {name}: {title}", table


def across(grouping: str, part: Figures, *, matrix_groups: int = MATRIX_GROUPS) -> Iterator[Named]:
    """Tables of the FMR within and across groups, with intervals: a matrix for each FMR that a threshold was set for.

    grouping, part: attribute or attributes, and their figures. Of more than `matrix_groups` groups, one table with a
    row for each pair. Nothing for fewer than two groups with figures.
    """
    large = [group for group, row in part["groups"].items() if "at" in row]
    if len(large) < 2:
        return
    found = _pairs(part, large)
    fmrs = list(part["groups"][large[0]]["at"])
    if len(large) > matrix_groups:
        rows = [[*pair, *(_rate(by_fmr[fmr], "fmr") for fmr in fmrs)] for pair, by_fmr in found.items()]
        columns = ["Group", "Other group", *(f"FMR, {fmr} wanted" for fmr in fmrs)]
        yield f"FMR across groups by {grouping}", PageTable(columns, rows, numeric=len(fmrs))
        return
    for fmr in fmrs:
        rows = [
            [first, *(_rate(found[first, second][fmr], "fmr") if (first, second) in found else "" for second in large)]
            for first in large
        ]
        table = PageTable([grouping, *large], rows, numeric=len(large))
        yield f"FMR across groups by {grouping}, {fmr} wanted", table


def _pairs(part: Figures, large: Sequence[str]) -> dict[tuple[str, str], Figures]:
    """Each pair of these groups, and each group with itself → rates for each FMR."""
    return {
        (first, second): part["groups"][first]["at"] if first == second else part["across"][pair_key(first, second)]
        for first, second in itertools.combinations_with_replacement(large, 2)
    }


def differences(grouping: str, part: Figures) -> Iterator[Named]:
    """Table of the measures of `differentials`, a row for each kind of error at each FMR."""
    if rows := list(_differentials(part)):
        columns = [
            *("FMR wanted", "FDR", "GARBE", "Rate", "Worst case", "Max / min", "Max / geometric mean", "Gini"),
            "Worst group",
        ]
        yield f"differences by {grouping}", PageTable(columns, rows, numeric=0)


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
        both = [_plain(measures.get(name)) for name in ("fdr", "garbe")]
        worst = measures.get("worst_fnmr") or "cannot be said"
        yield [fmr, *both, "FMR", *_sizes(measures["fmr"]), "not tested"]
        yield ["", "", "", "FNMR", *_sizes(measures["fnmr"]), worst]


def _sizes(measures: Figures | None) -> list[str]:
    each = measures or {}
    return [_percent(each.get("worst_case")), *(_plain(each.get(name)) for name in ("ratio", "ratio_to_mean", "gini"))]


def _rate(row: Figures, name: str, ends: tuple[str, str] | None = None) -> str:
    """`2.71 % (1.42 to 5.2)`."""
    low, high = (row.get(end) for end in ends or (f"{name}_low", f"{name}_high"))
    shown = _percent(row.get(name))
    return shown if low is None or high is None else f"{shown} ({100 * low:.3g} to {100 * high:.3g})"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.3g} %"


def _plain(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
