"""Matching of decisions to faces: same image, same identity, and overlapping boxes.

Decisions are keyed by image and box, not by file, so that cropping again with other parameters keeps the reviewers'
work.
"""

from __future__ import annotations

import polars as pl

from mtf.schemas import BOX, FACE, IMAGE


def match(decisions: pl.DataFrame, faces: pl.DataFrame, *, box_iou: float) -> pl.DataFrame:
    """Decisions, in their order, with the `face_id` of the face they match; null where they match none.

    Both tables have identity, image_id, x, y, width, height. Of several faces that overlap by at least `box_iou`
    (intersection over union, 0 to 1) the one with the largest overlap is taken.
    """
    boxes = decisions.select(*IMAGE, *BOX).unique()
    pairs = boxes.join(faces.select(*FACE, "image_id", *BOX), on=IMAGE, suffix="_face")
    matched = (
        pairs.with_columns(iou=iou())
        .filter(pl.col("iou") >= box_iou)
        .sort(pl.col("iou"), "face_id", descending=[True, False])
        .unique([*IMAGE, *BOX], keep="first", maintain_order=True)
        .select(*IMAGE, *BOX, "face_id")
    )
    return decisions.join(matched, on=[*IMAGE, *BOX], how="left", maintain_order="left")


def iou() -> pl.Expr:
    """Intersection over union (0 to 1) of the boxes x, y, width, height and x_face, y_face, width_face, height_face."""
    shared = _overlap("x", "width") * _overlap("y", "height")
    areas = pl.col("width") * pl.col("height") + pl.col("width_face").cast(pl.Int64) * pl.col("height_face")
    return shared / (areas - shared)


def _overlap(start: str, length: str) -> pl.Expr:
    """Pixels that two boxes share along one axis."""
    first = pl.max_horizontal(start, f"{start}_face")
    last = pl.min_horizontal(pl.col(start) + pl.col(length), pl.col(f"{start}_face") + pl.col(f"{length}_face"))
    return (last - first).clip(lower_bound=0).cast(pl.Int64)
