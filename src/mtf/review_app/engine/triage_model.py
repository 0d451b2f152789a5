"""Classifier trained on a reviewer's verdicts, and the thresholds that hold in cross-validation.

A logistic regression gives each face a probability of acceptance. Cross-validation on the verdicts given so far says
from which probability on a page may be answered with one key: where no more than ERROR_SHARE would turn out otherwise.
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

# The share of a page that may turn out otherwise: four faces to be picked out of forty.
ERROR_SHARE = 0.1
MIN_OF_EACH = 5
FOLDS = 5
# Strong L2 regularisation: there are dozens of inputs, and at first there are dozens of verdicts.
REGULARISATION_C = 0.1
NOWHERE = 2.0

Folds = Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]


@dataclass(frozen=True)
class TriageModel:
    """`score` (faces): probabilities of acceptance. From `likely` on faces are probably accepted, up to `unlikely`
    probably rejected; beyond 0 to 1 where that held nowhere."""

    score: NDArray[np.float64]
    likely: float
    unlikely: float


def holds(wrong: int | NDArray[np.int64], count: int | NDArray[np.int64]) -> bool | NDArray[np.bool_]:
    """True if at most ERROR_SHARE of the next faces are expected to be judged otherwise, after `wrong` of `count` were.

    By Laplace's rule of succession, so that a handful of verdicts proves nothing.
    """
    return (wrong + 1) / (count + 2) <= ERROR_SHARE


def learn(
    inputs: NDArray[np.floating],
    accepted: NDArray[np.float64],
    *,
    persons: NDArray[np.int64] | None = None,
    seed: int,
) -> TriageModel | None:
    """Probabilities and thresholds for all faces; None where there are too few verdicts to train and validate on.

    `inputs` is (faces, measures), `accepted` (faces) 1, 0, or NaN where nothing was said. With `persons` (faces) it is
    tried on whole persons, each learnt of from the others alone: as it will be for a person not begun.
    """
    judged = ~np.isnan(accepted)
    answers = accepted[judged] == 1
    if min(answers.sum(), (~answers).sum()) < MIN_OF_EACH:
        return None
    # Where there is one person only, no other will come.
    apart = None if persons is None or len(np.unique(persons)) == 1 else persons[judged]
    if apart is not None and len(np.unique(apart)) == 1:
        return None
    known = inputs[judged]
    scaled = (inputs - known.mean(axis=0)) / np.maximum(known.std(axis=0), 1e-6)
    tried = _tried(scaled[judged], answers, apart, seed=seed)
    if tried is None:
        return None
    score = _taught(scaled[judged], answers, scaled)
    return TriageModel(score, _bound(tried, answers), 1 - _bound(1 - tried, ~answers))


def _tried(
    known: NDArray[np.floating], answers: NDArray[np.bool_], apart: NDArray[np.int64] | None, *, seed: int
) -> NDArray[np.float64] | None:
    """Each verdict's probability as the others teach it; None where the others can be of one kind only."""
    tried = np.zeros(len(answers))
    for others, held_out in _folds(answers, apart, seed=seed):
        if answers[others].all() or not answers[others].any():
            return None
        tried[held_out] = _taught(known[others], answers[others], known[held_out])
    return tried


def _folds(answers: NDArray[np.bool_], apart: NDArray[np.int64] | None, *, seed: int) -> Folds:
    from sklearn.model_selection import GroupKFold, StratifiedKFold

    if apart is None:
        return StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(answers, answers)
    folds = min(FOLDS, len(np.unique(apart)))
    return GroupKFold(folds, shuffle=True, random_state=seed).split(answers, answers, apart)


def _taught(
    known: NDArray[np.floating], answers: NDArray[np.bool_], asked: NDArray[np.floating]
) -> NDArray[np.float64]:
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    # One thread: the sums are small, and threads that wait for each other would take most of the time.
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore", ConvergenceWarning)
        return _model().fit(known, answers).predict_proba(asked)[:, 1]


def _bound(score: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """The least score, of half or more, from which on it held when tried; NOWHERE where it did not."""
    order = np.argsort(-score, kind="stable")
    falling = score[order]
    # Faces of one score are called alike, so a bound lies below all of them.
    ends = np.append(falling[1:] != falling[:-1], True)
    held = np.flatnonzero(ends & holds(np.cumsum(~right[order], dtype=np.int64), np.arange(1, len(order) + 1)))
    return max(float(falling[held[-1]]), 0.5) if len(held) else NOWHERE


def _model() -> LogisticRegression:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=REGULARISATION_C, solver="newton-cholesky", max_iter=50)
