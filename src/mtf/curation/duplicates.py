"""Of each group of duplicates one face is kept, and the others are told which and why."""

from __future__ import annotations

import polars as pl

from mtf.curation.components import components
from mtf.curation.material import GROUPS
from mtf.tables import FACE

AUTOMATIC = "automatic"


def superfluous(faces: pl.DataFrame, group: str) -> pl.DataFrame:
    """All members but one of every group in the column `group`, identity by identity.

    The one is whom the reviewers named (`named_by`, null where they did not); of these, or of all where they named
    none, the largest, then the sharpest, then the first by face_id. Columns: identity, face_id, decided_by, detail.
    """
    order = [pl.col("named_by").is_null(), -pl.col("size_px"), -pl.col("sharpness"), pl.col("face_id")]
    members = faces.filter(pl.col(group).is_not_null()).sort("identity", group, *order)
    kept = {
        f"kept_{column}": pl.col(column).first().over("identity", group)
        for column in ("face_id", "named_by", "size_px", "sharpness")
    }
    rest = members.with_columns(**kept).filter(pl.col("face_id") != pl.col("kept_face_id"))
    return rest.select(*FACE, decided_by=_decided_by(), detail=pl.format("kept {}: {}", "kept_face_id", _why()))


def _is_named() -> pl.Expr:
    return pl.col("kept_named_by").is_not_null() & pl.col("named_by").is_null()


def _decided_by() -> pl.Expr:
    return pl.when(_is_named()).then("kept_named_by").otherwise(pl.lit(AUTOMATIC))


def _why() -> pl.Expr:
    """The first of the criteria in which the kept face differs."""
    return (
        pl.when(_is_named())
        .then(pl.lit("named by the reviewers"))
        .when(pl.col("kept_size_px") != pl.col("size_px"))
        .then(pl.format("larger, {} px against {} px", "kept_size_px", "size_px"))
        .when(pl.col("kept_sharpness") != pl.col("sharpness"))
        .then(pl.format("sharper, {} against {}", pl.col("kept_sharpness").round(1), pl.col("sharpness").round(1)))
        .otherwise(pl.lit("alike in size and sharpness, the first by its id"))
    )


def inseparable(faces: pl.DataFrame) -> pl.Series:
    """The group of kept faces that must not part in the split, named by its least face_id; null for a face alone.

    Faces hang together by any group that screening put them in: exact, near, or across identities.
    """
    numbered = faces.select("face_id", component=pl.Series(components(faces, GROUPS), dtype=pl.Int64))
    least = pl.col("face_id").min().over("component")
    return numbered.select(pl.when(pl.len().over("component") > 1).then(least).alias("duplicate_group")).to_series()
