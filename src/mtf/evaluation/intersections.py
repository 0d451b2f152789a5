"""Results of the multi-task network by attribute and intersection, and a picture of its confusion matrices.

As in Das et al., Tables 1 to 5 and Figures 2 to 5. The picture has a tile for each group; a cell is darker for a larger
share of its row.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import polars as pl
from sklearn.metrics import confusion_matrix

from mtf.config import WITH, Fairness
from mtf.core.console import tracked
from mtf.evaluation import fairness
from mtf.evaluation.figure_files import ALL

# Das et al. have 56: seven ages × two genders × four races. A matrix of this many rows still fits into a file.
MAX_JOINT_LABELS = 512
MAX_SIDE_PX = 4096
CELL_PX = 56
# Smaller cells have no room for a number or for a label beside them.
WRITTEN_CELL_PX = 28
MIN_CELL_PX = 3
MARGIN_PX = 40
MIN_TILE_PX = 200
LETTER_PX = 8


def accuracies(predictions: pl.DataFrame) -> dict[str, float]:
    """Task → accuracy, 0 to 1, and `all`: share of pictures with every task correct (Tables 1 and 5).

    `predictions` has the columns of schemas.PREDICTIONS.
    """
    right = predictions.with_columns(right=pl.col("label") == pl.col("predicted"))
    per_task = right.group_by("task", maintain_order=True).agg(pl.col("right").mean())
    at_once = together(predictions, ["identity"])
    share = at_once.select((pl.col("label") == pl.col("predicted")).mean()).item()
    figures = dict(per_task.iter_rows()) | {ALL: share}
    return {name: round(float(value), fairness.DIGITS) for name, value in figures.items()}


def together(predictions: pl.DataFrame, columns: Sequence[str], *, also: Sequence[str] = ()) -> pl.DataFrame:
    """A row for each picture, whose answer is right if that of every task is: `label`, `predicted`, the columns `also`,
    and `identity` if it is among `columns`.
    """
    right = (pl.col("label") == pl.col("predicted")).all()
    each = predictions.group_by("identity", "face_id", maintain_order=True).agg(pl.col(also).first(), right=right)
    kept = [name for name in ("identity",) if name in columns]
    answer = pl.when("right").then(pl.lit("right")).otherwise(pl.lit("wrong"))
    return each.select(*kept, *also, label=pl.lit("right"), predicted=answer)


def by_attribute(
    predictions: pl.DataFrame,
    own: Mapping[str, Sequence[str]],
    attributes: Mapping[str, Sequence[str]],
    *,
    seed: int,
    settings: Fairness = fairness.DEFAULT,
) -> dict[str, dict[str, dict[str, dict[str, Any]]]]:
    """Task → another attribute → its label → accuracy and intervals, as in `fairness.by_group` (Tables 2 to 4).

    `predictions` also has the attributes' columns; `own`: task → the columns that it predicts.
    """

    def measured(part: pl.DataFrame, other: str, labels: Sequence[str]) -> list[dict[str, Any]]:
        return fairness.by_group(part, {other: labels}, seed=seed, settings=settings)

    found: dict[str, dict[str, dict[str, dict[str, Any]]]] = {}
    for task, columns in tracked(own.items(), total=len(own), title="groups, task"):
        part = predictions.filter(task=task)
        found[task] = {
            other: {str(row.pop(other)): _defined(row) for row in measured(part, other, labels)}
            for other, labels in attributes.items()
            if other not in columns
        }
    return found


def _defined(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if value is not None}


def confusions(predictions: pl.DataFrame, labels: Sequence[str], others: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Confusion matrices, one per intersection of the other attributes (Figures 2 to 4); rows are true labels.

    `{"labels": […], "groups": [{"group": {column: label}, "n": int, "matrix": [[…]]}]}`.
    """
    groups = []
    for values in itertools.product(*others.values()):
        group = dict(zip(others, values, strict=True))
        part = predictions.filter(**group)
        groups.append({"group": group, "n": part.height, "matrix": _matrix(part, labels)})
    return {"labels": list(labels), "groups": groups}


