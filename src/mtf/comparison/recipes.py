"""Comparison of recipes on the same split and from the same seeds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from mtf import schemas
from mtf.comparison import setup
from mtf.config import Params
from mtf.core.project_paths import ProjectPaths
from mtf.evaluation import figure_files

if TYPE_CHECKING:
    from mtf.comparison.trials import ComparisonData

NAME = f"{setup.FOLDER}/recipes"


def run(
    workspace: ProjectPaths, params: Params, *, model: str, tasks: Sequence[str], recipes: Sequence[str], seeds: int
) -> dict[str, Any]:
    """Train `model` on each task with each recipe from `seeds` seeds, the first being params.yaml's, and test it.

    Writes metrics/compare/recipes.json; returns it without the single runs: `{"model", "seeds", "images": {split: int},
    "tasks": {task: {recipe: {figure: {"mean", "std"}}}}}`. Runs with the same data, recipe and code that are in
    the file are not repeated.

    Raises BadInput for a name that params.yaml does not have.
    """
    setup.check_names(params, model=model, tasks=tasks, recipes=recipes, recipe_option="--recipes")
    # torch takes seconds to import: wrong names are reported before.
    from mtf.comparison import run_figures, trials
    from mtf.training import split_pictures

    splits, pictures = split_pictures.read(workspace, params)
    store = run_figures.RunStore(workspace.metrics(NAME))
    found: dict[str, dict[str, Any]] = {task: {} for task in tasks}
    for task in tasks:
        comparison_data = _comparison_data(workspace, params, splits, pictures, task)
        for recipe in recipes:
            runs_of_recipe = setup.comparison_runs(workspace, params, model=model, recipe=recipe, seeds=seeds)
            finished = setup.run_all(store, runs_of_recipe, comparison_data, name=f"{model}/{task}/{recipe}")
            found[task][recipe] = trials.mean_over_seeds(finished, "test")
    images = {split: splits.filter(split=split).height for split in schemas.SPLITS}
    summary = {"model": model, "seeds": seeds, "images": images, "tasks": found}
    store.write_summary(summary)
    accuracies = {recipe: np.mean([found[task][recipe]["accuracy"]["mean"] for task in tasks]) for recipe in recipes}
    headline = {f"recipe_{recipe}": round(float(accuracy), 4) for recipe, accuracy in accuracies.items()}
    figure_files.declare_figures(workspace, NAME, headline)
    return summary


def _comparison_data(
    workspace: ProjectPaths, params: Params, splits: pl.DataFrame, pictures: np.ndarray, task: str
) -> ComparisonData:
    from mtf.comparison import trials
    from mtf.training import data, input_cache

    labels = data.labels_of(params.tasks[task], splits)
    column = params.tasks[task].column
    training, validation, test = (
        data.Examples.of_split(pictures, splits, split, column=column, labels=labels) for split in schemas.SPLITS
    )
    digest = input_cache.digest_of_faces(
        splits, ["split", column], workspace.shards("crop"), alignment=params.train.alignment
    )
    return trials.ComparisonData(task, labels, training, validation, {"test": test}, digest)
