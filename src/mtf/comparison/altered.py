"""Trained networks on altered copies of the test part: recognition of people against the other tasks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from mtf import schemas
from mtf.comparison import setup
from mtf.config import IDENTITY, Params
from mtf.core import atomic_files, clustered_share
from mtf.core.project_paths import ProjectPaths
from mtf.evaluation import figure_files
from mtf.evaluation.alterations import ALTERATIONS, Alteration
from mtf.faces.alignment import TEMPLATE, TEMPLATE_SIDE_PX

if TYPE_CHECKING:
    from mtf.training.data import Examples

NAME = f"{setup.FOLDER}/altered"
UNALTERED = "none"
DIGITS = 4
# Pictures that are altered at once; bounds the memory.
AT_ONCE = 256
# Eyes of a box where no landmarks are known, as shares of its width and height.
EYES_OF_A_BOX = ((0.3, 0.4), (0.7, 0.4))


def run(workspace: ProjectPaths, params: Params) -> dict[str, Any]:
    """Measure every single-task network of params.yaml on the test part under each of `evaluation.alterations`.

    Writes metrics/compare/altered.json and returns it: `{"images", "models": {model: {task: {alteration: {"accuracy",
    "low", "high"}}}}}`. `none` is the unaltered test part. Accuracies are shares from 0 to 1, `low` and `high` the ends
    of an interval of 95 %, clustered by person, for enough people. Test pictures without a detected face are left out.

    Raises BadInput for an unknown alteration, and if a model is missing or was trained for other labels.
    """
    alterations = {name: ALTERATIONS.get(name)() for name in params.evaluation.alterations}
    # torch takes seconds to import: wrong names are reported before.
    from mtf.training import checkpoint, data, split_pictures

    splits, pictures = split_pictures.read(workspace, params)
    eyes = _eyes(workspace, params, splits)
    models: dict[str, Any] = {model: {} for model in params.train.models}
    images = 0
    for task in params.train.tasks:
        labels = data.labels_of(params.tasks[task], splits)
        test = data.Examples.of_split(pictures, splits, "test", column=params.tasks[task].column, labels=labels)
        images, people = len(test), splits[test.rows]["identity"].to_numpy()
        for model in params.train.models:
            network, card = checkpoint.load_for(
                workspace.stage("models") / model / task / "model.pt",
                labels=labels,
                input_px=pictures.shape[1],
                shown=workspace.relative,
            )
            found = {}
            for name, alteration in {UNALTERED: None, **alterations}.items():
                predicted = [
                    checkpoint.probabilities(network, some, normalise=card.normalise, labels=len(labels)).argmax(axis=1)
                    for some in _altered(test, eyes, alteration, seed=params.seed)
                ]
                found[name] = _figures(np.concatenate(predicted) == test.targets, people, params)
            models[model][task] = found
    written = {"images": images, "models": models}
    atomic_files.write_json(workspace.metrics(NAME), written)
    figure_files.declare_figures(workspace, NAME, _headline(models, params))
    return written


def recognition_tasks(params: Params) -> list[str]:
    """Tasks of params.yaml that tell who is in a picture."""
    return [task for task in params.train.tasks if params.tasks[task].column == IDENTITY]


def _headline(models: Mapping[str, Any], params: Params) -> dict[str, float]:
    """Mean accuracy of the first model on each kind of task, by alteration."""
    tasks = next(iter(models.values()), {})
    kinds = {"re_identification": recognition_tasks(params)}
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


def _altered(test: Examples, eyes: np.ndarray, alteration: Alteration | None, *, seed: int) -> Iterator[np.ndarray]:
    """Altered copies of the test pictures, (AT_ONCE or fewer, size, size, 3) at a time."""
    for start in range(0, len(test), AT_ONCE):
        rows = test.rows[start : start + AT_ONCE]
        pictures = np.array(test.pictures[rows])
        if alteration is not None:
            size = pictures.shape[1]
            pictures = np.stack(
                [
                    alteration(picture, eyes[row] * size, np.random.default_rng([seed, int(row)]))
                    for picture, row in zip(pictures, rows, strict=True)
                ]
            )
        yield pictures


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
