"""MTF's Tables 4 to 9 for one's own data, as data and as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mtf import markdown_tables
from mtf.learn.runs import shown
from mtf.params import IDENTITY, PRETRAINED, Task

Figures = Mapping[str, Mapping[str, Mapping[str, float]]]
COLUMNS = ("Model", "Training", "Accuracy", "Precision", "Recall", "F1 score", "Epochs", "Minutes")
CURATION_COLUMNS = ("Task", "Training data", "Images", "Tested on", *COLUMNS[2:])
RECIPE_COLUMNS = ("Task", "Recipe", "Accuracy", "Macro F1", "Epochs", "Minutes")
FIGURES = ("accuracy", "precision", "recall", "f1")
# The tasks of the paper by the column that they are about, with the number of their table.
NUMBERS = {IDENTITY: 5, "race": 6, "gender": 7, "age": 8}
# The arms of Table 9, and what they are tested on; the paper has the first and the last arm, each on its own part.
TRAINED_ON = {"non_curated": "Unprocessed", "screened": "Screened by machine", "curated": "Curated"}
TESTED_ON = {"own": "its own part", "common": "the curated part"}
GUESSES = {"random_guess": "Random guess", "majority": "Commonest label"}


def tables(
    evaluated: Figures, trained: Mapping[tuple[str, str], Mapping[str, float]], tasks: Mapping[str, Task]
) -> list[dict[str, Any]]:
    """One table per task: `task`, `table` (the paper's number, or null) and `rows`, shares as 0 to 1.

    `evaluated` is metrics/evaluate.json, `trained` (model, task) → metrics/train/MODEL/TASK.json.
    """
    return [
        {
            "task": task,
            "table": NUMBERS.get(tasks[task].column),
            "rows": [_row(name, figures, trained.get((name, task))) for name, figures in rows.items()],
        }
        for task, rows in evaluated.items()
    ]


def _row(name: str, figures: Mapping[str, float], training: Mapping[str, float] | None) -> dict[str, Any]:
    guess = GUESSES.get(name)
    pretrained = name.endswith(PRETRAINED) or bool(training and training.get("pretrained"))
    begun = "Pre-trained" if pretrained else "From scratch"
    return {
        "model": guess or name.removesuffix(PRETRAINED),
        "training": None if guess else begun,
        **{figure: figures[figure] for figure in FIGURES},
        "epochs": training["epochs"] if training else None,
        "minutes": training["train_minutes"] if training else None,
    }


def sizes(parameters: Mapping[str, Mapping[str, int]], labels: Mapping[str, int]) -> dict[str, Any]:
    """Table 4: `table`, `labels` (task → how many) and `rows` of `model` and `parameters` (task → how many are
    trained). `parameters`: network → task → their number. The paper's are of face recognition with 240 labels.
    """
    rows = [{"model": network, "parameters": dict(counts)} for network, counts in parameters.items()]
    return {"table": 4, "labels": dict(labels), "rows": rows}


def sizes_markdown(table: Mapping[str, Any]) -> str:
    header = ["Model", *(f"{task}, {count} labels" for task, count in table["labels"].items())]
    rows = [[row["model"], *(f"{count:,}" for count in row["parameters"].values())] for row in table["rows"]]
    return f"**Trainable parameters (MTF, Table 4)**\n\n{markdown_tables.table(header, rows, figures_from=1)}"


def markdown(found: Sequence[Mapping[str, Any]]) -> str:
    """The tables as GitHub shows them; the best figure of each column is bold, as in the paper."""
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
    """Table 9 of a comparison of arms (metrics/compare/curation.json): `table`, `model`, `recipe`, `seeds` and `rows`.

    A row has `task`, `arm`, `images` (trained on), `tested_on`, and of each figure its mean and deviation over the
    seeds. The curated set's own test part is the common one, and stands once.
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
    """The rows of `curation`, under CURATION_COLUMNS."""
    return [
        [
            row["task"],
            TRAINED_ON[row["arm"]],
            f"{row['images']:,}",
            TESTED_ON[row["tested_on"]],
            *(shown(row[figure], unit="%", scale=100) for figure in FIGURES),
            *(shown(row[name], digits=1) for name in ("epochs", "minutes")),
        ]
        for row in table["rows"]
    ]


def curation_markdown(table: Mapping[str, Any]) -> str:
    return f"**{curation_title(table)}**\n\n{markdown_tables.table(CURATION_COLUMNS, curation_rows(table))}"


def curation_title(table: Mapping[str, Any]) -> str:
    seeds = table["seeds"]
    return f"{table['model']}, recipe {table['recipe']}, {seeds} seed{'s' * (seeds > 1)} each (MTF, Table 9)"


def recipes(found: Mapping[str, Any]) -> list[list[str]]:
    """The rows of a comparison of recipes (metrics/compare/recipes.json), under RECIPE_COLUMNS."""
    return [
        [
            task,
            recipe,
            *(shown(figures[name], unit="%", scale=100) for name in ("accuracy", "f1")),
            shown(figures["epochs"], digits=1),
            shown(figures["minutes"], digits=1),
        ]
        for task, by_recipe in found["tasks"].items()
        for recipe, figures in by_recipe.items()
    ]


def _percent(share: float, *, bold: bool) -> str:
    text = f"{100 * share:.2f}%"
    return f"**{text}**" if bold else text
