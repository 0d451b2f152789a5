"""Measure the trained models on the test split."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import polars as pl

from mtf import atomic, tables
from mtf.errors import BadInput
from mtf.params import Params
from mtf.workspace import Workspace

if TYPE_CHECKING:
    import numpy as np

    from mtf.learn.data import Examples


def run(workspace: Workspace, params: Params) -> None:
    """Writes metrics/evaluate.json, metrics/fairness/models/MODEL/TASK.json, build/evaluate/predictions.parquet, and
    plots: plots/confusion/MODEL/TASK.csv and plots/fairness/MODEL/TASK.csv.
    """
    from mtf.learn import data, inputs, metrics

    splits = data.with_combined(tables.read(tables.splits(params), workspace.table("split", "splits")), params.tasks)
    pictures = inputs.prepare(
        splits, workspace.shards("crop"), workspace.stage("inputs"), size_px=params.train.input_px
    )
    figures: dict[str, dict[str, dict[str, float]]] = {}
    predictions: list[pl.DataFrame] = []
    for task in params.train.tasks:
        labels = data.labels_of(params.tasks[task], splits)
        training, test = (
            data.Examples.of_split(pictures, splits, split, column=params.tasks[task].column, labels=labels)
            for split in ("train", "test")
        )
        figures[task] = {
            "random_guess": metrics.random_guess(test.targets, labels=len(labels), seed=params.seed),
            "majority": metrics.majority(test.targets, training.targets, labels=len(labels)),
        }
        for model in params.train.models:
            probabilities = _probabilities(workspace, test, model=model, task=task, labels=labels)
            predicted = probabilities.argmax(axis=1)
            figures[task][model] = metrics.scores(test.targets, predicted, labels=len(labels))
            predictions.append(_predictions(splits, test, probabilities, model=model, task=task, labels=labels))
            _write_confusion(workspace, predictions[-1], model=model, task=task)
        _print(task, figures[task], images=len(test))
    _write_fairness(workspace, params, splits, pl.concat(predictions))
    tables.write(tables.PREDICTIONS, pl.concat(predictions), workspace.table("evaluate", "predictions"))
    atomic.write_json(workspace.metrics("evaluate"), figures)


def _probabilities(workspace: Workspace, test: Examples, *, model: str, task: str, labels: list[str]) -> np.ndarray:
    """(test images, labels). Raises BadInput where the model was trained for other labels or another input."""
    from mtf.learn import saved

    path = workspace.stage("models") / model / task / "model.pt"
    network, card = saved.load(path)
    if card.labels != labels or card.input_px != test.pictures.shape[1]:
        raise BadInput(f"{workspace.relative(path)}: trained for other labels or another input size; train it again")
    return saved.probabilities(network, card, test.pictures[test.rows])


def _predictions(
    splits: pl.DataFrame, test: Examples, probabilities: np.ndarray, *, model: str, task: str, labels: list[str]
) -> pl.DataFrame:
    names = pl.Series(labels)
    return splits[test.rows].select(
        "identity",
        "face_id",
        task=pl.lit(task),
        model=pl.lit(model),
        label=names[test.targets],
        predicted=names[probabilities.argmax(axis=1)],
        confidence=pl.Series(probabilities.max(axis=1).clip(0, 1), dtype=pl.Float32),
    )


def _write_confusion(workspace: Workspace, predictions: pl.DataFrame, *, model: str, task: str) -> None:
    """One row per test image, as DVC's confusion template wants it."""
    rows = predictions.select(actual="label", predicted="predicted")
    atomic.write_text(workspace.plots("confusion") / model / f"{task}.csv", rows.write_csv())


def _write_fairness(workspace: Workspace, params: Params, splits: pl.DataFrame, predictions: pl.DataFrame) -> None:
    """One file for each model and task: figures by group, and the same to plot."""
    from mtf.learn import fairness

    folders = workspace.root / "metrics" / "fairness" / "models", workspace.plots("fairness")
    for folder in folders:
        # A model that is no longer trained must not be shown beside those that are.
        shutil.rmtree(folder, ignore_errors=True)
    attributes = {column: task.labels for column, task in params.attributes.items()}
    wide = predictions.join(splits.select("identity", "face_id", *attributes), on=["identity", "face_id"])
    for (model, task), part in wide.group_by("model", "task", maintain_order=True):
        found = fairness.report(part, attributes, seed=params.seed, **params.fairness.model_dump())
        atomic.write_json(workspace.metrics(f"fairness/models/{model}/{task}"), found)
        atomic.write_text(workspace.plots("fairness") / str(model) / f"{task}.csv", fairness.table(found).write_csv())


def _print(task: str, figures: dict[str, dict[str, float]], *, images: int) -> None:
    print(f"evaluate {task}: {images} test images")
    for name, row in figures.items():
        print(f"  {name:24} " + "  ".join(f"{figure} {value:.3f}" for figure, value in row.items()))
