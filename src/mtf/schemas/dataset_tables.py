"""Tables of the data set: curated and non-curated faces, exclusions with their reasons, splits and predictions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pandera.polars as pa
import polars as pl

from mtf.config import Params
from mtf.schemas import funnel_steps
from mtf.schemas.columns import (
    BOX,
    CROP_PLACE,
    column,
    holds,
    identity,
    labels,
    matches,
    one_label_per_identity,
    one_of,
    table,
    text,
)
from mtf.schemas.contract import Table
from mtf.schemas.enums import FACE_ID, SHA256, SPLITS


def _data_set(params: Params) -> dict[str, pa.Column]:
    """Columns of a face in the data set, shared by the tables curated, non_curated and splits."""
    return {
        "identity": identity(),
        "face_id": column(pl.String, matches(FACE_ID)),
        "image_id": column(pl.String, matches(SHA256)),
        **BOX,
        **CROP_PLACE,
        "license": text(),
        "duplicate_group": column(pl.String, matches(FACE_ID), null=True),
        **labels(params),
        "decided_by": text(null=False),
    }


def curated(params: Params) -> Table:
    """Contract of the faces that passed the funnel. Faces of one `duplicate_group` go to the same split.

    `decided_by` is the weakest decision by which a face passed: "panel 2/3", "model 1/3", "joint" or "automatic".
    `confidence` is the least probability, over the steps, that the model of the reviewers gives to the verdict; null
    without a model, and in tables of older versions.
    """
    least = params.curate.min_images_per_identity
    checks = [
        holds(pl.col("image_id").n_unique().over("identity") >= least, f"at least {least} images per identity"),
        *one_label_per_identity(params),
    ]
    columns = _data_set(params) | {"confidence": column(pl.Float32, pa.Check.in_range(0, 1), null=True)}
    return table("curated", columns, unique=["identity", "face_id"], checks=checks)


def non_curated(params: Params) -> Table:
    """Contract of the automatic crops with the roster's labels, without review (MTF's second set)."""
    return table(
        "non_curated",
        _data_set(params),
        unique=["identity", "face_id"],
        checks=one_label_per_identity(params),
    )


def _registered(kind: str, names: Callable[[], Sequence[str]]) -> pa.Check:
    """Check that a value is one of `names()`, called at each check: steps may be registered until then."""
    return pa.Check(
        lambda data: data.lazyframe.select(pl.col(data.key).is_in([str(name) for name in names()])),
        name=f"registered {kind}",
        error=f"registered {kind}",
    )


EXCLUSIONS = table(
    "exclusions",
    {
        "identity": identity(),
        "face_id": column(pl.String, matches(FACE_ID)),
        "image_id": column(pl.String, matches(SHA256)),
        "step": column(pl.String, _registered("funnel step", funnel_steps.names)),
        "reason": column(pl.String, _registered("reason", funnel_steps.reasons)),
        "decided_by": text(null=False),
        "detail": text(),
    },
    unique=["identity", "face_id"],
)


def splits(params: Params) -> Table:
    """Contract of the data set with its splits; no duplicate group and no source image lies in two of them."""
    apart = [
        holds(
            pl.col(key).is_null() | (pl.col("split").n_unique().over(key) == 1),
            f"one split per {key}",
        )
        for key in ("duplicate_group", "image_id")
    ]
    return table(
        "splits",
        _data_set(params) | {"split": column(pl.String, one_of(SPLITS))},
        unique=["identity", "face_id"],
        checks=[*apart, *one_label_per_identity(params)],
    )


def undetected(params: Params) -> Table:
    """Contract of the images without a detected face that may be used, with the roster's labels."""
    key = {"identity": identity(), "image_id": column(pl.String, matches(SHA256))}
    return table("undetected", {**key, **labels(params)}, unique=["identity", "image_id"])


# Predictions of each trained model for the faces of the test split.
# confidence: of the predicted label, 0 to 1.
PREDICTIONS = table(
    "predictions",
    {
        "identity": identity(),
        "face_id": column(pl.String, matches(FACE_ID)),
        "task": text(null=False),
        "model": text(null=False),
        "label": text(null=False),
        "predicted": text(null=False),
        "confidence": column(pl.Float32, pa.Check.in_range(0, 1)),
    },
    unique=["identity", "face_id", "task", "model"],
)

# Probabilities that a multi-task network gives to the labels of each task, for the faces of the test split.
# probabilities: in the order of the task's labels, 0 to 1; they sum to 1.
PROBABILITIES = table(
    "probabilities",
    {
        "identity": identity(),
        "face_id": column(pl.String, matches(FACE_ID)),
        "task": text(null=False),
        "probabilities": pa.Column(pl.List(pl.Float32)),
    },
    unique=["identity", "face_id", "task"],
)
