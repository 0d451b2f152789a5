"""Verdicts of the panel with a model of the reviewers: where they are split and the model is sure, the model decides.

The majority stays wherever the model is not sure, knows too little, or all reviewers agree. A joint verdict always
stays.
"""

from __future__ import annotations

import polars as pl

from mtf.annotation.consensus import JOINT, Outcome, is_split
from mtf.schemas import FACE

KEY = [*FACE, "step"]
ASKED_OF_ALL = 0.1


def decided(verdicts: pl.DataFrame, opinions: pl.DataFrame, *, reviewers: int, min_confidence: float) -> pl.DataFrame:
    """Panel verdicts, with the model's on split faces that everyone voted on and that it is sure of.

    verdicts: as `consensus.verdicts` returns them.
    opinions: identity, face_id, step, and `stays`, the model's probability that the face passes the step.
    reviewers: size of the panel.
    min_confidence: the model is sure from this probability on, 0.5 to 1.

    Adds `confidence`: the model's probability of the verdict, 0 to 1; null for a joint one, without a verdict, and
    without a model. The model's own verdicts have `decided_by` "model AGREEING/GIVEN", such as "model 1/3".
    """
    joined = verdicts.join(opinions.select(*KEY, "stays"), on=KEY, how="left", maintain_order="left")
    is_joint = pl.col("decided_by") == JOINT
    sure = pl.max_horizontal("stays", 1 - pl.col("stays")) >= min_confidence
    kept = pl.col("outcome").is_in([Outcome.ACCEPT.value, Outcome.KEEP.value])
    keeps = pl.col("stays") >= 0.5
    differs = pl.when(keeps).then(~kept).otherwise(pl.col("outcome") != Outcome.REJECT.value)
    by_model = (is_split() & ~is_joint & (pl.col("given") >= reviewers) & sure & differs).fill_null(value=False)
    agreeing = pl.when(by_model & (pl.col("outcome") != Outcome.CONFLICT.value)).then(
        pl.col("given") - pl.col("agreeing")
    )
    marked = joined.with_columns(
        outcome=pl.when(by_model & keeps)
        .then(pl.lit(Outcome.ACCEPT.value))
        .when(by_model)
        .then(pl.lit(Outcome.REJECT.value))
        .otherwise("outcome"),
        reason=pl.when(by_model & keeps).then(None).when(by_model).then("given_reason").otherwise("reason"),
        agreeing=agreeing.otherwise("agreeing"),
        detail=pl.when(by_model)
        .then(
            pl.format("{}; the model is sure to {}", "detail", pl.max_horizontal("stays", 1 - pl.col("stays")).round(3))
        )
        .otherwise("detail"),
        by_model=by_model,
    )
    stays = pl.col("outcome").is_in([Outcome.ACCEPT.value, Outcome.KEEP.value])
    confidence = pl.when(stays).then("stays").when(pl.col("outcome") == Outcome.REJECT.value).then(1 - pl.col("stays"))
    return marked.with_columns(
        decided_by=pl.when("by_model").then(pl.format("model {}/{}", "agreeing", "given")).otherwise("decided_by"),
        confidence=pl.when(~is_joint).then(confidence),
    ).drop("stays", "by_model")


def needs_no_further_vote(
    verdicts: pl.DataFrame, opinions: pl.DataFrame, *, reviewers: int, min_confidence: float
) -> pl.DataFrame:
    """Faces and steps (identity, face_id, step) that need no vote of a further reviewer.

    A majority of the panel has voted, all alike, and the model is sure that they are right. A tenth of all faces
    (ASKED_OF_ALL, by their ids) needs every vote, so that two who err alike do not keep the third out.
    """
    joined = verdicts.join(opinions.select(*KEY, "stays"), on=KEY)
    alike = (pl.col("agreeing") == pl.col("given")) & (pl.col("given") > reviewers // 2)
    right = pl.when(pl.col("outcome") == Outcome.REJECT.value).then(1 - pl.col("stays")).otherwise("stays")
    number = pl.col("face_id").str.slice(0, 2).str.to_integer(base=16, strict=False)
    is_asked_of_all = (number < ASKED_OF_ALL * 256).fill_null(value=False)
    return joined.filter(alike, right >= min_confidence, ~is_asked_of_all).select(KEY)
