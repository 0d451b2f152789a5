"""Classifier trained on a reviewer's verdicts, with thresholds from cross-validation.

A logistic regression gives each face a probability of acceptance. Cross-validation on the verdicts so far gives the
probability from which a page may be answered with one key: at most ERROR_SHARE of its faces would get the other
verdict.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression

# Largest share of a page that may get the other verdict: four faces of forty.
ERROR_SHARE = 0.1
MIN_OF_EACH = 5
FOLDS = 5
# Strong L2 regularisation: there are dozens of inputs, and at first there are dozens of verdicts.
REGULARISATION_C = 0.1
UNREACHABLE = 2.0

Folds = Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]


@dataclass(frozen=True)
class TriageModel:
    """Prediction of the triage.

    score: (faces), probability of acceptance.
    likely: faces with at least this score are probably accepted.
    unlikely: faces with at most this score are probably rejected.
    held_out: (faces), as `score`; for a judged face, from a classifier that did not learn from it.

    A threshold outside 0 to 1 means that none was reliable.
    """

    score: NDArray[np.float64]
    likely: float
    unlikely: float
    held_out: NDArray[np.float64]


def is_reliable(wrong: int | NDArray[np.int64], count: int | NDArray[np.int64]) -> bool | NDArray[np.bool_]:
    """True if at most ERROR_SHARE of further faces are expected to get the other verdict, given `wrong` of `count` did.

    Uses Laplace's rule of succession, so that a handful of verdicts is never enough.
    """
    return (wrong + 1) / (count + 2) <= ERROR_SHARE


def fit(
    inputs: NDArray[np.floating],
    accepted: NDArray[np.float64],
    *,
    persons: NDArray[np.int64] | None = None,
    seed: int,
) -> TriageModel | None:
    """Probabilities and thresholds for all faces; None with too few verdicts to train and validate on.

    inputs: (faces, measures).
    accepted: (faces), 1, 0, or NaN without a verdict.
    persons: (faces); if given, cross-validation holds out whole persons, as for a person not judged yet.
    seed: seed of the folds.
    """
    judged = ~np.isnan(accepted)
    answers = accepted[judged] == 1
    if min(answers.sum(), (~answers).sum()) < MIN_OF_EACH:
        return None
    # With one person only there is no other to predict.
    groups = None if persons is None or len(np.unique(persons)) == 1 else persons[judged]
    if groups is not None and len(np.unique(groups)) == 1:
        return None
    judged_inputs = inputs[judged]
    scaled = (inputs - judged_inputs.mean(axis=0)) / np.maximum(judged_inputs.std(axis=0), 1e-6)
    validated = _cross_validated(scaled[judged], answers, groups, seed=seed)
    if validated is None:
        return None
    score = _predicted(scaled[judged], answers, scaled)
    held_out = score.copy()
    held_out[judged] = validated
    return TriageModel(score, _threshold(validated, answers), 1 - _threshold(1 - validated, ~answers), held_out)


def _cross_validated(
    judged_inputs: NDArray[np.floating], answers: NDArray[np.bool_], groups: NDArray[np.int64] | None, *, seed: int
) -> NDArray[np.float64] | None:
    """Probability of each verdict from a model of the other folds; None if a fold's training part has one kind of
    verdict only.
    """
    validated = np.zeros(len(answers))
    for others, held_out in _folds(answers, groups, seed=seed):
        if answers[others].all() or not answers[others].any():
            return None
        validated[held_out] = _predicted(judged_inputs[others], answers[others], judged_inputs[held_out])
    return validated


def _folds(answers: NDArray[np.bool_], groups: NDArray[np.int64] | None, *, seed: int) -> Folds:
    from sklearn.model_selection import GroupKFold, StratifiedKFold

    if groups is None:
        return StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(answers, answers)
    folds = min(FOLDS, len(np.unique(groups)))
    return GroupKFold(folds, shuffle=True, random_state=seed).split(answers, answers, groups)


def _predicted(
    judged_inputs: NDArray[np.floating], answers: NDArray[np.bool_], predicted_inputs: NDArray[np.floating]
) -> NDArray[np.float64]:
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    # One thread: the sums are small, and threads that wait for each other would take most of the time.
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore", ConvergenceWarning)
        return _model().fit(judged_inputs, answers).predict_proba(predicted_inputs)[:, 1]


def _threshold(score: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """Lowest score of 0.5 or more from which the predictions were reliable in cross-validation; UNREACHABLE if there is
    none.
    """
    order = np.argsort(-score, kind="stable")
    falling = score[order]
    # Faces with equal scores get the same run, so a threshold lies below all of them.
    ends = np.append(falling[1:] != falling[:-1], True)
    reliable = np.flatnonzero(
        ends & is_reliable(np.cumsum(~right[order], dtype=np.int64), np.arange(1, len(order) + 1))
    )
    return max(float(falling[reliable[-1]]), 0.5) if len(reliable) else UNREACHABLE


def _model() -> LogisticRegression:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=REGULARISATION_C, solver="newton-cholesky", max_iter=50)
