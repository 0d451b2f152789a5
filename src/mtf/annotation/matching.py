"""Matching of decisions to faces: same image, same identity, and overlapping boxes.

Decisions are keyed by image and box, not by file, so that cropping again with other parameters or by another detector
keeps the reviewers' work. Detectors differ in what they frame: Haar's square holds eyes, nose and mouth, others reach
from forehead to chin. Boxes of the same face then overlap by less than half, but one lies inside the other.
"""

from __future__ import annotations

from typing import Any

import polars as pl

from mtf.annotation.decision import Verdict
from mtf.schemas import BOX, FACE, IMAGE, Step

# Measured on the sample and ORL, with Haar, CenterFace and MTCNN: these bounds leave no decision without its face.
MIN_NESTED_SHARE = 0.85
MIN_NESTED_IOU = 0.2
MAX_NESTED_DISTANCE = 0.25

_PLACE = [*IMAGE, *BOX]


def match(decisions: pl.DataFrame, faces: pl.DataFrame, *, box_iou: float) -> pl.DataFrame:
    """Decisions, in their order, with the `face_id` of the face they match; null where they match none.

    Both tables have identity, image_id, x, y, width, height. Of several faces that overlap by at least `box_iou`
    (intersection over union, 0 to 1) the one with the largest overlap is taken.

    A face that no box meets in this way is met by the box that is nested with it, see `is_nested`. If the decisions
    have a step and a verdict, a rejection at the step `face` does not match a nested face: a box inside a face may be
    rejected as a part of it, while the whole face is one.
    """
    boxes = decisions.select(_PLACE).unique()
    pairs = boxes.join(faces.select(*FACE, "image_id", *BOX), on=IMAGE, suffix="_face").with_columns(iou=iou())
    overlapping = _first_of_each(pairs.filter(pl.col("iou") >= box_iou), _PLACE)
    rest = pairs.join(overlapping, on=_PLACE, how="anti").join(overlapping, on=FACE, how="anti")
    nested = _first_of_each(_first_of_each(rest.filter(is_nested()), FACE), _PLACE)
    matched = pl.concat([overlapping.with_columns(nested=False), nested.with_columns(nested=True)])
    found = decisions.join(
        matched.select(*_PLACE, "face_id", "nested"), on=_PLACE, how="left", maintain_order="left"
    ).with_row_index("_row")
    lost = _rejections_as_no_face(found) if {"step", "verdict"} <= set(decisions.columns) else []
    face = pl.when(~pl.col("_row").is_in(lost)).then("face_id")
    return found.with_columns(face_id=face).drop("nested", "_row")


def iou() -> pl.Expr:
    """Intersection over union (0 to 1) of the boxes x, y, width, height and x_face, y_face, width_face, height_face."""
    shared = _shared_area()
    own, face = _areas()
    return shared / (own + face - shared)


def is_nested() -> pl.Expr:
    """True if one of two boxes (columns as in `iou`) lies inside the other, around nearly the same middle.

    At least MIN_NESTED_SHARE of the smaller box lies inside the larger one, which it fills by MIN_NESTED_IOU or more,
    and the middles are at most MAX_NESTED_DISTANCE of the larger box's longer side apart.
    """
    own, face = _areas()
    longer = pl.max_horizontal("width", "height", "width_face", "height_face")
    across, down = _distance("x", "width"), _distance("y", "height")
    return (
        (_shared_area() >= MIN_NESTED_SHARE * pl.min_horizontal(own, face))
        & (iou() >= MIN_NESTED_IOU)
        & ((across**2 + down**2).sqrt() <= MAX_NESTED_DISTANCE * longer)
    )


def _first_of_each(pairs: pl.DataFrame, key: list[str]) -> pl.DataFrame:
    """Pair with the largest overlap for each value of `key`."""
    ordered = pairs.sort("iou", "face_id", *BOX, descending=[True, False, *[False] * len(BOX)])
    return ordered.unique(key, keep="first", maintain_order=True)


def _shared_area() -> pl.Expr:
    return _overlap("x", "width") * _overlap("y", "height")


def _areas() -> tuple[pl.Expr, pl.Expr]:
    return (
        pl.col("width").cast(pl.Int64) * pl.col("height"),
        pl.col("width_face").cast(pl.Int64) * pl.col("height_face"),
    )


def _overlap(start: str, length: str) -> pl.Expr:
    """Pixels that two boxes share along one axis."""
    first = pl.max_horizontal(start, f"{start}_face")
    last = pl.min_horizontal(pl.col(start) + pl.col(length), pl.col(f"{start}_face") + pl.col(f"{length}_face"))
    return (last - first).clip(lower_bound=0).cast(pl.Int64)


def _distance(start: str, length: str) -> pl.Expr:
    """Pixels between the middles of two boxes along one axis."""
    own, face = (
        pl.col(start) + pl.col(length) / 2,
        pl.col(f"{start}_face") + pl.col(f"{length}_face") / 2,
    )
    return own - face


def _rejections_as_no_face(found: pl.DataFrame) -> list[int]:
    """Rows of decisions on nested boxes that reject a box at the step `face`, each with the undo that withdraws it."""
    lines = found.filter(pl.col("nested"), pl.col("step") == Step.FACE)
    key = [name for name in ("reviewer", "joint", *_PLACE) if name in lines.columns]
    rejections: list[int] = []
    stacks: dict[tuple[Any, ...], list[tuple[int, str]]] = {}
    for row, verdict, *place in lines.select("_row", "verdict", *key).iter_rows():
        stack = stacks.setdefault(tuple(place), [])
        if verdict == Verdict.REJECT:
            rejections.append(row)
        if verdict != Verdict.UNDO:
            stack.append((row, verdict))
        elif stack and stack.pop()[1] == Verdict.REJECT:
            rejections.append(row)
    return rejections
