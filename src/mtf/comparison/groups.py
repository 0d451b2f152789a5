"""Figures by group over seeds: how much of a difference between groups is the chance of one training."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from typing import Any

from mtf.comparison import setup
from mtf.comparison.group_trials import GroupTrial, over_seeds
from mtf.comparison.run_figures import RunStore
from mtf.config import Params
from mtf.core.project_paths import ProjectPaths
from mtf.evaluation import figure_files

NAME = f"{setup.FOLDER}/groups"


def run(
    workspace: ProjectPaths, params: Params, *, model: str, tasks: Sequence[str], recipe: str, seeds: int
) -> dict[str, Any]:
    """Train `model` on each task from `seeds` seeds; mean and standard deviation of every figure by group.

    Writes metrics/compare/groups.json and returns it without the single runs: `{"model", "recipe", "seeds", "tasks":
    {task: figures of group_trials.over_seeds}}`. Runs with the same data, recipe and code that are in the file are not
    repeated. Raises BadInput for a name that params.yaml does not have.
    """
    store, found = RunStore(workspace.metrics(NAME)), {}
    for task in tasks:
        trial = GroupTrial.of(workspace, params, model=model, task=task, recipe=recipe)
        finished = []
        for number in range(seeds):
            seed = params.seed + number
            name, digest = f"{model}/{task}/{recipe}/{seed}", trial.digest(seed, code=[__name__])
            state = "kept from before" if store.has(name, digest) else "training"
            print(f"compare groups {name}: {state}", file=sys.stderr)
            finished.append(store.get_or_run(name, digest, partial(_run, trial, seed)))
        found[task] = over_seeds(finished)
    summary = {"model": model, "recipe": recipe, "seeds": seeds, "tasks": found}
    store.write_summary(summary)
    gaps = {
        f"gap_{task}_by_{attribute}": part["gap"]["mean"]
        for task, figures in found.items()
        for attribute, part in figures["by_group"].items()
        if "gap" in part
    }
    figure_files.declare_figures(workspace, NAME, gaps)
    return summary


def _run(trial: GroupTrial, seed: int) -> dict[str, Any]:
    probabilities = trial.probabilities(trial.fit(seed), "test")
    return trial.figures(probabilities.argmax(axis=1), probabilities)
