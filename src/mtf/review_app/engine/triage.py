"""Triage: prediction of a reviewer's verdicts, so that faces with the same likely verdict share a page. It never
decides.

Without verdicts the faces are ordered by screening's hints, and none is called likely. With some verdicts of both kinds
a classifier is trained (`mtf.review_app.engine.triage_model`). Its inputs are the measures and the principal components
of the embedding. For people with several judged faces the similarities to those faces are added.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mtf.review_app.engine import triage_model
from mtf.review_app.engine.queue import RUNS
from mtf.schemas import funnel_steps

LIKELY, UNSURE, UNLIKELY = RUNS
# From this many judged faces of a person on, similarities to them are used.
MIN_JUDGED = 3
COMPONENTS = 24

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


def measures() -> tuple[str, ...]:
    """Measures that the triage learns from: MEASURES, then others that the hints of a step name."""
    hinted = (name for step in funnel_steps.registered() for name in step.hints)
    return tuple(dict.fromkeys([*MEASURES, *hinted]))


def rate(
    faces: pl.DataFrame,
    accepted: NDArray[np.float64],
    *,
    step: str,
    neighbours: NDArray[np.float64] | None = None,
    components: NDArray[np.float32] | None = None,
    seed: int = 0,
) -> pl.DataFrame:
    """Faces with `score` (0 to 1, higher is likelier to be accepted) and `run` (one of RUNS) for a step.

    faces: identity, face_id, and those of `measures` that exist.
    accepted: (faces), this reviewer's verdict at the step: 1, 0, or NaN without one.
    step: the step.
    neighbours: (faces, 4), as `Likeness.neighbours`.
    components: (faces, COMPONENTS), principal components of the embeddings.
    seed: seed of the cross-validation.
    """
    persons = faces["identity"].rank("dense").to_numpy().astype(np.int64) - 1
    score = _hinted(faces, step)
    run = np.full(faces.height, _run_of_all(accepted[~np.isnan(accepted)] == 1), dtype=object)
    for at, model in _models(faces, accepted, score, persons, neighbours, components, seed):
        score[at], run[at] = model.score, _runs(model)
    return faces.with_columns(score=pl.Series(score, dtype=pl.Float64), run=pl.Series(run.tolist(), dtype=pl.String))


def held_out(
    faces: pl.DataFrame,
    accepted: NDArray[np.float64],
    *,
    step: str,
    neighbours: NDArray[np.float64] | None = None,
    components: NDArray[np.float32] | None = None,
    seed: int = 0,
) -> NDArray[np.float64]:
    """Probability of acceptance (faces) by classifiers that did not learn from the face's own verdict.

    NaN where there is no classifier, for want of verdicts. Arguments as in `rate`; `accepted` may be the panel's.
    """
    persons = faces["identity"].rank("dense").to_numpy().astype(np.int64) - 1
    score = np.full(faces.height, np.nan)
    for at, model in _models(faces, accepted, _hinted(faces, step), persons, neighbours, components, seed):
        score[at] = model.held_out
    return score


def _models(
    faces: pl.DataFrame,
    accepted: NDArray[np.float64],
    hinted: NDArray[np.float64],
    persons: NDArray[np.int64],
    neighbours: NDArray[np.float64] | None,
    components: NDArray[np.float32] | None,
    seed: int,
) -> Iterator[tuple[NDArray[np.bool_], triage_model.TriageModel]]:
    """Classifiers, each with a mask (faces) of what it predicts: of all faces, then of those of people with enough
    judged ones.
    """
    inputs = np.hstack([_measures(faces), hinted[:, None], *([] if components is None else [components])])
    if model := triage_model.fit(inputs, accepted, persons=persons, seed=seed):
        yield np.ones(faces.height, bool), model
    if neighbours is None:
        return
    judged = ~np.isnan(accepted)
    has_judged = np.bincount(persons, weights=judged)[persons] - judged >= MIN_JUDGED
    near = np.hstack([inputs, neighbours])[has_judged]
    if model := triage_model.fit(near, accepted[has_judged], seed=seed):
        yield has_judged, model


def _runs(model: triage_model.TriageModel) -> NDArray[np.object_]:
    likely, unlikely = model.score >= model.likely, model.score <= model.unlikely
    return np.select([likely, unlikely], [LIKELY, UNLIKELY], UNSURE).astype(object)


def _run_of_all(answers: NDArray[np.bool_]) -> str:
    """Run of all faces if nearly all verdicts so far were the same; else unsure."""
    rejected, accepted = int((~answers).sum()), int(answers.sum())
    if triage_model.is_reliable(rejected, len(answers)):
        return LIKELY
    return UNLIKELY if triage_model.is_reliable(accepted, len(answers)) else UNSURE


def principal_components(embeddings: np.ndarray, *, seed: int) -> np.ndarray:
    """Principal components (faces, COMPONENTS) of the embeddings, fitted once on a sample of at most 2,000 faces."""
    some = np.random.default_rng(seed).permutation(len(embeddings))[:2000]
    few = embeddings[some].astype(np.float32)
    middle = few.mean(axis=0)
    directions = np.linalg.svd(few - middle, full_matrices=False)[2][:COMPONENTS].T
    parts = [
        (part.astype(np.float32) - middle) @ directions
        for part in np.array_split(embeddings, 1 + len(embeddings) // 10_000)
    ]
    return np.vstack(parts)


def _measures(faces: pl.DataFrame) -> np.ndarray:
    """Inputs (faces, measures): gaps filled with the column's median, skewed measures as logarithms."""
    columns = []
    for name in measures():
        if name not in faces.columns:
            continue
        values = faces[name].cast(pl.Float64).to_numpy()
        values = np.log1p(np.maximum(values, 0)) if name in SKEWED else values
        columns.append(np.nan_to_num(values, nan=np.nanmedian(values) if np.isfinite(values).any() else 0.0))
    return np.column_stack(columns) if columns else np.zeros((faces.height, 0))


def _hinted(faces: pl.DataFrame, step: str) -> np.ndarray:
    """Weighted mean rank of the faces over the step's hints, 0 to 1."""
    total, weights = np.zeros(faces.height), 0.0
    for name, weight in funnel_steps.named(step).hints.items():
        if name in faces.columns and faces.height > 1:
            ranks = (
                faces[name].cast(pl.Float64).fill_nan(None).rank("average").fill_null((faces.height + 1) / 2).to_numpy()
            )
            share = (ranks - 1) / (faces.height - 1)
            total += abs(weight) * (share if weight > 0 else 1 - share)
            weights += abs(weight)
    return total / weights if weights else np.full(faces.height, 0.5)
