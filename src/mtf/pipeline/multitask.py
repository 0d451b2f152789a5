"""Stage multitask: training of one network for several tasks (Das et al.); `multitask_results` evaluates it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING

import polars as pl

from mtf import schemas
from mtf.config import PRETRAINED, MultiTask, Params
from mtf.core import atomic_files, torchrun
from mtf.core.errors import BadInput, bad_value
from mtf.core.project_paths import ProjectPaths
from mtf.pipeline import training_minutes

if TYPE_CHECKING:
    from mtf.training.data import Examples
    from mtf.training.multitask import MultiTaskNetwork


# Details of the network and its training, for `multitask_results`.
TRAINING = "training.json"


def run(workspace: ProjectPaths, params: Params, *, weighting: str) -> None:
    """Train the multi-task network with `weighting`. Writes model.pt, predictions.parquet, probabilities.parquet and
    training.json in build/multitask/WEIGHTING, and curves under plots/multitask. A training that was killed continues
    after its last epoch. Of the processes that torchrun started, only the first writes.

    Raises BadInput for a weighting that params.yaml does not name.
    """
    section = checked(params, weighting)
    from mtf.evaluation import model_card
    from mtf.training import (
        data,
        devices,
        first_weights,
        input_cache,
        multitask,
        pretrained,
        resumption,
        split_pictures,
        trainer,
    )
    from mtf.training import loss_weighting as weightings
    from mtf.training import recipe as recipes
    from mtf.training.networks import registry

    splits, pictures = split_pictures.read(workspace, params)
    labels = labels_of(params, splits)
    examples = {
        split: data.Examples.of_tasks(pictures, splits, split, tasks=params.tasks, labels=labels)
        for split in schemas.SPLITS
    }
    recipe = params.train.recipes[section.recipe]
    local = workspace.root / section.weights if section.weights else None
    network = multitask.start(
        section.backbone,
        {task: len(names) for task, names in labels.items()},
        input_px=params.train.input_px,
        seed=params.seed,
        weights=local,
        branches=section.branches,
    )
    is_pretrained = local is not None or section.backbone.endswith(PRETRAINED)
    origin = asdict(pretrained.origin(registry.network_of(section.backbone), local)) if is_pretrained else {}
    if recipe.frozen_share and not is_pretrained:
        print(
            f"multitask {weighting}: recipe {section.recipe} freezes the first layers of {section.backbone}, which has "
            "no pretrained weights: these layers keep their random weights; name a file under multitask.weights"
        )
    columns = [params.tasks[task].column for task in labels]
    together = devices.devices_of(params.compute.devices)
    unfinished = resumption.of_stage(
        workspace,
        *("multitask", weighting),
        inputs=[
            *(section.backbone, labels, recipe, params.seed, params.train.input_px, together.count, origin),
            *(section.branches, section.first_weights),
            input_cache.digest_of_faces(
                splits, ["split", *columns], workspace.shards("crop"), alignment=params.train.alignment
            ),
        ],
    )
    started = time.monotonic()
    fitted = trainer.fit_multitask(
        network,
        first_weights.begin_at(
            weightings.build(weighting, len(labels), width=network.width, seed=params.seed),
            in_order(section.first_weights, labels),
        ),
        examples["train"],
        examples["val"],
        recipe=recipe,
        batch=recipes.batch_of(recipe, registry.network_of(section.backbone)),
        seed=params.seed,
        curves=workspace.plots("multitask") / weighting / "curves",
        devices=together,
        unfinished=unfinished,
    )
    minutes = (time.monotonic() - started) / 60
    if not torchrun.is_first():
        print(f"multitask {weighting}: trained; the results are on node 0")
        return
    _save(workspace, params, network, labels, weighting=weighting, origin=origin)
    predictions, probabilities = _predict(params, splits, network, examples["test"], labels, weighting=weighting)
    schemas.write(schemas.PREDICTIONS, predictions, workspace.table(f"multitask/{weighting}", "predictions"))
    schemas.write(schemas.PROBABILITIES, probabilities, workspace.table(f"multitask/{weighting}", "probabilities"))
    about = model_card.ModelDetails(
        network=f"{section.backbone} for several tasks, weighting {weighting}",
        tasks=labels,
        input_px=params.train.input_px,
        recipe=section.recipe,
        settings=model_card.settings(recipe),
        seed=params.seed,
        best_epoch=fitted.best_epoch,
        epochs=fitted.epochs,
        **origin,
    )
    atomic_files.write_json(workspace.stage("multitask") / weighting / TRAINING, {"about": asdict(about)})
    training_minutes.write(workspace, "multitask", weighting, minutes=minutes, gpu_utilization=fitted.gpu_utilization)
    unfinished.remove()
    print(
        f"multitask {weighting}: {len(examples['train'])} images, {len(labels)} tasks, {fitted.epochs} epochs, "
        f"best after {fitted.best_epoch}"
    )


def in_order(weights: Mapping[str, float] | None, tasks: Iterable[str]) -> dict[str, float] | None:
    """Weights of tasks in the order of `tasks`; None for None."""
    return None if weights is None else {task: weights[task] for task in tasks}


def checked(params: Params, weighting: str) -> MultiTask:
    """Section `multitask` of params.yaml. Raises BadInput if it is missing or does not name `weighting`."""
    section = _section(params)
    if weighting not in section.weightings:
        permitted = ", ".join(section.weightings)
        raise bad_value("--weighting", weighting, f"params.yaml's multitask.weightings: {permitted}")
    return section


def _section(params: Params) -> MultiTask:
    if params.multitask is None:
        raise BadInput("params.yaml: multitask: missing; it names the tasks, the backbone and the weightings")
    return params.multitask


def labels_of(params: Params, splits: pl.DataFrame) -> dict[str, list[str]]:
    """Task → its labels, for the tasks of the multi-task network."""
    from mtf.training import data

    return {task: data.labels_of(params.tasks[task], splits) for task in _section(params).tasks}


def _save(
    workspace: ProjectPaths,
    params: Params,
    network: MultiTaskNetwork,
    labels: dict[str, list[str]],
    *,
    weighting: str,
    origin: dict[str, str],
) -> None:
    from mtf.training import checkpoint

    card = {
        "backbone": _section(params).backbone,
        "weighting": weighting,
        "labels": labels,
        "input_px": params.train.input_px,
        "normalise": params.train.recipes[_section(params).recipe].normalise,
        "recipe": _section(params).recipe,
        "seed": params.seed,
        **origin,
        # A file with linear branches is that of the versions that knew no others.
        **({} if _section(params).branches == "linear" else {"branches": _section(params).branches}),
    }
    checkpoint.write(workspace.stage("multitask") / weighting / "model.pt", network, card)


def _predict(
    params: Params,
    splits: pl.DataFrame,
    network: MultiTaskNetwork,
    test: Examples,
    labels: dict[str, list[str]],
    *,
    weighting: str,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows of schemas.PREDICTIONS and schemas.PROBABILITIES of the test examples."""
    from mtf.training import multitask

    normalise = params.train.recipes[_section(params).recipe].normalise
    probabilities = multitask.probabilities(network, test.pictures, rows=test.rows, normalise=normalise)
    parts, given = [], []
    for number, (task, names) in enumerate(labels.items()):
        series = pl.Series(names)
        given.append(
            splits[test.rows].select(
                "identity",
                "face_id",
                task=pl.lit(task),
                probabilities=pl.Series(probabilities[task].tolist(), dtype=pl.List(pl.Float32)),
            )
        )
        parts.append(
            splits[test.rows].select(
                "identity",
                "face_id",
                task=pl.lit(task),
                model=pl.lit(f"multitask-{weighting}"),
                label=series[test.targets[:, number]],
                predicted=series[probabilities[task].argmax(axis=1)],
                confidence=pl.Series(probabilities[task].max(axis=1).clip(0, 1), dtype=pl.Float32),
            )
        )
    return pl.concat(parts), pl.concat(given)
