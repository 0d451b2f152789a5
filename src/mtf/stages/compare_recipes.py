"""Recipes against each other, on the same split and from the same seeds."""

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

    from mtf.learn.trial import Matter

NAME = f"{compared.FOLDER}/recipes"


def run(
    workspace: Workspace, params: Params, *, model: str, tasks: Sequence[str], recipes: Sequence[str], seeds: int
) -> dict[str, Any]:
    """Train `model` on each task with each recipe, from `seeds` seeds on from params.yaml's, and measure it on the
    test split. Writes metrics/compare/recipes.json and returns it without the single runs.

    `{"model", "seeds", "images": {split: int}, "tasks": {task: {recipe: {figure: {"mean", "std"}}}}}`.
    Trainings that stand there, made from the same data, recipe and code, are not done again.

    Raises BadInput for a name that params.yaml does not have.
    """
    compared.check_names(params, model=model, tasks=tasks, recipes=recipes)
    # torch takes seconds to import: a wrong name has been told by then.
    from mtf.learn import data, inputs, runs, trial

    splits = data.with_combined(tables.read(tables.splits(params), workspace.table("split", "splits")), params.tasks)
    pictures = inputs.prepare(
        splits, workspace.shards("crop"), workspace.stage("inputs"), size_px=params.train.input_px
    )
    kept = runs.Runs(workspace.metrics(NAME))
    found: dict[str, dict[str, Any]] = {task: {} for task in tasks}
    for task in tasks:
        matter = _matter(workspace, params, splits, pictures, task)
        for recipe in recipes:
            trials = compared.trials(workspace, params, model=model, recipe=recipe, seeds=seeds)
            trained = compared.trained(kept, trials, matter, name=f"{model}/{task}/{recipe}")
            found[task][recipe] = trial.over_seeds(trained, "test")
    images = {split: splits.filter(split=split).height for split in tables.SPLITS}
    summary = {"model": model, "seeds": seeds, "images": images, "tasks": found}
    kept.conclude(summary)
    figures.declare(workspace, compared.FOLDER)
    return summary


def _matter(workspace: Workspace, params: Params, splits: pl.DataFrame, pictures: np.ndarray, task: str) -> Matter:
    from mtf.learn import data, trial

    labels = data.labels_of(params.tasks[task], splits)
    column = params.tasks[task].column
    training, validation, test = (
        data.Examples.of_split(pictures, splits, split, column=column, labels=labels) for split in tables.SPLITS
    )
    digest = compared.digest_of_faces(splits, ["split", column], workspace.shards("crop"))
    return trial.Matter(task, labels, training, validation, {"test": test}, digest)
