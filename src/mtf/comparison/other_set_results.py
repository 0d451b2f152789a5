"""Trained networks on another labelled set: figures with intervals, by group, and for all attributes together.

Das et al.'s Table 5 and Figures 2 to 5 are such figures: trained on UTKFace, tested on BEFA.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from mtf import schemas
from mtf.comparison.other_sets import FOLDER, OtherSet
from mtf.config import IDENTITY, Params
from mtf.core import atomic_files
from mtf.core.errors import BadInput, listed
from mtf.core.project_paths import ProjectPaths
from mtf.datasets import label_mapping
from mtf.datasets.label_mapping import ColumnMapping
from mtf.evaluation import confusion_files, fairness, figure_files, intersections, metrics
from mtf.evaluation.figure_files import ALL
from mtf.evaluation.groups import PERSON, Question
from mtf.evaluation.undetected_pictures import NO_ANSWER, NO_LABEL, counted_statement
from mtf.training import data, input_cache, trained_network
from mtf.training.trained_network import TrainedNetwork

KEY = ["person", "face_id"]
# Answers with a label that the set has no picture of.
OTHER_CATEGORY = "another category"


@dataclass(frozen=True)
class _Measured:
    """Set that the networks are measured on.

    other: the set.
    faces, undetected: with the labels of this project, and those of combined tasks; null where there is none.
    said: sentences on what is left out.
    """

    other: OtherSet
    faces: pl.DataFrame
    undetected: pl.DataFrame
    said: list[str]


def run(
    workspace: ProjectPaths,
    params: Params,
    other: OtherSet,
    mapping: Mapping[str, ColumnMapping],
    *,
    files: Sequence[Path] = (),
) -> dict[str, Any]:
    """Measure trained networks on `other`: those of params.yaml that exist, or those in `files`.

    Writes metrics/on/NAME.json, plots/on/NAME/NETWORK/confusion, and returns the figures: `{"set", "networks": {name:
    {"tasks": {task: figures}, "all", "categories"}}}`. The figures of a task are those of `metrics.scores` and
    `fairness.over_all`, and `by_group`, a `fairness.report`. `all` and `categories` are of networks for several tasks:
    a picture counts if the answer to each task is right; a category is a combination of all attributes, of labels that
    the set has pictures of.

    Pictures of this project's training or validation part are left out. A task is measured on the pictures that have a
    label of it.

    Raises BadInput if there is no network, if one has other labels than params.yaml, or if no picture has a label.
    """
    networks = dict(_networks(workspace, params, files))
    measured = _prepared(workspace, params, other, mapping)
    said, found = list(measured.said), {}
    for name, network in networks.items():
        tasks = {task: names for task, names in network.labels.items() if _is_asked(params, task, measured)}
        if skipped := [task for task in network.labels if task not in tasks]:
            said.append(f"{name}: not measured, since the other set has no labels of it: {listed(skipped)}")
        if tasks:
            found[name] = _figures(workspace, params, measured, name, network, tasks)
    if not found:
        raise BadInput(f"{other.name}: no network has a task that its labels can answer: {'; '.join(said)}")
    counted = params.evaluation.undetected
    about = {
        "name": other.name,
        "pictures": measured.faces.height,
        "people": other.faces["person"].n_unique() if other.has_people else None,
        "undetected": measured.undetected.height,
        "counted_as": counted,
        "statement": counted_statement(
            measured.faces.height + measured.undetected.height, measured.undetected.height, counted
        ),
        "left_out": list(dict.fromkeys(said)),
    }
    written = {"set": about, "networks": found}
    atomic_files.write_json(workspace.metrics(f"{FOLDER}/{other.name}"), written)
    figure_files.declare_figures(workspace, f"{FOLDER}/{other.name}", _headline(found))
    return written


def _networks(workspace: ProjectPaths, params: Params, files: Sequence[Path]) -> Iterator[tuple[str, TrainedNetwork]]:
    """Name → network, whose tasks have the labels of params.yaml."""
    if files:
        named = {f"{path.parent.name}/{path.name}" if path.name == "model.pt" else path.name: path for path in files}
    else:
        pairs = [(model, task) for model in params.train.models for task in params.train.tasks]
        named = {f"{model}/{task}": workspace.stage("models") / model / task / "model.pt" for model, task in pairs}
        for weighting in params.multitask.weightings if params.multitask else ():
            named[figure_files.model_of(weighting)] = workspace.stage("multitask") / weighting / "model.pt"
        named = {name: path for name, path in named.items() if path.is_file()}
    if not named:
        raise BadInput("no trained network here; `mtf train` or `mtf multitask` makes one, or name a file: --network")
    for name, path in named.items():
        network = trained_network.load(path)
        for task, labels in network.labels.items():
            own = params.tasks.get(task)
            if own is None or (own.column != IDENTITY and own.labels != labels):
                raise BadInput(
                    f"{workspace.relative(path)}: predicts {task}: {listed(labels)}; "
                    f"params.yaml's task {task} has other labels, or there is none: name them alike"
                )
        yield name, network


def _prepared(
    workspace: ProjectPaths, params: Params, other: OtherSet, mapping: Mapping[str, ColumnMapping]
) -> _Measured:
    attributes = {column: task.labels for column, task in params.attributes.items()}
    said = [*other.said, *label_mapping.statements(other.faces, mapping, attributes)]
    faces, undetected = (
        data.with_combined_columns(label_mapping.mapped(table, mapping, attributes), params.tasks)
        for table in (other.faces, other.undetected)
    )
    known = _learnt_from(workspace, params)
    seen = faces["image_id"].is_in(known.to_list())
    if seen.any():
        said.append(f"left out, learnt from in this project: {int(seen.sum()):,} pictures")
        faces = faces.filter(~seen)
    if faces.is_empty():
        raise BadInput(f"{other.name}: each of its pictures is one that this project learnt from")
    return _Measured(other, faces, undetected, said)


def _learnt_from(workspace: ProjectPaths, params: Params) -> pl.Series:
    path = workspace.table("split", "splits")
    if not path.is_file():
        return pl.Series("image_id", [], pl.String)
    return schemas.read(schemas.splits(params), path).filter(pl.col("split") != "test")["image_id"]


def _is_asked(params: Params, task: str, measured: _Measured) -> bool:
    """True if a picture has a label of the task. Nobody of another set is among the people that a network knows."""
    column = params.tasks[task].column
    return column != IDENTITY and measured.faces[column].null_count() < measured.faces.height


def _figures(
    workspace: ProjectPaths,
    params: Params,
    measured: _Measured,
    name: str,
    network: TrainedNetwork,
    tasks: Mapping[str, list[str]],
) -> dict[str, Any]:
    pictures = input_cache.prepare(
        measured.faces,
        measured.other.crops,
        workspace.stage(FOLDER) / measured.other.name / "inputs",
        size_px=network.input_px,
        alignment=params.train.alignment,
    )
    probabilities = network.probabilities(pictures)
    attributes = {column: task.labels for column, task in params.attributes.items()}
    answers = {task: _answers(params, measured, task, labels, probabilities[task]) for task, labels in tasks.items()}
    found: dict[str, Any] = {"tasks": {}}
    for task, (predictions, known) in answers.items():
        by_person = predictions if measured.other.has_people else predictions.drop(PERSON)
        question = Question(tasks[task], ordered=bool(params.tasks[task].years), probabilities=known)
        found["tasks"][task] = (
            _scores(predictions, tasks[task])
            | fairness.over_all(by_person, settings=params.fairness)
            | {
                "by_group": fairness.report(
                    by_person, attributes, seed=params.seed, settings=params.fairness, question=question
                )
            }
        )
    predictions = pl.concat([rows for rows, _ in answers.values()])
    if len(tasks) > 1:
        found |= _together(params, measured, predictions, tasks, attributes)
    _draw(workspace, params, measured.other.name, name, predictions, tasks, attributes)
    return found


def _answers(
    params: Params, measured: _Measured, task: str, labels: list[str], probabilities: np.ndarray
) -> tuple[pl.DataFrame, np.ndarray]:
    """Predictions of the pictures that have a label of the task, and their probabilities (n, labels).

    Pictures without a detected face follow, if they count as errors; their probabilities are NaN.
    """
    column = params.tasks[task].column
    has_label = measured.faces[column].is_not_null().to_numpy()
    own, names = probabilities[has_label], pl.Series(labels)
    answer = {"task": pl.lit(task), "label": pl.col(column)}
    faces = measured.faces.filter(has_label).with_columns(
        **answer,
        predicted=names[own.argmax(axis=1)],
        confidence=pl.Series(own.max(axis=1).clip(0, 1), dtype=pl.Float32),
    )
    errors = measured.undetected.clear() if params.evaluation.undetected != "error" else measured.undetected
    missed = errors.filter(pl.col(column).is_not_null()).with_columns(
        **answer, predicted=pl.lit(NO_ANSWER), confidence=pl.lit(0.0, pl.Float32)
    )
    columns = ["person", "face_id", "task", "label", "predicted", "confidence", *params.attributes]
    rows = pl.concat([faces.select(columns), missed.select(columns)]).rename({"person": PERSON})
    return rows, np.vstack([own, np.full((missed.height, len(labels)), np.nan)])


def _scores(predictions: pl.DataFrame, labels: list[str]) -> dict[str, float]:
    numbers = {label: number for number, label in enumerate(labels)}
    targets, predicted = (
        predictions[column].replace_strict(numbers, default=NO_LABEL, return_dtype=pl.Int64).to_numpy()
        for column in ("label", "predicted")
    )
    return metrics.scores(targets, predicted)


def _together(
    params: Params,
    measured: _Measured,
    predictions: pl.DataFrame,
    tasks: Mapping[str, list[str]],
    attributes: Mapping[str, list[str]],
) -> dict[str, Any]:
    """Figures of all tasks at once, over the pictures that have a label of each."""
    whole = predictions.filter(pl.len().over("identity", "face_id") == len(tasks))
    if whole.is_empty():
        return {}
    once = intersections.together(whole, [PERSON], also=list(attributes))
    by_person = once if measured.other.has_people else once.drop(PERSON)
    there = {name: set(once[name]) for name in attributes}
    # A label without a picture, as UTKFace's `Others` on BEFA, makes no category.
    occurring = {
        name: found
        for name, names in attributes.items()
        if (found := [label for label in names if label in there[name]])
    }
    return {
        ALL: fairness.over_all(by_person, settings=params.fairness),
        "categories": fairness.by_group(by_person, occurring, seed=params.seed, settings=params.fairness),
    }


def _draw(
    workspace: ProjectPaths,
    params: Params,
    set_name: str,
    name: str,
    predictions: pl.DataFrame,
    tasks: Mapping[str, list[str]],
    attributes: Mapping[str, list[str]],
) -> None:
    """Write the confusion matrices of each task by intersection, and of all tasks at once (Das et al., Figures 2 to
    5).
    """
    folder = workspace.plots(FOLDER) / set_name / name / "confusion"
    answered = predictions.filter(pl.col("predicted") != NO_ANSWER)
    for task, labels in tasks.items():
        part = answered.filter(task=task)
        others = {
            column: [label for label in names if label in set(part[column])]
            for column, names in attributes.items()
            if column not in params.tasks[task].columns and part[column].null_count() < part.height
        }
        confusion_files.write(folder / task, intersections.confusions(part, labels, others))
    whole = answered.filter(pl.len().over("identity", "face_id") == len(tasks))
    if len(tasks) > 1 and not whole.is_empty() and (jointly := intersections.jointly(whole, tasks)):
        confusion_files.write(folder / ALL, _of_occurring(jointly, whole, tasks))


def _of_occurring(
    jointly: Mapping[str, Any], whole: pl.DataFrame, tasks: Mapping[str, Sequence[str]]
) -> dict[str, Any]:
    """Joint matrix of the categories whose labels the set has; answers with another label are one last column."""
    there = {task: set(whole.filter(task=task)["label"]) for task in tasks}
    possible = np.array(
        [
            all(label in there[task] for task, label in zip(tasks, each, strict=True))
            for each in product(*tasks.values())
        ]
    )
    [group] = jointly["groups"]
    matrix = np.array(group["matrix"])[possible]
    labels = [label for label, kept in zip(jointly["labels"], possible, strict=True) if kept]
    other = matrix[:, ~possible].sum(axis=1)
    matrix = matrix[:, possible]
    if other.any():
        labels, matrix = [*labels, OTHER_CATEGORY], np.pad(np.column_stack([matrix, other]), ((0, 1), (0, 0)))
    return {"labels": labels, "groups": [group | {"matrix": matrix.tolist()}]}


def _headline(found: Mapping[str, Any]) -> dict[str, float]:
    """Accuracy of each network on each task, and on all at once."""
    return {
        f"{name.replace('/', '_')}_{task}".replace(f"_{task}_{task}", f"_{task}"): figures["accuracy"]
        for name, each in found.items()
        for task, figures in (each["tasks"] | ({ALL: each[ALL]} if ALL in each else {})).items()
    }
