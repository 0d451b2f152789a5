"""Where the label classifier contradicts the roster: hints for reviewers, never verdicts.

A classifier knows by heart what it was fitted on, and a wrong label of a person stands at all their pictures. Faces of
people that it has seen, or all where there is no classifier yet, are predicted out of fold: by classifiers that saw
neither the face nor any other of its person (as confident learning does, Northcutt et al. 2021). All faces take part in
the folds, seen or not: the few that a classifier of another project has seen may be too few to learn from.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from sklearn.model_selection import StratifiedGroupKFold

from mtf.errors import BadInput
from mtf.learn import label


def out_of_fold(
    attribute: str,
    labels: Sequence[str],
    pictures: np.ndarray,
    targets: np.ndarray,
    people: Sequence[str],
    asked: np.ndarray,
    *,
    name: str,
    folds: int,
    seed: int,
    epochs: int,
) -> np.ndarray:
    """Calibrated probabilities (asked, labels), each row by a classifier that saw nothing of its person.

    Of `folds` parts, at least three, one is predicted, the next one calibrates and chooses the epochs, the others
    train. `pictures` (n, 48, 48) uint8 grey, `targets` (n,) numbers of labels, `people` (n,) identities, `asked` (n,)
    whether a row is to be predicted; a part without such a row trains no classifier of its own.

    Raises BadInput for fewer people than folds, or a part whose training pictures bear one label only.
    """
    if len(set(people)) < folds:
        raise BadInput(f"label {attribute}: {len(set(people))} identities cannot be divided into {folds} folds")
    part = np.empty(len(targets), dtype=np.int64)
    with warnings.catch_warnings():
        # A label of fewer pictures than folds is absent from some: that is allowed for.
        warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)
        divided = StratifiedGroupKFold(folds, shuffle=True, random_state=seed).split(pictures, targets, people)
        for number, (_, held_out) in enumerate(divided):
            part[held_out] = number
    probabilities = np.empty((len(targets), len(labels)))
    for number in np.unique(part[asked]):
        split = np.where(part == number, "test", np.where(part == (number + 1) % folds, "val", "train"))
        if len(np.unique(targets[split == "train"])) < 2:
            raise BadInput(f"label {attribute}: with {folds} folds, one trains on a single label; take more --folds")
        fitted = label.fit(attribute, labels, pictures, targets, split, name=name, seed=seed, epochs=epochs)
        probabilities[part == number] = fitted.probabilities(pictures[part == number])
    return probabilities[asked]


def seen(fitted_on: label.FittedOn | None, faces: pl.DataFrame) -> np.ndarray:
    """(n,) whether the person of each face was shown to a classifier, by name or in any picture of theirs.

    `faces` has identity and image_id. Where it is not known what a classifier was fitted on, it may have seen all.
    """
    if fitted_on is None:
        return np.ones(faces.height, dtype=bool)
    shown = pl.col("identity").is_in(list(fitted_on.people)) | pl.col("image_id").is_in(list(fitted_on.images))
    return faces.select(shown.any().over("identity")).to_series().to_numpy()


def predicted(
    labellers: Sequence[label.Labeller],
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

    An attribute of `labels` without a labeller is predicted out of fold for all faces, by classifiers `name`; one with
    a labeller out of fold for all faces of the people it was fitted on.
    """
    known = {labeller.attribute: labeller for labeller in labellers}
    found = {}
    for attribute, names in labels.items():
        labeller = known.get(attribute)
        by_others = seen(labeller.fitted_on if labeller else None, faces)
        probabilities = np.empty((faces.height, len(names)))
        if labeller is not None and not by_others.all():
            probabilities[~by_others] = labeller.probabilities(pictures[~by_others])
        if by_others.any():
            probabilities[by_others] = out_of_fold(
                attribute,
                names,
                pictures,
                numbers_of(faces[attribute], names),
                faces["identity"].to_list(),
                by_others,
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
    confidence: float,
) -> pl.DataFrame:
    """Rows of tables.HINTS: where a prediction of a confidence of at least `confidence`
    differs from the roster's label."""
    found = []
    for attribute, predicted in probabilities.items():
        said = faces.select(
            "identity",
            "face_id",
            attribute=pl.lit(attribute),
            roster_label=attribute,
            predicted=pl.Series(labels[attribute])[predicted.argmax(axis=1)],
            confidence=pl.Series(predicted.max(axis=1).clip(0, 1), dtype=pl.Float32),
        )
        found.append(
            said.filter((pl.col("roster_label") != pl.col("predicted")) & (pl.col("confidence") >= confidence))
        )
    return pl.concat(found).sort("confidence", "identity", "face_id", descending=[True, False, False])


def numbers_of(column: pl.Series, labels: Sequence[str]) -> np.ndarray:
    """(n,) numbers of labels."""
    numbers = {name: number for number, name in enumerate(labels)}
    return column.replace_strict(numbers, return_dtype=pl.Int64).to_numpy(writable=True)
