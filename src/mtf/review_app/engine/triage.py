"""Prediction of a reviewer's verdicts, so that faces judged alike can be shown together. It never decides.

Before there are verdicts, screening's hints are put in one order, and nothing is called likely. Verdicts are learnt
from as soon as there are some of both kinds: from the measures and the embedding in brief for persons of whom hardly
any face is judged yet, with the distances to the faces accepted and rejected for the others (`mtf.review_app.engine.triage_model`).
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mtf.review_app.engine import triage_model
from mtf.review_app.engine.queue import RUNS
from mtf.schemas import funnel_steps

LIKELY, UNSURE, UNLIKELY = RUNS
# A person of whom this many faces are judged is known by likeness to them.
MET = 3
OUTLINES = 24

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
    """The measures of a face that verdicts are learnt from: MEASURES, then others that a step's hints name."""
    hinted = (name for step in funnel_steps.registered() for name in step.hints)
    return tuple(dict.fromkeys([*MEASURES, *hinted]))


def rate(
    faces: pl.DataFrame,
    accepted: NDArray[np.float64],
    *,
    step: str,
    neighbours: NDArray[np.float64] | None = None,
    outlines: NDArray[np.float32] | None = None,
    seed: int = 0,
) -> pl.DataFrame:
    """`faces` with `score` (0 to 1, higher is likelier to be accepted) and `run` (one of RUNS) for `step`.

    `faces` has identity, face_id and such of `measures` as there are. `accepted` (faces) is this reviewer's own word at
    this step: 1, 0, or NaN where there is none. `neighbours` is (faces, few), as `likeness.Likeness`
    says it; `outlines` is (faces, few): the embeddings in brief.
    """
    judged = ~np.isnan(accepted)
    persons = faces["identity"].rank("dense").to_numpy().astype(np.int64) - 1
    score = _hinted(faces, step)
    run = np.full(faces.height, _run_of_all(accepted[judged] == 1), dtype=object)
    inputs = np.hstack([_measures(faces), score[:, None], *([] if outlines is None else [outlines])])
    found = triage_model.learn(inputs, accepted, persons=persons, seed=seed)
    if found:
        score, run = found.score, _runs(found)
    if neighbours is not None:
        met = np.bincount(persons, weights=judged)[persons] - judged >= MET
        found = triage_model.learn(np.hstack([inputs, neighbours])[met], accepted[met], seed=seed)
        if found:
            score[met], run[met] = found.score, _runs(found)
    return faces.with_columns(score=pl.Series(score, dtype=pl.Float64), run=pl.Series(run.tolist(), dtype=pl.String))


def _runs(found: triage_model.TriageModel) -> NDArray[np.object_]:
    likely, unlikely = found.score >= found.likely, found.score <= found.unlikely
    return np.select([likely, unlikely], [LIKELY, UNLIKELY], UNSURE).astype(object)


def _run_of_all(answers: NDArray[np.bool_]) -> str:
    """Where nearly all verdicts so far were alike, the rest will probably be like them; else nothing is known."""
    rejected, accepted = int((~answers).sum()), int(answers.sum())
    if triage_model.holds(rejected, len(answers)):
        return LIKELY
    return UNLIKELY if triage_model.holds(accepted, len(answers)) else UNSURE


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


def _measures(faces: pl.DataFrame) -> np.ndarray:
    """(faces, measures): gaps filled with the middle of the column, wide ranges by their logarithm."""
    columns = []
    for name in measures():
        if name not in faces.columns:
            continue
        values = faces[name].cast(pl.Float64).to_numpy()
        values = np.log1p(np.maximum(values, 0)) if name in SKEWED else values
        columns.append(np.nan_to_num(values, nan=np.nanmedian(values) if np.isfinite(values).any() else 0.0))
    return np.column_stack(columns) if columns else np.zeros((faces.height, 0))


def _hinted(faces: pl.DataFrame, step: str) -> np.ndarray:
    """The faces' mean rank over the step's hints, 0 to 1."""
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
