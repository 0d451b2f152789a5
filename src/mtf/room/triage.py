"""What a reviewer will probably say of a face, so that faces judged alike can be shown together. It never decides.

Two stages. Before there are verdicts, screening's hints are put in one order, and nothing is called likely. With
verdicts of both kinds, a logistic regression on the hints and on distances to the faces already accepted gives a
probability, measured by cross-validation on those verdicts; a run is called likely only as far as that holds.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from mtf.room.queue import RUNS
from mtf.tables import Step

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression

LIKELY, UNSURE, UNLIKELY = RUNS
# The share of a run that may turn out otherwise: what a person can still pick out of a page at a glance.
ERROR_SHARE = 0.03
LEAST_OF_EACH = 8
LEAST_OF_A_KIND = 40
OUTLINES = 24
FOLDS = 5

MEASURES = (
    "size_px",
    "face_share",
    "sharpness",
    "brightness",
    "clipped_share",
    "eyes",
    "not_photograph",
    "identity_distance",
    "contradiction",
)
SKEWED = ("size_px", "face_share", "sharpness")

# Before any verdict: the measures that speak for acceptance (+) and against it (-) at a step.
HINTS: dict[Step, dict[str, float]] = {
    Step.FACE: {"eyes": 1.0, "size_px": 0.5, "sharpness": 0.25, "identity_distance": -0.5},
    Step.IDENTITY: {"identity_distance": -1.0},
    Step.QUALITY: {"eyes": 1.0, "sharpness": 1.0, "not_photograph": -1.0, "clipped_share": -0.5},
    Step.DUPLICATE: {"sharpness": 1.0, "size_px": 1.0, "eyes": 0.5},
    Step.TASK_FIT: {"identity_distance": -1.0, "contradiction": -1.0},
}


def rate(
    faces: pl.DataFrame,
    accepted: np.ndarray,
    *,
    step: Step,
    neighbours: np.ndarray | None = None,
    outlines: np.ndarray | None = None,
    seed: int = 0,
) -> pl.DataFrame:
    """`faces` with `score` (0 to 1, higher is likelier to be accepted) and `run` (one of RUNS) for `step`.

    `faces` has identity, face_id and such of MEASURES as there are. `accepted` (faces) is this reviewer's own word at
    this step: 1, 0, or NaN where there is none. `neighbours` is (faces, few), as `likeness.Likeness`
    says it; `outlines` is (faces, few): the embeddings in brief.
    """
    labelled = ~np.isnan(accepted)
    answers = accepted[labelled].astype(bool)
    if min(answers.sum(), (~answers).sum()) < LEAST_OF_EACH:
        run = np.full(faces.height, _run_of_all(answers), dtype=object)
        return _with(faces, _hinted(faces, step), run)
    inputs = np.hstack([_measures(faces), *(part for part in (neighbours, outlines) if part is not None)])
    score, likely, unlikely = _learned(inputs, labelled, answers, seed=seed)
    run = np.select([score >= likely, score <= unlikely], [LIKELY, UNLIKELY], UNSURE).astype(object)
    return _with(faces, score, run)


def _run_of_all(answers: np.ndarray) -> str:
    """Where nearly all verdicts so far were alike, the rest will probably be like them; else nothing is known."""
    if len(answers) < LEAST_OF_A_KIND:
        return UNSURE
    if (~answers).mean() <= ERROR_SHARE:
        return LIKELY
    return UNLIKELY if answers.mean() <= ERROR_SHARE else UNSURE


def brief(embeddings: np.ndarray, *, seed: int) -> np.ndarray:
    """(faces, OUTLINES): the directions in which some of the embeddings differ most, found once for all verdicts."""
    some = np.random.default_rng(seed).permutation(len(embeddings))[:2000]
    few = embeddings[some].astype(np.float32)
    middle = few.mean(axis=0)
    directions = np.linalg.svd(few - middle, full_matrices=False)[2][:OUTLINES].T
    parts = [
        (part.astype(np.float32) - middle) @ directions
        for part in np.array_split(embeddings, 1 + len(embeddings) // 10_000)
    ]
    return np.vstack(parts)


def _with(faces: pl.DataFrame, score: np.ndarray, run: np.ndarray) -> pl.DataFrame:
    return faces.with_columns(score=pl.Series(score, dtype=pl.Float64), run=pl.Series(run.tolist(), dtype=pl.String))


def _measures(faces: pl.DataFrame) -> np.ndarray:
    """(faces, measures): gaps filled with the middle of the column, wide ranges by their logarithm."""
    columns = []
    for name in MEASURES:
        if name not in faces.columns:
            continue
        values = faces[name].cast(pl.Float64).to_numpy()
        values = np.log1p(np.maximum(values, 0)) if name in SKEWED else values
        columns.append(np.nan_to_num(values, nan=np.nanmedian(values) if np.isfinite(values).any() else 0.0))
    return np.column_stack(columns) if columns else np.zeros((faces.height, 0))


def _hinted(faces: pl.DataFrame, step: Step) -> np.ndarray:
    """The faces' mean rank over the step's hints, 0 to 1."""
    total, weights = np.zeros(faces.height), 0.0
    for name, weight in HINTS[step].items():
        if name in faces.columns and faces.height > 1:
            ranks = faces[name].cast(pl.Float64).rank("average").fill_null((faces.height + 1) / 2).to_numpy()
            share = (ranks - 1) / (faces.height - 1)
            total += abs(weight) * (share if weight > 0 else 1 - share)
            weights += abs(weight)
    return total / weights if weights else np.full(faces.height, 0.5)


def _learned(
    inputs: np.ndarray, labelled: np.ndarray, answers: np.ndarray, *, seed: int
) -> tuple[np.ndarray, float, float]:
    """Probabilities of acceptance, and the bounds from which and up to which a run holds on the verdicts so far."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.model_selection import StratifiedKFold
    from threadpoolctl import threadpool_limits

    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    scaled = (inputs - inputs[labelled].mean(axis=0)) / np.maximum(inputs[labelled].std(axis=0), 1e-6)
    known, tried = scaled[labelled], np.zeros(len(answers))
    # One thread: the sums are small, and threads that wait for each other would take most of the time.
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore", ConvergenceWarning)
        for learnt, held_out in folds.split(known, answers):
            tried[held_out] = _model().fit(known[learnt], answers[learnt]).predict_proba(known[held_out])[:, 1]
        score = _model().fit(known, answers).predict_proba(scaled)[:, 1]
    return score, _bound(tried, answers), 1 - _bound(1 - tried, ~answers)


def _bound(score: np.ndarray, right: np.ndarray) -> float:
    """The least score from which on no more than ERROR_SHARE were wrong when tried; beyond 1 where none is."""
    order = np.argsort(-score, kind="stable")
    wrong = np.cumsum(~right[order]) / np.arange(1, len(order) + 1)
    holds = np.flatnonzero(wrong <= ERROR_SHARE)
    if len(holds) < LEAST_OF_EACH:
        return 1.1
    return max(float(score[order[holds[-1]]]), 0.5)


def _model() -> LogisticRegression:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=1.0, solver="newton-cholesky", max_iter=50)
