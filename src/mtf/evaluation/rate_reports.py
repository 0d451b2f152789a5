"""Figures by group of each task, as the terminal and the model cards show them: rates, gaps, differences.

Both take the reports of `fairness.report` (grouping → summary and figures by group).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mtf.config import WITH
from mtf.core import markdown_tables
from mtf.evaluation import group_tables

Report = Mapping[str, Mapping[str, Any]]
# More of these columns are wider than a terminal.
COLUMNS_AT_ONCE = 4
GAP_COLUMNS = (
    *("task", "by", "worst", "accuracy", "best", "accuracy", "gap", "interval of the gap"),
    *group_tables.DIFFERENCES.values(),
    *("smaller groups", "empty groups"),
)
MISSING = "–"


def print_rates(reports: Mapping[tuple[str, str], Report]) -> None:
    """Print the rates of each model and task, by single attribute; `reports`: model, task → report."""
    from rich.table import Column, Table

    from mtf.core.console import console

    terminal = console()
    for (model, task), report in reports.items():
        single = _single_attributes(report)
        large, small = group_tables.large_and_small(single)
        every = group_tables.columns(large)
        for start in range(0, len(every), COLUMNS_AT_ONCE):
            names = every[start : start + COLUMNS_AT_ONCE]
            titles = ("people", *(group_tables.RATES[name] for name in names))
            table = Table("group", *(Column(title, justify="right") for title in titles), title=f"{model}, {task}")
            for group, people, *cells in group_tables.rate_rows(large, names, decimals=0):
                table.add_row(group, people, *(cell.replace(" (", "\n(") for cell in cells))
            terminal.print(table)
        if small:
            print(f"  {task}, cannot be said: {', '.join(small)}")
        for name, part in single.items():
            shown = zip(group_tables.DIFFERENCES.values(), group_tables.differences(part["summary"]), strict=True)
            if defined := [f"{title} {value}" for title, value in shown if value != MISSING]:
                print(f"  {task} by {name}: {', '.join(defined)}")
    print(f"  {group_tables.MEANS_OVER_LABELS}")


def markdown(reports: Mapping[str, Report], *, min_n: int) -> str:
    """Section of a model card: gaps by grouping, and the rates by single attribute; `reports`: task → report.

    min_n: smallest number of pictures of a group that counts.
    """
    rows = [_gap_row(task, by, part["summary"]) for task, report in reports.items() for by, part in report.items()]
    parts = [
        f"By group, for groups of at least {min_n} pictures; if a task predicts the attribute itself, the accuracy of\n"
        "a group is the recall of its label. A group has a name where its difference from the others is no chance\n"
        "(p ≤ 0.05, adjusted for the number of groups). The interval of the gap is one of 95 %, by person:",
        markdown_tables.table(GAP_COLUMNS, rows),
        group_tables.MEANS_OVER_LABELS,
        *(part for task, report in reports.items() for part in _rates(task, report)),
    ]
    return "\n\n".join(part.rstrip("\n") for part in parts)


def _gap_row(task: str, by: str, summary: Mapping[str, Any]) -> list[str]:
    low, high = summary.get("gap_low"), summary.get("gap_high")
    return [
        *(task, by),
        *(cell for end in ("worst", "best") for cell in (summary.get(f"{end}_group", MISSING), _figure(summary, end))),
        _figure(summary, "gap"),
        "cannot be said" if low is None or high is None else f"{low:.4f} to {high:.4f}",
        *group_tables.differences(summary),
        *(str(summary[name]) for name in ("small_groups", "empty_groups")),
    ]


def _figure(summary: Mapping[str, Any], name: str) -> str:
    return MISSING if (value := summary.get(name)) is None else f"{value:.4f}"


def _rates(task: str, report: Report) -> Iterator[str]:
    """Table of the rates of a task by single attribute, and the groups that have too few people for them."""
    large, small = group_tables.large_and_small(_single_attributes(report))
    if names := group_tables.columns(large):
        header = [f"{task}, by group", "people", *(group_tables.RATES[name] for name in names)]
        yield markdown_tables.table(header, list(group_tables.rate_rows(large, names)))
    if small:
        yield f"{task}, cannot be said: {', '.join(small)}."


def _single_attributes(report: Report) -> dict[str, Mapping[str, Any]]:
    return {name: part for name, part in report.items() if WITH not in name}
