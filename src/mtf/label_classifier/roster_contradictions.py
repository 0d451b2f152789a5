"""Label hints: faces whose roster label the label classifier contradicts. Hints for reviewers, never decisions.

A classifier has memorised its training faces, and a wrong label of an identity is on all its pictures. So the faces of
identities that it was fitted on, or all faces if there is no classifier yet, are predicted out of fold: by classifiers
that were fitted on no face of the same identity (as in confident learning, Northcutt et al. 2021). All faces take part
in the folds: those that a classifier of another project was fitted on may be too few to learn from.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from sklearn.model_selection import StratifiedGroupKFold

from mtf.core.errors import BadInput
from mtf.label_classifier import labeller as label


def out_of_fold(
    attribute: str,
    labels: Sequence[str],
    pictures: np.ndarray,
    targets: np.ndarray,
    people: Sequence[str],
    requested: np.ndarray,
    *,
    name: str,
    folds: int,
    seed: int,
    epochs: int,
) -> np.ndarray:
    """Calibrated probabilities (requested, labels), each row by a classifier fitted on no face of the same identity.

    Of `folds` parts, at least three, one is predicted, the next one calibrates and chooses the epochs, and the others
    train. A part without a requested row trains no classifier.

    - `pictures`: (n, 48, 48) uint8 grey;
    - `targets`: (n,) label numbers;
    - `people`: (n,) identities;
    - `requested`: (n,) bool, rows to predict.

    Raises BadInput for fewer identities than folds, and if the training pictures of a fold have only one label.
    """
    if len(set(people)) < folds:
        raise BadInput(f"label {attribute}: {len(set(people))} identities cannot be divided into {folds} folds")
    part = np.empty(len(targets), dtype=np.int64)
    with warnings.catch_warnings():
        # A label with fewer pictures than folds is absent from some of them, which the fit allows.
        warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)
        divided = StratifiedGroupKFold(folds, shuffle=True, random_state=seed).split(pictures, targets, people)
        for number, (_, held_out) in enumerate(divided):
            part[held_out] = number
    probabilities = np.empty((len(targets), len(labels)))
    for number in np.unique(part[requested]):
        split = np.where(part == number, "test", np.where(part == (number + 1) % folds, "val", "train"))
        if len(np.unique(targets[split == "train"])) < 2:
            raise BadInput(f"label {attribute}: with {folds} folds, one trains on a single label; take more --folds")
        fitted = label.fit(attribute, labels, pictures, targets, split, name=name, seed=seed, epochs=epochs)
        probabilities[part == number] = fitted.probabilities(pictures[part == number])
    return probabilities[requested]


def seen_in_training(fitted_on: label.TrainingProvenance | None, faces: pl.DataFrame) -> np.ndarray:
    """Mask (n,) of the faces whose identity was in a classifier's training data, by name or by any of its pictures.

    `faces` has identity and image_id. All are True if `fitted_on` is None, that is unknown.
    """
    if fitted_on is None:
        return np.ones(faces.height, dtype=bool)
    in_training = pl.col("identity").is_in(list(fitted_on.people)) | pl.col("image_id").is_in(list(fitted_on.images))
    return faces.select(in_training.any().over("identity")).to_series().to_numpy()


def label_probabilities(
    labellers: Sequence[label.AttributeClassifier],
    labels: Mapping[str, Sequence[str]],
    faces: pl.DataFrame,
    pictures: np.ndarray,
    *,
    name: str,
    folds: int,
    seed: int,
    epochs: int,
) -> dict[str, np.ndarray]:
    """Attribute → calibrated probabilities (n, labels) for all `faces` (identity, image_id, and the roster's labels).

    An attribute without a classifier in `labellers` is predicted out of fold for all faces, by classifiers `name`; one
    with a classifier is predicted out of fold for the faces of the identities that it was fitted on.
    """
    by_attribute = {labeller.attribute: labeller for labeller in labellers}
    found = {}
    for attribute, names in labels.items():
        labeller = by_attribute.get(attribute)
        out_of_fold_rows = seen_in_training(labeller.fitted_on if labeller else None, faces)
        probabilities = np.empty((faces.height, len(names)))
        if labeller is not None and not out_of_fold_rows.all():
            probabilities[~out_of_fold_rows] = labeller.probabilities(pictures[~out_of_fold_rows])
        if out_of_fold_rows.any():
            probabilities[out_of_fold_rows] = out_of_fold(
                attribute,
                names,
                pictures,
                label_numbers(faces[attribute], names),
                faces["identity"].to_list(),
                out_of_fold_rows,
                name=labeller.classifier.name if labeller else name,
                folds=folds,
                seed=seed,
                epochs=epochs,
            )
        found[attribute] = probabilities
    return found


def contradictions(
    faces: pl.DataFrame,
    labels: Mapping[str, Sequence[str]],
    probabilities: Mapping[str, np.ndarray],
    *,
    min_confidence: float,
) -> pl.DataFrame:
    """Rows of schemas.HINTS: predictions of at least `min_confidence` (0 to 1) that differ from the roster's label."""
    found = []
    for attribute, rows in probabilities.items():
        hints = faces.select(
            "identity",
            "face_id",
            attribute=pl.lit(attribute),
            roster_label=attribute,
            predicted=pl.Series(labels[attribute])[rows.argmax(axis=1)],
            confidence=pl.Series(rows.max(axis=1).clip(0, 1), dtype=pl.Float32),
        )
        found.append(
            hints.filter((pl.col("roster_label") != pl.col("predicted")) & (pl.col("confidence") >= min_confidence))
        )
    return pl.concat(found).sort("confidence", "identity", "face_id", descending=[True, False, False])


def label_numbers(column: pl.Series, labels: Sequence[str]) -> np.ndarray:
    """Label numbers (n,) int64 of a column of labels."""
    numbers = {name: number for number, name in enumerate(labels)}
    return column.replace_strict(numbers, return_dtype=pl.Int64).to_numpy(writable=True)
