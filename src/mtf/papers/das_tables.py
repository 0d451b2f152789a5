"""Tables 1 to 5 of Das et al. on this data set, as data and as Markdown.

The paper compares its network with FaceNet's embedding as it is and with FaceNet fine-tuned for one task, each with a
support vector machine; here all single-task models and all weightings of the multi-task network stand beside them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mtf.config import Task
from mtf.core import markdown_tables
from mtf.evaluation.figure_files import ALL

# Attribute of the paper → number of the table with its accuracy by the other attributes.
SHOWN = ("accuracy", "std", "n", "low", "high")
PAPER_TABLES = {"race": 2, "age": 3, "gender": 4}

# `accuracy`, 0 to 1, with the number `n` of pictures, and with `low` and `high` of its interval, where these are known.
Figures = Mapping[str, Any]
# Task (`all` for all at once) → figures; task → attribute → label → figures, without an accuracy for an empty group.
Accuracies = Mapping[str, Figures]
ByGroup = Mapping[str, Mapping[str, Mapping[str, Figures]]]


def tables(
    measured: Mapping[str, tuple[Accuracies, ByGroup]], tasks: Mapping[str, Task], *, undetected: str | None = None
) -> list[dict[str, Any]]:
    """Tables 1 to 4 of Das et al., and one of all attributes at once, of networks on the test part.

    A table has `table` (the paper's number, or None), `title`, `columns`, `rows`, and `undetected`, the sentence on
    pictures without a detected face. A row has `name`, and for each column a share from 0 to 1 in `shares` and its
    figures in `figures`, or None. `measured`: network → figures, and figures by group; `tasks`: the tasks of the
    multi-task network, in order.
    """
    found = [
        _mean(1, "Mean accuracy", list(tasks), measured),
        *(_by_group(task, tasks[task], measured) for task in tasks),
        _mean(None, "Mean accuracy on the test part, all attributes at once first", [ALL, *tasks], measured),
    ]
    return [table | {"undetected": undetected} for table in found]


def table_5(on: Mapping[str, Any], tasks: Mapping[str, Task]) -> dict[str, Any]:
    """Table 5 of Das et al.: networks for several tasks on another labelled set, like a table of `tables`.

    `on`: the figures that `mtf evaluate --on` wrote. The title counts the categories whose labels all occur in the set:
    56 for BEFA, although UTKFace's label `Others`, which BEFA lacks, makes 70.
    """
    about = on["set"]
    measured = {
        name: (figures["tasks"] | {ALL: figures[ALL]}, {}) for name, figures in on["networks"].items() if ALL in figures
    }
    columns = {column for task in tasks.values() for column in task.columns}
    categories = [figures["categories"] for figures in on["networks"].values() if "categories" in figures]
    counted = f", {_possible(categories[0], columns)} categories" if categories else ""
    title = f"Mean accuracy on {about['name']}, all attributes at once first{counted}"
    return _mean(5, title, [ALL, *tasks], measured) | {"undetected": about["statement"]}


def _possible(categories: Sequence[Mapping[str, Any]], columns: Iterable[str]) -> int:
    """Number of categories, combinations of labels, of which each label has a picture in some category."""
    occurring = ({row[column] for row in categories if row["n"] and column in row} for column in columns)
    return math.prod(len(labels) or 1 for labels in occurring)


def _mean(
    number: int | None, title: str, columns: list[str], measured: Mapping[str, tuple[Accuracies, ByGroup]]
) -> dict[str, Any]:
    rows = [_row(name, [accuracies.get(column) for column in columns]) for name, (accuracies, _) in measured.items()]
    return {"table": number, "title": title, "columns": columns, "rows": rows}


def _by_group(task: str, asked: Task, measured: Mapping[str, tuple[Accuracies, ByGroup]]) -> dict[str, Any]:
    """Table of the accuracy of `task` by group, with networks as columns: there are more groups than networks."""
    groups = [
        (attribute, label)
        for attribute, labels in next((by[task] for _, by in measured.values() if task in by), {}).items()
        for label in labels
    ]
    rows = [
        _row(
            f"{attribute}: {label}",
            [by.get(task, {}).get(attribute, {}).get(label) for _, by in measured.values()],
        )
        for attribute, label in groups
    ]
    title = f"Accuracy of {task} by the other attributes"
    return {"table": PAPER_TABLES.get(asked.column), "title": title, "columns": list(measured), "rows": rows}


def _row(name: str, figures: Sequence[Figures | None]) -> dict[str, Any]:
    known = [each if each and "accuracy" in each else None for each in figures]
    shown = [each and {key: each[key] for key in SHOWN if key in each} for each in known]
    return {"name": name, "shares": [each and each["accuracy"] for each in known], "figures": shown}


def markdown(found: Sequence[Mapping[str, Any]]) -> str:
    """Tables of `tables` as GitHub's Markdown."""
    return "\n".join(_markdown(table) for table in found)


def _markdown(table: Mapping[str, Any]) -> str:
    number = f" (Das et al., Table {table['table']})" if table["table"] else ""
    rows = [[row["name"], *map(_cell, row["figures"])] for row in table["rows"]]
    below = f"\n{table['undetected']}\n" if table.get("undetected") else ""
    return f"**{table['title']}**{number}\n\n{markdown_tables.table(['', *table['columns']], rows)}{below}"


def _cell(figures: Figures | None) -> str:
    """`91.23% (n 120; 84.6 to 95.2)`, with what is known; `91.23 ± 0.45% (n 120)` for several seeds."""
    if figures is None:
        return "–"
    counted = f"n {figures['n']:,}" if "n" in figures else ""
    interval = f"{100 * figures['low']:.1f} to {100 * figures['high']:.1f}" if "low" in figures else ""
    behind = "; ".join(filter(None, (counted, interval)))
    spread = f" ± {100 * figures['std']:.2f}" if figures.get("std") is not None else ""
    return f"{100 * figures['accuracy']:.2f}{spread}%" + (f" ({behind})" if behind else "")
