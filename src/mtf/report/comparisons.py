"""Tables with the results of `mtf compare` and `mtf label`, if they have been run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mtf.learn import papers
from mtf.report.parts import Table

Figures = Mapping[str, Any]
Named = tuple[str, Table]
MEASURES = {"accuracy": "Accuracy", "balanced_accuracy": "Balanced accuracy", "roc_auc": "ROC AUC", "f1": "F1"}


def compared(found: Mapping[str, Figures]) -> Iterator[Named]:
    """Tables of `metrics/compare/`; `found`: name of the file → content. Unfinished comparisons have no table."""
    done = {name: figures for name, figures in found.items() if "tasks" in figures}
    if "recipes" in done:
        rows = papers.recipes(done["recipes"])
        title = f"Recipes compared: {done['recipes']['model']}, {_seeds(done['recipes']['seeds'])}"
        yield title, Table(papers.RECIPE_COLUMNS, rows, numeric=len(papers.RECIPE_COLUMNS) - 2)
    if "curation" in done:
        table = papers.curation(done["curation"])
        title = f"Training sets compared: {papers.curation_title(table)}"
        yield title, Table(papers.CURATION_COLUMNS, papers.curation_rows(table), numeric=len(papers.COLUMNS) - 2)


def labelled(found: Mapping[str, Figures]) -> Iterator[Named]:
    """Tables of `metrics/label/`: test results of the fitted classifier, and of the compared models."""
    if rows := [[name, *_measures(figures["test"])] for name, figures in found.get("classifier", {}).items()]:
        yield "The label classifier, on the test split", _table("Attribute", rows)
    for name, figures in found.items():
        if name.startswith("compare-"):
            rows = [
                [model, *_measures({metric: by_split["test"] for metric, by_split in by_metric.items()})]
                for model, by_metric in figures["table_1"].items()
            ]
            yield f"Label classifiers compared on {figures['attribute']}, on the test split", _table("Model", rows)


def _table(first: str, rows: list[list[str]]) -> Table:
    return Table([first, *MEASURES.values()], rows, numeric=len(MEASURES))


def _measures(figures: Mapping[str, float | None]) -> list[str]:
    return ["" if (figure := figures.get(name)) is None else f"{figure:.3f}" for name in MEASURES]


def _seeds(count: int) -> str:
    return f"{count} seed{'s' * (count > 1)} each"
