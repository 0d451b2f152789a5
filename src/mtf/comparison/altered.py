"""Trained networks on altered copies of the test part: recognition of people against the other tasks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from mtf import schemas
from mtf.comparison import setup
from mtf.config import IDENTITY, Params
from mtf.core import atomic_files, clustered_share
from mtf.core.errors import BadInput, listed
from mtf.core.project_paths import ProjectPaths
from mtf.evaluation import figure_files
from mtf.evaluation.alterations import ALTERATIONS, Alteration
from mtf.evaluation.undetected_pictures import UndetectedPictures, counted_statement
from mtf.faces.alignment import TEMPLATE, TEMPLATE_SIDE_PX

if TYPE_CHECKING:
    from mtf.training.data import Examples
    from mtf.training.trained_network import TrainedNetwork

NAME = f"{setup.FOLDER}/altered"
UNALTERED = "none"
DIGITS = 4
# Pictures that are altered at once; bounds the memory.
PICTURES_AT_ONCE = 256
# Eyes of a box where no landmarks are known, as shares of its width and height.
EYES_OF_A_BOX = ((0.3, 0.4), (0.7, 0.4))


def run(workspace: ProjectPaths, params: Params) -> dict[str, Any]:
    """Measure the trained networks of params.yaml on the test part under each of `evaluation.alterations`.

    These are the networks for one task, and the shared network of each loss weighting. Writes
    metrics/compare/altered.json and returns it: `{"images", "statement", "left_out", "models": {model: {task:
    {alteration: {"accuracy", "low", "high"}}}}}`.

    - `none` is the unaltered test part.
    - `statement`: on the test pictures without a detected face, which are left out.
    - `left_out`: files of the networks that are not trained.
    - Accuracies are shares from 0 to 1. `low` and `high` are the ends of an interval of 95 %, by person where it is
      known who is who, for enough people.

    Raises BadInput for an unknown alteration, if no network is trained, and if one was trained for other labels.
    """
    alterations = {name: ALTERATIONS.get(name)() for name in params.evaluation.alterations}
    # torch takes seconds to import: wrong names are reported before.
    from mtf.datasets import labelled
    from mtf.training import data, split_pictures

    files = _files(workspace, params)
    trained = [(model, path) for model, path in files if path.is_file()]
    left_out = [workspace.relative(path) for _, path in files if not path.is_file()]
    if not trained:
        raise BadInput(f"{listed(left_out)}: no network is trained; `mtf train` or `mtf multitask` trains one")
    splits, pictures = split_pictures.read(workspace, params)
    tasks = params.tasks
    test = data.Examples.of_split(
        pictures,
        splits,
        "test",
        column=IDENTITY,
        labels=sorted(splits[IDENTITY].unique()),
    )
    people = test.targets if labelled.identities_are_people(splits) else np.arange(len(test))
    altered_test = AlteredTest(test, _eyes(workspace, params, splits), seed=params.seed)
    models: dict[str, Any] = {model: {} for model, _ in trained}
    for model, path in trained:
        network = _load(workspace, params, path, splits, input_px=pictures.shape[1])
        targets = {
            task: data.Examples.of_split(pictures, splits, "test", column=tasks[task].column, labels=labels).targets
            for task, labels in network.labels.items()
        }
        for name, alteration in {UNALTERED: None, **alterations}.items():
            for task, predicted in altered_test.predicted(network, alteration).items():
                figures = _figures(predicted == targets[task], people, params)
                models[model].setdefault(task, {})[name] = figures
    missed = UndetectedPictures.read(workspace, params, splits).rows.height
    statement = counted_statement(len(test) + missed, missed, "leave_out")
    written = {"images": len(test), "statement": statement, "left_out": left_out, "models": models}
    atomic_files.write_json(workspace.metrics(NAME), written)
    figure_files.declare_figures(workspace, NAME, _headline(models, params))
    return written


def _files(workspace: ProjectPaths, params: Params) -> list[tuple[str, Path]]:
    """(name, model file) of each network of params.yaml; those of one model for several tasks have its name."""
    single = [
        (model, workspace.stage("models") / model / task / "model.pt")
        for model in params.train.models
        for task in params.train.tasks
    ]
    weightings = params.multitask.weightings if params.multitask is not None else ()
    shared = [
        (figure_files.model_of(weighting), workspace.stage("multitask") / weighting / "model.pt")
        for weighting in weightings
    ]
    return single + shared


def _load(
    workspace: ProjectPaths, params: Params, path: Path, splits: pl.DataFrame, *, input_px: int
) -> TrainedNetwork:
    from mtf.training import data, trained_network

    network = trained_network.load(path)
    current = {task: data.labels_of(params.tasks[task], splits) for task in network.labels if task in params.tasks}
    if network.labels != current or network.input_px != input_px:
        raise BadInput(f"{workspace.relative(path)}: trained for other labels or another input size; train it again")
    return network


@dataclass(frozen=True)
class AlteredTest:
    """Test part whose pictures are altered before a network sees them.

    eyes: of each row of the splits, as shares of the side.
    """

    test: Examples
    eyes: np.ndarray
    seed: int

    def predicted(self, network: TrainedNetwork, alteration: Alteration | None) -> dict[str, np.ndarray]:
        """Task → label numbers (n,) that the network answers."""
        parts: dict[str, list[np.ndarray]] = {task: [] for task in network.labels}
        for pictures in self._pictures(alteration):
            for task, probabilities in network.probabilities(pictures).items():
                parts[task].append(probabilities.argmax(axis=1))
        return {task: np.concatenate(each) for task, each in parts.items()}

    def _pictures(self, alteration: Alteration | None) -> Iterator[np.ndarray]:
        """Altered copies of the test pictures, (PICTURES_AT_ONCE or fewer, size, size, 3) at a time."""
        for start in range(0, len(self.test), PICTURES_AT_ONCE):
            rows = self.test.rows[start : start + PICTURES_AT_ONCE]
            pictures = np.array(self.test.pictures[rows])
            if alteration is not None:
                size = pictures.shape[1]
                pictures = np.stack(
                    [
                        alteration(picture, self.eyes[row] * size, np.random.default_rng([self.seed, int(row)]))
                        for picture, row in zip(pictures, rows, strict=True)
                    ]
                )
            yield pictures


def recognition_tasks(params: Params) -> list[str]:
    """Tasks of params.yaml that tell who is in a picture."""
    return [task for task in params.tasks if params.tasks[task].column == IDENTITY]


def _headline(models: Mapping[str, Any], params: Params) -> dict[str, float]:
    """Mean accuracy of the first model on each kind of task, by alteration."""
    tasks = next(iter(models.values()), {})
    kinds = {"re_identification": [task for task in recognition_tasks(params) if task in tasks]}
    kinds["other_tasks"] = [task for task in tasks if task not in kinds["re_identification"]]
    return {
        f"{kind}_{name}": round(float(np.mean([tasks[task][name]["accuracy"] for task in chosen])), DIGITS)
        for kind, chosen in kinds.items()
        if chosen
        for name in tasks[chosen[0]]
    }


def _figures(right: np.ndarray, people: np.ndarray, params: Params) -> dict[str, float]:
    _, number = np.unique(people, return_inverse=True)
    hits, cases = np.bincount(number, weights=right), np.bincount(number)
    interval = clustered_share.interval(hits, cases, min_clusters=params.fairness.min_people)
    ends = {} if interval is None else {"low": round(interval[0], DIGITS), "high": round(interval[1], DIGITS)}
    return {"accuracy": round(float(right.mean()), DIGITS), **ends}


def _eyes(workspace: ProjectPaths, params: Params, splits: pl.DataFrame) -> np.ndarray:
    """Eyes of each face of the splits as shares of its picture's side: (faces, 2, 2), x and y of left and right."""
    if params.train.alignment == "landmarks":
        both = np.array([TEMPLATE.left_eye, TEMPLATE.right_eye]) / TEMPLATE_SIDE_PX
        return np.broadcast_to(both, (splits.height, 2, 2))
    path = workspace.table("crop", "faces")
    if not path.is_file():
        # A published data set whose pictures are crops already.
        return np.broadcast_to(np.array(EYES_OF_A_BOX), (splits.height, 2, 2))
    faces = schemas.read(schemas.FACES, path)
    rows = splits.select("identity", "face_id").join(
        faces, on=["identity", "face_id"], how="left", maintain_order="left"
    )
    return np.array([_eyes_of(row) for row in rows.iter_rows(named=True)])


def _eyes_of(row: Mapping[str, Any]) -> Sequence[tuple[float, float]]:
    points = [(row[f"{side}_eye_x"], row[f"{side}_eye_y"]) for side in ("left", "right")]
    if points[0][0] is None:
        points = [(row["x"] + x * row["width"], row["y"] + y * row["height"]) for x, y in EYES_OF_A_BOX]
    return [((x - row["crop_x"]) / row["crop_width"], (y - row["crop_y"]) / row["crop_height"]) for x, y in points]
