"""Das et al.'s Tables 1 to 5 for one's own data, as data and as Markdown.

The paper sets its network beside FaceNet fine-tuned for one task; here every model of one task stands beside every
weighting of the network for all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mtf import markdown_tables
from mtf.learn.intersections import ALL
from mtf.params import Task

# The paper's tables of one task by the other attributes, by the column that the task asks about.
NUMBERS = {"race": 2, "age": 3, "gender": 4}

# Task → accuracy, `all` among the tasks; task → attribute → label → accuracy, or nothing for a group of none.
Accuracies = Mapping[str, float]
ByGroup = Mapping[str, Mapping[str, Mapping[str, float | None]]]


def tables(measured: Mapping[str, tuple[Accuracies, ByGroup]], tasks: Mapping[str, Task]) -> list[dict[str, Any]]:
    """Each table has `table` (the paper's number, or null), `title`, `columns` and `rows`: `name` and `shares`, one
    for each column, 0 to 1 or null. `measured`: network → its figures; `tasks`: those of the shared network, in order.
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
    """Networks are columns: there are more groups than networks."""
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
    return {"table": NUMBERS.get(asked.column), "title": title, "columns": list(measured), "rows": rows}


def markdown(found: Sequence[Mapping[str, Any]]) -> str:
    return "\n".join(_markdown(table) for table in found)


def _markdown(table: Mapping[str, Any]) -> str:
    number = f" (Das et al., Table {table['table']})" if table["table"] else ""
    rows = [[row["name"], *map(_percent, row["shares"])] for row in table["rows"]]
    return f"**{table['title']}**{number}\n\n{markdown_tables.table(['', *table['columns']], rows)}"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.2f}%"
