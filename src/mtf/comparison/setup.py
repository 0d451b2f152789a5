"""Shared steps of comparisons: checks of names, and the runs of a recipe."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mtf.config import MODELS, Params
from mtf.core.errors import bad_value, listed
from mtf.core.project_paths import ProjectPaths

if TYPE_CHECKING:
    from mtf.comparison.run_figures import RunStore
    from mtf.comparison.trials import ComparisonData, ComparisonRun


# Folder of metrics/ with the figures of comparisons.
FOLDER = "compare"


def check_names(
    params: Params, *, model: str, tasks: Sequence[str], recipes: Sequence[str], recipe_option: str = "--recipe"
) -> None:
    """Check names from the command line. Raises BadInput for one that params.yaml does not have."""
    if model not in MODELS:
        raise bad_value("--model", model, ", ".join(MODELS))
    for option, names, permitted in (("--task", tasks, params.tasks), (recipe_option, recipes, params.train.recipes)):
        for name in names:
            if name not in permitted:
                raise bad_value(option, name, f"of params.yaml: {listed(permitted, 20)}")


def comparison_runs(
    workspace: ProjectPaths, params: Params, *, model: str, recipe: str, seeds: int
) -> list[ComparisonRun]:
    """Runs of `model` with `recipe`, one per seed, from params.yaml's seed on."""
    from mtf.comparison.trials import ComparisonRun

    local = params.train.weights.get(model)
    return [
        ComparisonRun(
            model=model,
            recipe_name=recipe,
            recipe=params.train.recipes[recipe],
            seed=params.seed + number,
            input_px=params.train.input_px,
            weights=workspace.root / local if local else None,
            device_count=params.compute.devices,
        )
        for number in range(seeds)
    ]


def run_all(
    store: RunStore,
    runs: Sequence[ComparisonRun],
    comparison_data: ComparisonData,
    *,
    name: str,
    first_model: Path | None = None,
) -> list[dict[str, Any]]:
    """Figures of each run on `comparison_data`, from `store` if they are there with the same digest.

    `first_model`: file that keeps the network of the first run; if it is missing, that run is done again.
    """
    figures = []
    for run in runs:
        full_name, digest = f"{name}/{run.seed}", run.digest(comparison_data)
        model = first_model if run is runs[0] else None
        is_complete = model is None or model.is_file()
        is_kept = is_complete and store.has(full_name, digest)
        # To stderr, as the table on stdout may be redirected to a file.
        print(f"compare {full_name}: {'kept from before' if is_kept else 'training'}", file=sys.stderr)
        make = partial(run.run, comparison_data, keep=model)
        figures.append(store.get_or_run(full_name, digest, make, is_complete=is_complete))
    return figures
