"""Tables 4 to 9 of MTF on this data set, as data and as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mtf.comparison.run_figures import format_mean_std
from mtf.config import IDENTITY, PRETRAINED, Task
from mtf.core import markdown_tables

Figures = Mapping[str, Mapping[str, Mapping[str, float]]]
COLUMNS = ("Model", "Training", "Accuracy", "Precision", "Recall", "F1 score", "Epochs", "Minutes")
CURATION_COLUMNS = ("Task", "Training data", "Images", "Tested on", *COLUMNS[2:])
RECIPE_COLUMNS = ("Task", "Recipe", "Accuracy", "Macro F1", "Epochs", "Minutes")
FIGURES = ("accuracy", "precision", "recall", "f1")
# Attribute of the paper → number of the table with its test results.
PAPER_TABLES = {IDENTITY: 5, "race": 6, "gender": 7, "age": 8}
# Training sets and test parts of Table 9; the paper has the first and the last set, each with its own test part.
TRAINED_ON = {"non_curated": "Unprocessed", "screened": "Screened by machine", "curated": "Curated"}
TESTED_ON = {"own": "its own part", "common": "the curated part"}
# Versions before 0.2 have `random_guess` for the uniform guess.
BASELINES = {
    "untrained": "Untrained",
    "uniform_guess": "Uniform guess",
    "random_guess": "Uniform guess",
    "majority": "Most frequent label",
}


def tables(
    evaluated: Figures, trained: Mapping[tuple[str, str], Mapping[str, float]], tasks: Mapping[str, Task]
) -> list[dict[str, Any]]:
    """Tables 5 to 8: one per task, with `task`, `table` (the paper's number, or None) and `rows`, figures from 0 to 1.

    `evaluated` is metrics/evaluate.json; `trained`: (model, task) → build/train/MODEL/TASK.json, with
    `train_minutes` if they are known.
    """
    return [
        {
            "task": task,
            "table": PAPER_TABLES.get(tasks[task].column),
            "rows": [_row(name, figures, trained.get((name, task))) for name, figures in rows.items()],
        }
        for task, rows in evaluated.items()
    ]


def _row(name: str, figures: Mapping[str, float], training: Mapping[str, float] | None) -> dict[str, Any]:
    baseline = BASELINES.get(name)
    pretrained = name.endswith(PRETRAINED) or bool(training and training.get("pretrained"))
    begun = "Pre-trained" if pretrained else "From scratch"
    return {
        "model": baseline or name.removesuffix(PRETRAINED),
        "training": None if baseline else begun,
        **{figure: figures[figure] for figure in FIGURES},
        "epochs": training["epochs"] if training else None,
        "minutes": training.get("train_minutes") if training else None,
    }


def sizes(parameters: Mapping[str, Mapping[str, int]], labels: Mapping[str, int]) -> dict[str, Any]:
    """Table 4: `table`, `labels` (task → number of labels), and `rows` of `model` and `parameters`.

    `parameters`: network → task → number of trainable parameters. The paper's are of face recognition with 240 labels.
    """
    rows = [{"model": network, "parameters": dict(counts)} for network, counts in parameters.items()]
    return {"table": 4, "labels": dict(labels), "rows": rows}


def sizes_markdown(table: Mapping[str, Any]) -> str:
    """Table of `sizes` as GitHub's Markdown."""
    header = ["Model", *(f"{task}, {count} labels" for task, count in table["labels"].items())]
    rows = [[row["model"], *(f"{count:,}" for count in row["parameters"].values())] for row in table["rows"]]
    return f"**Trainable parameters (MTF, Table 4)**\n\n{markdown_tables.table(header, rows, figures_from=1)}"


def markdown(found: Sequence[Mapping[str, Any]]) -> str:
    """Tables of `tables` as GitHub's Markdown; the best figure of each column is bold, as in the paper."""
    return "\n".join(_markdown(table) for table in found)


def _markdown(table: Mapping[str, Any]) -> str:
    number = f" (MTF, Table {table['table']})" if table["table"] else ""
    best = {figure: max(row[figure] for row in table["rows"]) for figure in FIGURES}
    rows = []
    for row in table["rows"]:
        shares = [_percent(row[figure], bold=row[figure] == best[figure]) for figure in FIGURES]
        others = ["N/A" if row[name] is None else str(row[name]) for name in ("epochs", "minutes")]
        rows.append([row["model"], row["training"] or "N/A", *shares, *others])
    return f"**{table['task']}**{number}\n\n{markdown_tables.table(COLUMNS, rows)}"


def curation(found: Mapping[str, Any]) -> dict[str, Any]:
    """Table 9 of metrics/compare/curation.json: `table`, `model`, `recipe`, `seeds` and `rows`.

    A row has `task`, `arm` (the training set), `images` (number of training images), `tested_on`, and for each figure
    its mean and standard deviation over the seeds. The curated set's own test part is the common one and listed once.
    """
    rows = [
        {"task": task, "arm": arm, "images": part["images"]["train"], "tested_on": test, **part[test]}
        for task, by_arm in found["tasks"].items()
        for arm, part in by_arm.items()
        for test in TESTED_ON
        if (arm, test) != ("curated", "own")
    ]
    return {"table": 9, **{name: found[name] for name in ("model", "recipe", "seeds")}, "rows": rows}


def curation_rows(table: Mapping[str, Any]) -> list[list[str]]:
    """Cells of a table of `curation`, with the columns CURATION_COLUMNS."""
    return [
        [
            row["task"],
            TRAINED_ON[row["arm"]],
            f"{row['images']:,}",
            TESTED_ON[row["tested_on"]],
            *(format_mean_std(row[figure], unit="%", scale=100) for figure in FIGURES),
            *(format_mean_std(row[name], digits=1) for name in ("epochs", "minutes")),
        ]
        for row in table["rows"]
    ]


def curation_markdown(table: Mapping[str, Any]) -> str:
    """Table of `curation` as GitHub's Markdown."""
    return f"**{curation_title(table)}**\n\n{markdown_tables.table(CURATION_COLUMNS, curation_rows(table))}"


def curation_title(table: Mapping[str, Any]) -> str:
    """Title of a table of `curation`."""
    seeds = table["seeds"]
    return f"{table['model']}, recipe {table['recipe']}, {seeds} seed{'s' * (seeds > 1)} each (MTF, Table 9)"


def recipes(found: Mapping[str, Any]) -> list[list[str]]:
    """Cells of a comparison of recipes (metrics/compare/recipes.json), with the columns RECIPE_COLUMNS."""
    return [
        [
            task,
            recipe,
            *(format_mean_std(figures[name], unit="%", scale=100) for name in ("accuracy", "f1")),
            format_mean_std(figures["epochs"], digits=1),
            format_mean_std(figures["minutes"], digits=1),
        ]
        for task, by_recipe in found["tasks"].items()
        for recipe, figures in by_recipe.items()
    ]


def _percent(share: float, *, bold: bool) -> str:
    text = f"{100 * share:.2f}%"
    return f"**{text}**" if bold else text
