"""Tables 1 to 5 of Das et al. on this data set, as data and as Markdown.

The paper compares its network with FaceNet fine-tuned for one task; here all single-task models are compared with all
weightings of the multi-task network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mtf.config import Task
from mtf.core import markdown_tables
from mtf.evaluation.figure_files import ALL

# Attribute of the paper → number of the table with its accuracy by the other attributes.
PAPER_TABLES = {"race": 2, "age": 3, "gender": 4}

# Task (`all` for all at once) → accuracy; task → attribute → label → accuracy, None for an empty group.
Accuracies = Mapping[str, float]
ByGroup = Mapping[str, Mapping[str, Mapping[str, float | None]]]


def tables(measured: Mapping[str, tuple[Accuracies, ByGroup]], tasks: Mapping[str, Task]) -> list[dict[str, Any]]:
    """Tables 1 to 5 of Das et al.

    A table has `table` (the paper's number, or None), `title`, `columns` and `rows`; a row has `name` and `shares`, one
    for each column, 0 to 1 or None. `measured`: network → accuracies, and accuracies by group; `tasks`: the tasks of
    the multi-task network, in order.
    """
    return [
        _mean(1, "Mean accuracy", list(tasks), measured),
        *(_by_group(task, tasks[task], measured) for task in tasks),
        _mean(5, "Mean accuracy, all attributes at once first", [ALL, *tasks], measured),
    ]


def _mean(
    number: int, title: str, columns: list[str], measured: Mapping[str, tuple[Accuracies, ByGroup]]
) -> dict[str, Any]:
    rows = [
        {"name": name, "shares": [accuracies.get(column) for column in columns]}
        for name, (accuracies, _) in measured.items()
    ]
    return {"table": number, "title": title, "columns": columns, "rows": rows}


def _by_group(task: str, asked: Task, measured: Mapping[str, tuple[Accuracies, ByGroup]]) -> dict[str, Any]:
    """Table of the accuracy of `task` by group, with networks as columns: there are more groups than networks."""
    groups = [
        (attribute, label)
        for attribute, labels in next((by[task] for _, by in measured.values() if task in by), {}).items()
        for label in labels
    ]
    rows = [
        {
            "name": f"{attribute}: {label}",
            "shares": [by.get(task, {}).get(attribute, {}).get(label) for _, by in measured.values()],
        }
        for attribute, label in groups
    ]
    title = f"Accuracy of {task} by the other attributes"
    return {"table": PAPER_TABLES.get(asked.column), "title": title, "columns": list(measured), "rows": rows}


def markdown(found: Sequence[Mapping[str, Any]]) -> str:
    """Tables of `tables` as GitHub's Markdown."""
    return "\n".join(_markdown(table) for table in found)


def _markdown(table: Mapping[str, Any]) -> str:
    number = f" (Das et al., Table {table['table']})" if table["table"] else ""
    rows = [[row["name"], *map(_percent, row["shares"])] for row in table["rows"]]
    return f"**{table['title']}**{number}\n\n{markdown_tables.table(['', *table['columns']], rows)}"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.2f}%"
