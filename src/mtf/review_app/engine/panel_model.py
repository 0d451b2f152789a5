"""Model of the panel: who errs how often at which step, and how sure it is of each face.

Dawid and Skene's model (`mtf.annotation.dawid_skene`) on all votes, with the triage's classifier as one more annotator.
The classifier learns from the panel's majorities; its vote on a face comes from a classifier that did not learn from
that face. Each step has a model of its own. The duplicates have none: there a verdict depends on the rest of a group.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from mtf.annotation import dawid_skene
from mtf.annotation.decision import STAYS
from mtf.review_app.engine import triage
from mtf.review_app.engine.likeness import Likeness
from mtf.schemas import FACE, Step, funnel_steps

# Faces with two votes or more, below which a step has no model.
MIN_COMPARED = 100
CLASSIFIER = "classifier"

OPINION = {"identity": pl.String, "face_id": pl.String, "step": pl.String, "stays": pl.Float64}


@dataclass(frozen=True)
class StepModel:
    """Model of one step.

    reviewers: names, in the order of `annotators`, whose last one is the classifier.
    annotators: what is known of them.
    classified: face → vote of the classifier (columns identity, face_id, vote: 1, 0, or NaN).
    """

    reviewers: tuple[str, ...]
    annotators: dawid_skene.Annotators
    classified: pl.DataFrame


@dataclass(frozen=True)
class Confusion:
    """Confusion of one annotator at one step, by the model.

    faces: number of faces with a vote of theirs.
    wrongly_rejected: probability that they reject a face that stays, 0 to 1.
    wrongly_kept: probability that they keep a face that goes, 0 to 1.
    """

    faces: int
    wrongly_rejected: float
    wrongly_kept: float


@dataclass(frozen=True)
class PanelModel:
    """Models by step; a step with too few votes has none."""

    steps: Mapping[str, StepModel]

    def opinions(self, votes: pl.DataFrame) -> pl.DataFrame:
        """Probability `stays` that a face passes a step, for faces and steps with a vote and a model (columns OPINION).

        votes: as `consensus.current_votes` returns them; joint ones do not count. May be newer than the model.
        """
        found = [pl.DataFrame(schema=OPINION)]
        for step, model in self.steps.items():
            faces, given = voted(votes, step, model.reviewers)
            predicted = faces.join(model.classified, on=FACE, how="left", maintain_order="left")["vote"]
            with_classifier = np.column_stack([given, predicted.fill_null(np.nan).to_numpy()])
            stays = model.annotators.probability(with_classifier)
            found.append(faces.with_columns(step=pl.lit(step), stays=pl.Series(stays, dtype=pl.Float64)))
        return pl.concat(found)

    def confusion(self, votes: pl.DataFrame, reviewer: str) -> dict[str, Confusion]:
        """Confusion of a reviewer at each step with a model."""
        return {
            step: _confusion(model, model.reviewers.index(reviewer), len(voted(votes, step, (reviewer,))[0]))
            for step, model in self.steps.items()
            if reviewer in model.reviewers
        }

    def classifier_confusion(self) -> dict[str, Confusion]:
        """Confusion of the classifier at each step where it has a vote."""
        counts = {step: model.classified["vote"].is_not_nan().sum() for step, model in self.steps.items()}
        return {step: _confusion(self.steps[step], -1, int(count)) for step, count in counts.items() if count}

    def expected_right(self, votes: pl.DataFrame, reviewer: str) -> float | None:
        """Mean probability that a reviewer's votes are right, 0 to 1; None without votes that the model knows."""
        stays = pl.col("verdict").is_in([str(verdict) for verdict in STAYS])
        own = votes.filter(~pl.col("joint"), pl.col("reviewer") == reviewer)
        rated = own.join(self.opinions(votes), on=[*FACE, "step"])
        right = rated.select(pl.when(stays).then("stays").otherwise(1 - pl.col("stays")).mean()).item()
        return None if right is None else round(float(right), 4)


