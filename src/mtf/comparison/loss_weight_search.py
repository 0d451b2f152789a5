"""Brute-force search of fixed weights of the tasks' losses on the validation part (Das et al., section 3.1).

"First, we find the summed weight for the each classification task by brute-force search on the validation set." The
paper states neither the grid nor its outcome.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mtf.comparison import setup
from mtf.config import MultiTask, Params, Recipe
from mtf.core.errors import BadInput, bad_value
from mtf.core.hashing import file_digest, fingerprint
from mtf.core.project_paths import ProjectPaths
from mtf.evaluation import figure_files

if TYPE_CHECKING:
    from mtf.training.data import Examples

NAME = f"{setup.FOLDER}/weights"
DIGITS = 4
MAX_CELLS = 1000


def grid(tasks: int, parts: int) -> Iterator[tuple[float, ...]]:
    """Positive weights that are multiples of 1 / `parts` and sum to 1: (tasks,), in order of the first, then next.

    There are binomial(parts - 1, tasks - 1) of them.
    """
    for cuts in combinations(range(1, parts), tasks - 1):
        ends = (0, *cuts, parts)
        yield tuple((ends[task + 1] - ends[task]) / parts for task in range(tasks))


def run(workspace: ProjectPaths, params: Params, *, parts: int, epochs: int | None = None) -> dict[str, Any]:
    """Train the multi-task network of params.yaml once for each cell of the grid; measure it on the validation part.

    The best weights have the highest mean accuracy of the tasks; of equals, the first. Writes
    metrics/compare/weights.json and returns it without the single runs: `{"parts", "epochs", "tasks", "best": {task:
    weight}, "grid": [{"weights": {task: weight}, "accuracy": {task: share}, "mean": share}]}`. Cells with the same
    data, parameters and code that are in the file are not trained again. The test part is not looked at.

    Raises BadInput without the section multitask, and for fewer parts than tasks or too many cells.
    """
    section = params.multitask
    if section is None:
        raise BadInput("params.yaml: multitask: missing; it names the tasks, the backbone and the weightings")
    cells = _cells(section, parts)
    recipe = params.train.recipes[section.recipe]
    if epochs is not None:
        recipe = recipe.model_copy(update={"max_epochs": epochs})
    # torch takes seconds to import: wrong parameters are reported before.
    from mtf.comparison import run_figures
    from mtf.training import data, input_cache, split_pictures

    splits, pictures = split_pictures.read(workspace, params)
    labels = {task: data.labels_of(params.tasks[task], splits) for task in section.tasks}
    training, validation = (
        data.Examples.of_tasks(pictures, splits, split, tasks=params.tasks, labels=labels) for split in ("train", "val")
    )
    columns = [params.tasks[task].column for task in labels]
    local = workspace.root / section.weights if section.weights else None
    seen = fingerprint(
        *(section.backbone, section.branches, labels, recipe, params.seed, params.train.input_px),
        *(params.compute.devices, file_digest(local) if local is not None and local.is_file() else None),
        input_cache.digest_of_faces(
            splits, ["split", *columns], workspace.shards("crop"), alignment=params.train.alignment
        ),
        code=[__name__],
    )
    store = run_figures.RunStore(workspace.metrics(NAME))
    rows = []
    for number, weights in enumerate(cells, start=1):
        name, digest = "-".join(f"{weight:.4f}" for weight in weights), fingerprint(seen, list(weights))
        state = "kept from before" if store.has(name, digest) else "training"
        print(f"compare weights {number} of {len(cells)}, {name}: {state}", file=sys.stderr)
        make = partial(_run, params, section, recipe, labels, training, validation, weights, local)
        found = store.get_or_run(name, digest, make)
        rows.append({key: found[key] for key in ("weights", "accuracy", "mean")})
    best = max(rows, key=lambda row: row["mean"])
    summary = {
        "parts": parts,
        "epochs": recipe.max_epochs,
        "tasks": [*labels],
        "best": best["weights"],
        "grid": rows,
    }
    store.write_summary(summary)
    figure_files.declare_figures(workspace, NAME, {"best_validation_accuracy": best["mean"]})
    return summary


def _cells(section: MultiTask, parts: int) -> list[tuple[float, ...]]:
    tasks = len(section.tasks)
    if parts < tasks:
        raise bad_value("--parts", parts, f"{tasks} or more: each of the {tasks} tasks has a part of the weight")
    cells = []
    for weights in grid(tasks, parts):
        cells.append(weights)
        if len(cells) > MAX_CELLS:
            raise bad_value("--parts", parts, f"less: more than {MAX_CELLS} trainings for {tasks} tasks")
    return cells


def _run(
    params: Params,
    section: MultiTask,
    recipe: Recipe,
    labels: Mapping[str, list[str]],
    training: Examples,
    validation: Examples,
    weights: Sequence[float],
    local: Path | None,
) -> dict[str, Any]:
    """Train once with fixed weights; accuracy of each task on the validation part, after the best epoch."""
    from mtf.training import devices, first_weights, multitask, trainer
    from mtf.training import recipe as recipes
    from mtf.training.networks import registry

    network = multitask.start(
        section.backbone,
        {task: len(names) for task, names in labels.items()},
        input_px=params.train.input_px,
        seed=params.seed,
        weights=local,
        branches=section.branches,
    )
    with tempfile.TemporaryDirectory(prefix="mtf-weights-") as folder:
        trainer.fit_multitask(
            network,
            first_weights.Fixed(weights),
            training,
            validation,
            recipe=recipe,
            batch=recipes.batch_of(recipe, registry.network_of(section.backbone)),
            seed=params.seed,
            curves=Path(folder) / "curves",
            devices=devices.local_devices(params.compute.devices),
        )
    found = multitask.probabilities(network, validation.pictures, rows=validation.rows, normalise=recipe.normalise)
    accuracy = {
        task: round(float((found[task].argmax(axis=1) == validation.targets[:, number]).mean()), DIGITS)
        for number, task in enumerate(labels)
    }
    return {
        "weights": dict(zip(labels, weights, strict=True)),
        "accuracy": accuracy,
        "mean": round(float(np.mean([*accuracy.values()])), DIGITS),
    }
