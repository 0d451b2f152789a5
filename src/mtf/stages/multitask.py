"""Train one network for several tasks at once; `multitask_results` measures it (Das et al., Tables and Figures)."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import polars as pl

from mtf import atomic, tables
from mtf.errors import BadInput, bad_value
from mtf.params import PRETRAINED, MultiTask, Params
from mtf.workspace import Workspace

if TYPE_CHECKING:
    import numpy as np

    from mtf.learn.data import Examples
    from mtf.learn.multitask import MultiTaskNetwork


# What the network is and how it was trained, for those who measure it.
TRAINING = "training.json"


def run(workspace: Workspace, params: Params, *, weighting: str) -> None:
    """Writes build/multitask/WEIGHTING/{model.pt,predictions.parquet,training.json} and curves under plots/multitask.

    Raises BadInput for a weighting that params.yaml does not name.
    """
    wanted = checked(params, weighting)
    from mtf.learn import data, devices, inputs, model_card, models, multitask, recipes, train, weights
    from mtf.learn import weighting as weightings

    splits = data.with_combined(tables.read(tables.splits(params), workspace.table("split", "splits")), params.tasks)
    labels = labels_of(params, splits)
    pictures = inputs.prepare(
        splits, workspace.shards("crop"), workspace.stage("inputs"), size_px=params.train.input_px
    )
    examples = {split: _examples(params, splits, pictures, split, labels) for split in tables.SPLITS}
    recipe = params.train.recipes[wanted.recipe]
    local = workspace.root / wanted.weights if wanted.weights else None
    network = multitask.start(
        wanted.backbone,
        {task: len(names) for task, names in labels.items()},
        input_px=params.train.input_px,
        seed=params.seed,
        weights=local,
    )
    begun = local is not None or wanted.backbone.endswith(PRETRAINED)
    origin = asdict(weights.origin(models.network_of(wanted.backbone), local)) if begun else {}
    if recipe.frozen_share and not begun:
        print(
            f"multitask {weighting}: recipe {wanted.recipe} freezes the first layers of {wanted.backbone}, which has "
            "no weights to keep: they stay as they were drawn at random; name a file under multitask.weights"
        )
    fitted = train.fit_multitask(
        network,
        weightings.build(weighting, len(labels), width=network.width, seed=params.seed),
        examples["train"],
        examples["val"],
        recipe=recipe,
        batch=recipes.batch_of(recipe, models.network_of(wanted.backbone)),
        seed=params.seed,
        curves=workspace.plots("multitask") / weighting / "curves",
        devices=devices.here(params.compute.devices),
    )
    _save(workspace, params, network, labels, weighting=weighting, origin=origin)
    predictions = _predict(params, splits, network, examples["test"], labels, weighting=weighting)
    tables.write(tables.PREDICTIONS, predictions, workspace.table(f"multitask/{weighting}", "predictions"))
    about = model_card.About(
        network=f"{wanted.backbone} for several tasks, weighed by {weighting}",
        tasks=labels,
        input_px=params.train.input_px,
        recipe=wanted.recipe,
        settings=model_card.settings(recipe),
        seed=params.seed,
        best_epoch=fitted.best_epoch,
        epochs=fitted.epochs,
        **origin,
    )
    training: dict[str, Any] = {"about": asdict(about)}
    if fitted.busy_share is not None:
        training["accelerator_busy_share"] = fitted.busy_share
    atomic.write_json(workspace.stage("multitask") / weighting / TRAINING, training)
    print(
        f"multitask {weighting}: {len(examples['train'])} images, {len(labels)} tasks, {fitted.epochs} epochs, "
        f"best after {fitted.best_epoch}"
    )


def checked(params: Params, weighting: str) -> MultiTask:
    """The section `multitask`. Raises BadInput where it does not name `weighting`."""
    wanted = _wanted(params)
    if weighting not in wanted.weightings:
        known = ", ".join(wanted.weightings)
        raise bad_value("--weighting", weighting, f"params.yaml's multitask.weightings: {known}")
    return wanted


def _wanted(params: Params) -> MultiTask:
    if params.multitask is None:
        raise BadInput("params.yaml: multitask: missing; it names the tasks, the backbone and the weightings")
    return params.multitask


def labels_of(params: Params, splits: pl.DataFrame) -> dict[str, list[str]]:
    """Task → its labels, of the tasks that the shared network answers."""
    from mtf.learn import data

    return {task: data.labels_of(params.tasks[task], splits) for task in _wanted(params).tasks}


def _examples(
    params: Params, splits: pl.DataFrame, pictures: np.ndarray, split: str, labels: dict[str, list[str]]
) -> Examples:
    from mtf.learn import data

    parts = [
        data.Examples.of_split(pictures, splits, split, column=params.tasks[task].column, labels=names)
        for task, names in labels.items()
    ]
    return parts[0].for_tasks(parts)


def _save(
    workspace: Workspace,
    params: Params,
    network: MultiTaskNetwork,
    labels: dict[str, list[str]],
    *,
    weighting: str,
    origin: dict[str, str],
) -> None:
    from mtf.learn import saved

    card = {
        "backbone": _wanted(params).backbone,
        "weighting": weighting,
        "labels": labels,
        "input_px": params.train.input_px,
        "normalise": params.train.recipes[_wanted(params).recipe].normalise,
        "recipe": _wanted(params).recipe,
        "seed": params.seed,
        **origin,
    }
    saved.write(workspace.stage("multitask") / weighting / "model.pt", network, card)


def _predict(
    params: Params,
    splits: pl.DataFrame,
    network: MultiTaskNetwork,
    test: Examples,
    labels: dict[str, list[str]],
    *,
    weighting: str,
) -> pl.DataFrame:
    from mtf.learn import multitask

    normalise = params.train.recipes[_wanted(params).recipe].normalise
    probabilities = multitask.probabilities(network, test.pictures, rows=test.rows, normalise=normalise)
    parts = []
    for number, (task, names) in enumerate(labels.items()):
        series = pl.Series(names)
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
    return pl.concat(parts)