def _confusion(model: StepModel, place: int, faces: int) -> Confusion:
    keeps, rejects = float(model.annotators.keeps[place]), float(model.annotators.rejects[place])
    return Confusion(faces, round(1 - keeps, 4), round(1 - rejects, 4))


def fitted(
    faces: pl.DataFrame, votes: pl.DataFrame, *, embeddings: NDArray[np.floating] | None, seed: int = 0
) -> PanelModel:
    """Model of all votes so far.

    faces: identity, face_id, and those of `triage.measures` that exist.
    votes: as `consensus.current_votes` returns them.
    embeddings: (faces, dimensions) in the order of `faces`, of unit length, or None.
    """
    persons = faces["identity"].rank("dense").cast(pl.Int64).to_numpy() - 1
    likeness = None if embeddings is None else Likeness(embeddings, persons)
    components = None if embeddings is None else triage.principal_components(embeddings, seed=0)
    steps: dict[str, StepModel] = {}
    # One thread: the products are small, and threads that wait for each other would take most of the time.
    with threadpool_limits(1):
        for step in modelled_steps():
            names = tuple(_own(votes, step)["reviewer"].unique().sort())
            judged, given = voted(votes, step, names)
            if (np.sum(~np.isnan(given), axis=1) >= 2).sum() < MIN_COMPARED:
                continue
            accepted = _majorities(faces, judged, given)
            predicted = triage.held_out(
                faces,
                accepted,
                step=step,
                neighbours=None if likeness is None else likeness.neighbours(np.arange(len(persons)), accepted),
                components=components,
                seed=seed,
            )
            vote = np.where(np.isnan(predicted), np.nan, predicted > 0.5)
            classified = faces.select(*FACE, vote=pl.Series(vote, dtype=pl.Float64))
            of_judged = judged.join(classified, on=FACE, how="left", maintain_order="left")["vote"].to_numpy()
            annotators = dawid_skene.fitted(np.column_stack([given, of_judged]))
            steps[step] = StepModel(names, annotators, classified)
    return PanelModel(steps)


def modelled_steps() -> list[str]:
    """Reviewed steps that have a model once there are enough votes."""
    return [str(step) for step in funnel_steps.reviewed() if step != Step.DUPLICATE]


def voted(votes: pl.DataFrame, step: str, reviewers: tuple[str, ...]) -> tuple[pl.DataFrame, NDArray[np.float64]]:
    """Faces (identity, face_id) with a vote of `reviewers` at a step, and the votes (faces, reviewers): 1, 0 or NaN."""
    own = _own(votes, step).filter(pl.col("reviewer").is_in(reviewers))
    faces = own.select(FACE).unique().sort(FACE)
    given = np.full((faces.height, len(reviewers)), np.nan)
    placed = own.join(faces.with_row_index("row"), on=FACE)
    columns = placed["reviewer"].replace_strict(list(reviewers), range(len(reviewers)), return_dtype=pl.Int64)
    given[placed["row"], columns] = placed["stays"]
    return faces, given


def _own(votes: pl.DataFrame, step: str) -> pl.DataFrame:
    stays = pl.col("verdict").is_in([str(verdict) for verdict in STAYS]).cast(pl.Float64)
    return votes.filter(~pl.col("joint"), pl.col("step") == step).select("reviewer", *FACE, stays=stays)


def _majorities(faces: pl.DataFrame, judged: pl.DataFrame, given: NDArray[np.float64]) -> NDArray[np.float64]:
    """Majority (faces) of the votes: 1, 0, or NaN without one."""
    kept = np.nanmean(given, axis=1)
    majority = np.select([kept > 0.5, kept < 0.5], [1.0, 0.0], np.nan)
    known = judged.with_columns(majority=pl.Series(majority, dtype=pl.Float64))
    joined = faces.select(FACE).join(known, on=FACE, how="left", maintain_order="left")["majority"]
    return joined.fill_null(np.nan).to_numpy()
