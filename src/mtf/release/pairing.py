"""Which face of one version is which of another: ids follow from boxes, and boxes move with crop's parameters."""

from __future__ import annotations

import polars as pl

from mtf.review import matching
from mtf.tables import FACE

PLACE = ["x", "y", "width", "height"]


def paired(faces: pl.DataFrame, others: pl.DataFrame, *, box_iou: float) -> pl.DataFrame:
    """identity, face_id and other_id: each of `faces` that one of `others` is, at most one each.

    Both have identity, face_id, image_id, x, y, width and height; an unknown box is null. Faces of the same id are
    the same; the rest where the image is and the boxes overlap by at least `box_iou` (0 to 1, intersection over
    union), as decisions meet faces.
    """
    same = faces.select(FACE).join(others.select(FACE), on=FACE, how="semi").with_columns(other_id="face_id")
    rest, open_ones = faces.join(same, on=FACE, how="anti"), others.join(same, on=FACE, how="anti")
    boxes = rest.select("identity", "image_id", *PLACE, own_id="face_id")
    moved = (
        matching.match(boxes, open_ones, box_iou=box_iou)
        .join(open_ones.select(*FACE, *PLACE), on=FACE, suffix="_face")
        # Where two of `faces` meet the same one, it is the one with the most overlap.
        .sort(matching.iou(), "own_id", descending=[True, False])
        .unique(FACE, keep="first", maintain_order=True)
        .select("identity", pl.col("own_id").alias("face_id"), pl.col("face_id").alias("other_id"))
    )
    return pl.concat([same, moved])
