"""Comparison of recipes on the same split and from the same seeds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import polars as pl

from mtf import tables
from mtf.params import Params
from mtf.stages import compared, figures
from mtf.workspace import Workspace

if TYPE_CHECKING:
    import numpy as np

    from mtf.learn.trial import ComparisonData

NAME = f"{compared.FOLDER}/recipes"


def run(
    workspace: Workspace, params: Params, *, model: str, tasks: Sequence[str], recipes: Sequence[str], seeds: int
) -> dict[str, Any]:
    """Train `model` on each task with each recipe from `seeds` seeds, the first being params.yaml's, and test it.

    Writes metrics/compare/recipes.json; returns it without the single runs: `{"model", "seeds", "images": {split: int},
    "tasks": {task: {recipe: {figure: {"mean", "std"}}}}}`. Runs with the same data, recipe and code that are in
    the file are not repeated.

    Raises BadInput for a name that params.yaml does not have.
    """
    compared.check_names(params, model=model, tasks=tasks, recipes=recipes)
    # torch takes seconds to import: wrong names are reported before.
    from mtf.learn import data, inputs, runs, trial

    splits = data.with_combined_columns(
        tables.read(tables.splits(params), workspace.table("split", "splits")), params.tasks
    )
    pictures = inputs.prepare(
        splits, workspace.shards("crop"), workspace.stage("inputs"), size_px=params.train.input_px
    )
    store = runs.RunStore(workspace.metrics(NAME))
    found: dict[str, dict[str, Any]] = {task: {} for task in tasks}
    for task in tasks:
        comparison_data = _comparison_data(workspace, params, splits, pictures, task)
        for recipe in recipes:
            runs_of_recipe = compared.comparison_runs(workspace, params, model=model, recipe=recipe, seeds=seeds)
            finished = compared.run_all(store, runs_of_recipe, comparison_data, name=f"{model}/{task}/{recipe}")
            found[task][recipe] = trial.mean_over_seeds(finished, "test")
    images = {split: splits.filter(split=split).height for split in tables.SPLITS}
    summary = {"model": model, "seeds": seeds, "images": images, "tasks": found}
    store.write_summary(summary)
    figures.declare(workspace, compared.FOLDER)
    return summary


def _comparison_data(
    workspace: Workspace, params: Params, splits: pl.DataFrame, pictures: np.ndarray, task: str
) -> ComparisonData:
    from mtf.learn import data, trial

    labels = data.labels_of(params.tasks[task], splits)
    column = params.tasks[task].column
    training, validation, test = (
        data.Examples.of_split(pictures, splits, split, column=column, labels=labels) for split in tables.SPLITS
    )
    digest = compared.digest_of_faces(splits, ["split", column], workspace.shards("crop"))
    return trial.ComparisonData(task, labels, training, validation, {"test": test}, digest)
