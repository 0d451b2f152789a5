"""Tables 1 to 6 of EFRS on this data set, as data and as Markdown.

The argument `report` has

- `attribute`, `labels`, and `chosen`: the model of Tables 3 to 6;
- `models`: for each model `parameters`, `total_parameters`, `epochs`, the four metrics under `train`, `val` and `test`,
  `by_own_label`, and `by_subgroup`: another attribute → `groups` and `statistics`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mtf.config import Task
from mtf.core import markdown_tables
from mtf.evaluation import label_scores

SPLITS = {"train": "training metric", "val": "validation metric", "test": "test metric"}
# "It makes sense to make a separate analysis for the age groups from 20 to 79 years" (section 5.2).
MIDDLE_YEARS = (20, 79)
METRIC_NAMES = {"accuracy": "accuracy", "balanced_accuracy": "balanced accuracy", "roc_auc": "ROC AUC", "f1": "F1"}


def tables(report: Mapping[str, Any], tasks: Mapping[str, Task]) -> dict[str, Any]:
    """Tables 1 to 6; `tasks`: column → task.

    - Table 1: the metrics of every model on every split;
    - Table 2: the numbers of parameters;
    - Table 3: statistics over the subgroups of each attribute that has no years (`Task.years`);
    - Table 4: the same for each attribute that has years;
    - Table 5: as Table 4, for the groups within 20 to 79 years only; left out if fewer than two of them have pictures;
    - Table 6: the metrics of each label.

    Figures have four digits; who prints them rounds them. Over several seeds, each figure is a dictionary of `mean`,
    `low`, `high` and `seeds` (`label_classifier.repeats`).
    """
    models, chosen = report["models"], report["models"][report["chosen"]]
    subgroups = chosen["by_subgroup"]
    ages = {column: part for column, part in subgroups.items() if tasks[column].years}
    middle = {column: _groups_of_middle_years(part["groups"], tasks[column]) for column, part in ages.items()}
    return {
        "attribute": report["attribute"],
        "chosen": report["chosen"],
        "table_1": {
            name: {metric: {split: row[split][metric] for split in SPLITS} for metric in label_scores.METRICS}
            for name, row in models.items()
        },
        "table_2": {
            name: {"trainable": row["parameters"], "total": row["total_parameters"]} for name, row in models.items()
        },
        "table_3": {column: part["statistics"] for column, part in subgroups.items() if column not in ages},
        "table_4": {column: part["statistics"] for column, part in ages.items()},
        "table_5": {column: label_scores.statistics(rows) for column, rows in middle.items() if len(rows) > 1},
        "table_6": {
            "labels": chosen["by_own_label"],
            "relative_difference": {
                metric: label_scores.relative_difference([row[metric] for row in chosen["by_own_label"].values()])
                for metric in label_scores.OWN_LABEL_METRICS
            },
        },
    }


def _groups_of_middle_years(groups: Mapping[str, Any], task: Task) -> list[Any]:
    first, last = MIDDLE_YEARS
    inside = [label for label, (low, high) in task.years.items() if first <= low and high <= last]
    return [groups[label] for label in inside if label in groups]


def markdown(found: Mapping[str, Any]) -> str:
    """Tables of `tables` as GitHub's Markdown."""
    attribute, chosen = found["attribute"], found["chosen"]
    parts = [
        *_seeds_line(found),
        *(_table_1(name, rows, attribute) for name, rows in found["table_1"].items()),
        _table_2(found["table_2"]),
        *(_spreads(3, f"{chosen} on {attribute}, over {name}", rows) for name, rows in found["table_3"].items()),
        *(_spreads(4, f"{chosen} on {attribute}, over {name}", rows) for name, rows in found["table_4"].items()),
        *(
            _spreads(5, f"{chosen} on {attribute}, over {name} within 20 to 79 years", rows)
            for name, rows in found["table_5"].items()
        ),
        _table_6(found["table_6"], f"{chosen} by {attribute}"),
    ]
    return "\n".join(parts)


def _seeds_line(found: Mapping[str, Any]) -> list[str]:
    # Versions before 0.2 have one seed, and do not name it.
    seeds = found.get("seeds", [])
    if len(seeds) < 2:
        return []
    return [
        f"Mean over {len(seeds)} seeds ({seeds[0]} to {seeds[-1]}), each with its own division, and 95 % interval.\n"
    ]


def _table_1(name: str, rows: Mapping[str, Any], attribute: str) -> str:
    cells = [[METRIC_NAMES[metric], *(_figure_text(row[split]) for split in SPLITS)] for metric, row in rows.items()]
    return _table(f"Table 1: {name} on {attribute}", ["", *SPLITS.values()], cells)


def _table_2(rows: Mapping[str, Any]) -> str:
    cells = [[name, f"{row['trainable']:,}", f"{row['total']:,}"] for name, row in rows.items()]
    return _table("Table 2: parameters", ["", "# trainable parameters", "# total parameters"], cells)


def _spreads(number: int, title: str, rows: Mapping[str, Any]) -> str:
    cells = [
        [statistic, *(_figure_text(row[statistic]) for row in rows.values())] for statistic in ("mean", "std", "spread")
    ]
    return _table(f"Table {number}: {title}", ["", *(METRIC_NAMES[metric] for metric in rows)], cells)


def _table_6(found: Mapping[str, Any], title: str) -> str:
    labels = found["labels"]
    cells = [
        [
            metric,
            *(_figure_text(row[metric]) for row in labels.values()),
            _figure_text(found["relative_difference"][metric]),
        ]
        for metric in label_scores.OWN_LABEL_METRICS
    ]
    return _table(f"Table 6: {title}", ["", *labels, "relative difference"], cells)


def _table(title: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return f"**{title}**\n\n{markdown_tables.table(header, rows, figures_from=1)}"


def _figure_text(figure: Mapping[str, Any] | float | None) -> str:
    """Figure, or mean over seeds with its 95 % interval: `0.850 (0.842 to 0.858)`."""
    if not isinstance(figure, Mapping):
        return "undefined" if figure is None else f"{figure:.3f}"
    interval = "" if figure["low"] is None else f" ({figure['low']:.3f} to {figure['high']:.3f})"
    return f"{_figure_text(figure['mean'])}{interval}"
