"""Stage multitask_results: scores of a multi-task network, by group and by intersection, and its model card.

As in Das et al., Tables 1 to 5 and Figures 2 to 5. It is a separate stage, so that a changed minimum size of a group
does not rerun the training.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from mtf import schemas
from mtf.config import Params
from mtf.core import atomic_files, csv_files
from mtf.core.errors import BadInput
from mtf.core.project_paths import ProjectPaths
from mtf.evaluation.figure_files import ALL
from mtf.pipeline import multitask

if TYPE_CHECKING:
    import numpy as np

    from mtf.evaluation.groups import Question
    from mtf.evaluation.model_card import ModelDetails
    from mtf.evaluation.undetected_pictures import UndetectedPictures


@dataclass(frozen=True)
class Results:
    """Test results of a network.

    - `splits`: the splits table, with the columns of combined tasks;
    - `predictions`: rows of schemas.PREDICTIONS, of the test split;
    - `probabilities`: rows of schemas.PROBABILITIES, of the same faces;
    - `labels`: task → labels;
    - `weighting`: name of the weighting.
    """

    splits: pl.DataFrame
    predictions: pl.DataFrame
    probabilities: pl.DataFrame
    labels: dict[str, list[str]]
    weighting: str


def run(workspace: ProjectPaths, params: Params, *, weighting: str) -> None:
    """Evaluate the network that the stage `multitask` trained. Writes metrics/multitask/WEIGHTING.json,
    metrics/fairness/multitask/WEIGHTING.json, build/multitask/WEIGHTING/card.md, and plots.

    Raises BadInput for a weighting that params.yaml does not name, or whose network does not exist.
    """
    multitask.checked(params, weighting)
    from mtf.evaluation.model_card import ModelDetails
    from mtf.training import split_pictures

    folder = workspace.stage("multitask") / weighting
    splits = split_pictures.read_splits(workspace, params)
    predictions = schemas.read(schemas.PREDICTIONS, workspace.table(f"multitask/{weighting}", "predictions"))
    probabilities = schemas.read(schemas.PROBABILITIES, workspace.table(f"multitask/{weighting}", "probabilities"))
    training = _training(workspace, folder / multitask.TRAINING)
    results = Results(splits, predictions, probabilities, multitask.labels_of(params, splits), weighting)
    _write(workspace, params, results, ModelDetails(**training["about"]))


def _training(workspace: ProjectPaths, path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        command = f"mtf multitask --weighting {path.parent.name}"
        raise BadInput(f"{workspace.relative(path)}: missing or not readable; `{command}` writes it") from None


def _write(workspace: ProjectPaths, params: Params, results: Results, about: ModelDetails) -> None:
    from mtf.datasets import labelled
    from mtf.evaluation import fairness, intersections, metrics, rate_reports
    from mtf.evaluation.groups import PERSON
    from mtf.evaluation.undetected_pictures import UndetectedPictures

    weighting = results.weighting
    attributes = {column: task.labels for column, task in params.attributes.items()}
    with_attributes = results.splits.select("identity", "face_id", *attributes)
    wide = results.predictions.join(with_attributes, on=["identity", "face_id"])
    own = {task: params.tasks[task].columns for task in results.labels}
    undetected = UndetectedPictures.read(workspace, params, results.splits)
    missed = [undetected.predictions(columns, task=task, model=wide["model"][0]) for task, columns in own.items()]
    counted = pl.concat([wide, *(rows.select(wide.columns) for rows in missed)])
    # Where nobody knows who is who, each picture counts as a person of its own.
    by_person = counted if labelled.identities_are_people(results.splits) else counted.drop(PERSON)
    parts = {str(name): part for (name,), part in by_person.group_by("task", maintain_order=True)}
    questions = {task: _question(params, results, task, pictures=part.height) for task, part in parts.items()}
    answers = {task: question.answers(parts[task]) for task, question in questions.items()}
    scores = {task: metrics.scores(each.targets, each.predicted) for task, each in answers.items()}
    figures: dict[str, Any] = {
        "best_epoch": about.best_epoch,
        "accuracy": intersections.accuracies(counted),
        "scores": scores,
        "over_all": {task: fairness.over_all(part, settings=params.fairness) for task, part in parts.items()}
        | {ALL: fairness.over_all(intersections.together(counted, by_person.columns), settings=params.fairness)},
        "by_group": intersections.by_attribute(by_person, own, attributes, seed=params.seed, settings=params.fairness),
    }
    atomic_files.write_json(workspace.metrics(f"multitask/{weighting}"), figures)
    atomic_files.write_json(workspace.headline(f"multitask/{weighting}"), {"accuracy": figures["accuracy"][ALL]})
    _write_curves(workspace, weighting)
    by_group = _write_fairness(workspace, params, parts, questions, weighting=weighting)
    _write_card(workspace, params, results, about, figures, by_group, undetected=undetected)
    _draw_confusions(workspace, results, wide, own, attributes)
    accuracies = "  ".join(f"{task} {value:.3f}" for task, value in figures["accuracy"].items())
    print(f"multitask {weighting}: best after epoch {about.best_epoch}; accuracy {accuracies}")
    print(f"  {undetected.statement}")
    for task, row in scores.items():
        print(f"  {task:24} " + "  ".join(f"{figure} {value:.3f}" for figure, value in row.items()))
    rate_reports.print_rates({(f"multitask {weighting}", task): report for task, report in by_group.items()})


def _write_curves(workspace: ProjectPaths, weighting: str) -> None:
    from mtf.evaluation import curves

    folder = workspace.plots("multitask") / weighting
    csv_files.write(folder / "loss.csv", curves.learning_curves(folder / "curves", f"multitask {weighting}"))
    csv_files.write(folder / "weights.csv", curves.loss_weights(folder / "curves"))


def _write_fairness(
    workspace: ProjectPaths,
    params: Params,
    parts: Mapping[str, pl.DataFrame],
    questions: Mapping[str, Question],
    *,
    weighting: str,
) -> dict[str, Any]:
    """Write the figures by group of each task, and return them; `parts`: task → its predictions."""
    from mtf.evaluation import fairness

    attributes = {column: task.labels for column, task in params.attributes.items()}
    found = {
        task: fairness.report(part, attributes, seed=params.seed, settings=params.fairness, question=questions[task])
        for task, part in parts.items()
    }
    groups = [fairness.table(report).select(pl.lit(task).alias("run"), pl.all()) for task, report in found.items()]
    csv_files.write(workspace.plots("multitask") / weighting / "groups.csv", pl.concat(groups))
    atomic_files.write_json(workspace.metrics(f"fairness/multitask/{weighting}"), found)
    return found


def _question(params: Params, results: Results, task: str, *, pictures: int) -> Question:
    from mtf.evaluation.groups import Question

    return Question(
        results.labels[task],
        ordered=bool(params.tasks[task].years),
        probabilities=_probabilities(results, task, pictures=pictures),
    )


def _probabilities(results: Results, task: str, *, pictures: int) -> np.ndarray:
    """Probabilities (pictures, labels), in the order of the predictions. Errors without a face follow, as NaN."""
    import numpy as np

    faces = results.predictions.filter(task=task).select("identity", "face_id")
    found = faces.join(results.probabilities.filter(task=task), on=["identity", "face_id"], maintain_order="left")
    known = np.array(found["probabilities"].to_list(), np.float64).reshape(len(faces), -1)
    return np.vstack([known, np.full((pictures - len(known), known.shape[1]), np.nan)])


def _write_card(
    workspace: ProjectPaths,
    params: Params,
    results: Results,
    about: ModelDetails,
    figures: Mapping[str, Any],
    by_group: dict[str, Any],
    *,
    undetected: UndetectedPictures,
) -> None:
    from mtf.evaluation import metrics, model_card, rate_reports
    from mtf.training import weights_in_use as weight_files

    measured = model_card.QuantitativeAnalysis(
        images=undetected.test_faces + undetected.errors.height,
        columns=metrics.FIGURES,
        rows={task: [row[figure] for figure in metrics.FIGURES] for task, row in figures["scores"].items()}
        | {"every task right": [figures["accuracy"][ALL], *[None] * (len(metrics.FIGURES) - 1)]},
        by_group=rate_reports.markdown(by_group, min_n=params.fairness.min_n),
        undetected=undetected.statement,
    )
    pictures = model_card.TrainingData.of(results.splits, workspace.table("split", "splits"))
    weights = weight_files.of_network(params, about.weights, about.weights_sha256, root=workspace.root)
    text = model_card.markdown(about, pictures, measured=measured, weights=weights)
    atomic_files.write_text(workspace.stage("multitask") / results.weighting / "card.md", text)


def _draw_confusions(
    workspace: ProjectPaths,
    results: Results,
    wide: pl.DataFrame,
    own: dict[str, list[str]],
    attributes: dict[str, list[str]],
) -> None:
    """Write Figures 2 to 4, a file for each task, and Figure 5, all tasks at once."""
    from mtf.evaluation import intersections

    folder = workspace.plots("multitask") / results.weighting / "confusion"
    for task, columns in own.items():
        others = {name: names for name, names in attributes.items() if name not in columns}
        _draw(folder / task, intersections.confusions(wide.filter(task=task), results.labels[task], others))
    jointly = intersections.jointly(results.predictions, results.labels)
    if jointly is None:
        print(f"multitask {results.weighting}: too many combinations of labels for one matrix of all tasks")
    else:
        _draw(folder / ALL, jointly)


def _draw(path: Path, matrices: dict[str, Any]) -> None:
    from mtf.evaluation import confusion_files

    if line := confusion_files.write(path, matrices):
        print(f"multitask: {line}")
