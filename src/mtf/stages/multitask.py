"""Train one network for several tasks at once, and measure it (Das et al., Tables 1 to 5, Figures 2 to 5)."""

from __future__ import annotations

import json
from pathlib import Path
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


def run(workspace: Workspace, params: Params, *, weighting: str) -> None:
    """Writes build/multitask/WEIGHTING/{model.pt,predictions.parquet}, metrics/multitask/WEIGHTING.json and plots.

    Raises BadInput for a weighting that params.yaml does not name.
    """
    wanted = _wanted(params)
    if weighting not in wanted.weightings:
        known = ", ".join(wanted.weightings)
        raise bad_value("--weighting", weighting, f"params.yaml's multitask.weightings: {known}")
    from mtf.learn import data, devices, inputs, models, multitask, recipes, train
    from mtf.learn import weighting as weightings

    splits = data.with_combined(tables.read(tables.splits(params), workspace.table("split", "splits")), params.tasks)
    labels = _labels(params, splits)
    pictures = inputs.prepare(
        splits, workspace.shards("crop"), workspace.stage("inputs"), size_px=params.train.input_px
    )
    examples = {split: _examples(params, splits, pictures, split, labels) for split in tables.SPLITS}
    recipe = params.train.recipes[wanted.recipe]
    network = multitask.start(
        wanted.backbone,
        {task: len(names) for task, names in labels.items()},
        input_px=params.train.input_px,
        seed=params.seed,
        weights=workspace.root / wanted.weights if wanted.weights else None,
    )
    if recipe.frozen_share and not (wanted.weights or wanted.backbone.endswith(PRETRAINED)):
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
    _save(workspace, params, network, labels, weighting=weighting)
    predictions = _predict(params, splits, network, examples["test"], labels, weighting=weighting)
    tables.write(tables.PREDICTIONS, predictions, workspace.stage("multitask") / weighting / "predictions.parquet")
    _report(workspace, params, splits, predictions, labels, weighting=weighting, epochs=fitted.best_epoch)


def _wanted(params: Params) -> MultiTask:
    if params.multitask is None:
        raise BadInput("params.yaml: multitask: missing; it names the tasks, the backbone and the weightings")
    return params.multitask


def _labels(params: Params, splits: pl.DataFrame) -> dict[str, list[str]]:
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
    workspace: Workspace, params: Params, network: MultiTaskNetwork, labels: dict[str, list[str]], *, weighting: str
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
    chances = multitask.probabilities(network, test.pictures[test.rows], normalise=normalise)
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
                predicted=series[chances[task].argmax(axis=1)],
                confidence=pl.Series(chances[task].max(axis=1).clip(0, 1), dtype=pl.Float32),
            )
        )
    return pl.concat(parts)


def _report(
    workspace: Workspace,
    params: Params,
    splits: pl.DataFrame,
    predictions: pl.DataFrame,
    labels: dict[str, list[str]],
    *,
    weighting: str,
    epochs: int,
) -> None:
    """Figures, the same by group, and confusion matrices at every intersection."""
    from mtf.learn import fairness, intersections

    own = {task: params.tasks[task].columns for task in labels}
    attributes = {column: task.labels for column, task in params.attributes.items()}
    wide = predictions.join(splits.select("identity", "face_id", *attributes), on=["identity", "face_id"])
    figures: dict[str, Any] = {
        "best_epoch": epochs,
        "accuracy": intersections.accuracies(predictions),
        "by_group": intersections.by_attribute(wide, own, attributes, seed=params.seed),
    }
    atomic.write_json(workspace.metrics(f"multitask/{weighting}"), figures)
    folder = workspace.plots("multitask") / weighting
    by_task = {}
    for task, columns in own.items():
        part = wide.filter(task=task)
        by_task[task] = fairness.report(part, attributes, seed=params.seed, **params.fairness.model_dump())
        atomic.write_text(folder / "fairness" / f"{task}.csv", fairness.table(by_task[task]).write_csv())
        others = {name: names for name, names in attributes.items() if name not in columns}
        _draw(folder / "confusion" / task, intersections.confusions(part, labels[task], others))
    atomic.write_json(workspace.metrics(f"fairness/multitask/{weighting}"), by_task)
    jointly = intersections.jointly(predictions, labels)
    if jointly is None:
        print(f"multitask {weighting}: the tasks' labels combine to too many for one matrix of all of them")
    else:
        _draw(folder / "confusion" / intersections.ALL, jointly)
    shown = "  ".join(f"{task} {value:.3f}" for task, value in figures["accuracy"].items())
    print(f"multitask {weighting}: best after epoch {epochs}; accuracy {shown}")


def _draw(path: Path, matrices: dict[str, Any]) -> None:
    """PATH.json, on few lines for all its numbers, and PATH.png."""
    from mtf.learn import matrices as drawn

    atomic.write_text(path.with_name(f"{path.name}.json"), json.dumps(matrices, ensure_ascii=False) + "\n")
    picture = drawn.picture(matrices, title=path.name)
    if picture is None:
        print(f"multitask: {path.name} has too many labels for a picture of its matrices; {path.name}.json has them")
    else:
        atomic.write_bytes(path.with_name(f"{path.name}.png"), picture)