def jointly(predictions: pl.DataFrame, labels: Mapping[str, Sequence[str]]) -> dict[str, Any] | None:
    """Confusion matrix of all tasks at once (Figure 5), as `confusions` with a single group.

    A joint label combines one label of each task, joined by ` × `. `labels`: task → labels. None if there are more than
    `MAX_JOINT_LABELS` combinations.
    """
    if math.prod(len(names) for names in labels.values()) > MAX_JOINT_LABELS:
        return None
    joint = [WITH.join(names) for names in itertools.product(*labels.values())]
    answers = {
        which: predictions.pivot("task", index=["identity", "face_id"], values=which).select(
            "identity", "face_id", pl.concat_str(list(labels), separator=WITH).alias(which)
        )
        for which in ("label", "predicted")
    }
    together = answers["label"].join(answers["predicted"], on=["identity", "face_id"])
    return {"labels": joint, "groups": [{"group": {}, "n": together.height, "matrix": _matrix(together, joint)}]}


def _matrix(predictions: pl.DataFrame, labels: Sequence[str]) -> list[list[int]]:
    if predictions.is_empty():
        return [[0] * len(labels) for _ in labels]
    return confusion_matrix(predictions["label"], predictions["predicted"], labels=list(labels)).tolist()


def confusion_picture(matrices: Mapping[str, Any], *, title: str) -> bytes | None:
    """PNG of the matrices that `intersections.confusions` returns, at most `MAX_SIDE_PX` on a side.

    Rows are true labels and columns predicted ones, in the order of `labels`; the number in a cell is its count. Cells
    become smaller, and lose their numbers, with the number of labels. None if even the smallest cells do not fit.
    """
    labels, groups = matrices["labels"], matrices["groups"]
    across = max(1, math.ceil(math.sqrt(len(groups))))
    names_px = _names_px(labels) if len(groups) == 1 else 0
    room = (MAX_SIDE_PX - MARGIN_PX) // across - MARGIN_PX - names_px
    cell = min(CELL_PX, room // len(labels))
    if cell < MIN_CELL_PX:
        return None
    tiles = [_tile(group, labels if names_px else [""] * len(labels), cell, names_px) for group in groups]
    blank = np.full_like(tiles[0], 255)
    rows = [tiles[start : start + across] for start in range(0, len(tiles), across)]
    rows[-1] += [blank] * (across - len(rows[-1]))
    canvas = np.vstack([np.hstack(row) for row in rows])
    head = np.full((MARGIN_PX, canvas.shape[1], 3), 255, np.uint8)
    order = "in the same order" if names_px else ", ".join(labels)
    _write(head, f"{title}: rows true, columns predicted ({order})", (8, 26))
    return cv2.imencode(".png", np.vstack([head, canvas]))[1].tobytes()


def _names_px(labels: Sequence[str]) -> int:
    return min(max(len(label) for label in labels) * LETTER_PX, MAX_SIDE_PX // 4)


def _tile(group: Mapping[str, Any], names: Sequence[str], cell: int, names_px: int) -> np.ndarray:
    side = max(len(names) * cell, MIN_TILE_PX)
    tile = np.full((side + MARGIN_PX, side + names_px + 16, 3), 255, np.uint8)
    _write(tile, f"{' '.join(group['group'].values())}  n={group['n']}".strip(), (4, 24))
    for row, (name, counts) in enumerate(zip(names, group["matrix"], strict=True)):
        y = row * cell + MARGIN_PX
        if cell >= WRITTEN_CELL_PX:
            _write(tile, name, (4, y + cell // 2 + 4))
        for column, count in enumerate(counts):
            x = column * cell + names_px + 4
            _fill(tile, (x, y), cell, share=count / max(sum(counts), 1))
            if cell >= WRITTEN_CELL_PX:
                _write(tile, str(count), (x + cell // 5, y + cell // 2 + 6))
    return tile


def _fill(tile: np.ndarray, corner: tuple[int, int], cell: int, *, share: float) -> None:
    x, y = corner
    side = cell - (2 if cell >= WRITTEN_CELL_PX else 0)
    shade = int(255 * (1 - share))
    tile[y : y + side, x : x + side] = (255, 255 - (255 - shade) // 2, shade)


def _write(canvas: np.ndarray, text: str, place: tuple[int, int]) -> None:
    # OpenCV's fonts have ASCII characters only.
    plain = text.replace("×", "x").encode("ascii", "replace").decode("ascii")
    cv2.putText(canvas, plain, place, cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1, cv2.LINE_AA)
