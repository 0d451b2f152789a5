"""Matching of faces between two versions: ids depend on boxes, and boxes move with the parameters of `crop`."""

from __future__ import annotations

import polars as pl

from mtf.review import matching
from mtf.tables import FACE

PLACE = ["x", "y", "width", "height"]


def paired(faces: pl.DataFrame, others: pl.DataFrame, *, box_iou: float) -> pl.DataFrame:
    """Pairs of matching faces: identity, face_id of `faces`, other_id of `others`; each face is in at most one pair.

    Both tables have identity, face_id, image_id, x, y, width and height; an unknown box is null. Faces match if they
    have the same id, or the same image and boxes that overlap by at least `box_iou` (0 to 1, intersection over union),
    as decisions are matched with faces.
    """
    same = faces.select(FACE).join(others.select(FACE), on=FACE, how="semi").with_columns(other_id="face_id")
    rest, open_ones = faces.join(same, on=FACE, how="anti"), others.join(same, on=FACE, how="anti")
    boxes = rest.select("identity", "image_id", *PLACE, own_id="face_id")
    moved = (
        matching.match(boxes, open_ones, box_iou=box_iou)
        .join(open_ones.select(*FACE, *PLACE), on=FACE, suffix="_face")
        # If two of `faces` match the same one, the one with the larger overlap is taken.
        .sort(matching.iou(), "own_id", descending=[True, False])
        .unique(FACE, keep="first", maintain_order=True)
        .select("identity", pl.col("own_id").alias("face_id"), pl.col("face_id").alias("other_id"))
    )
    return pl.concat([same, moved])
