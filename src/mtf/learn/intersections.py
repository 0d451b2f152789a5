"""The multi-task network's results, attribute by attribute and at their intersections (Das et al., Tables 1 to 5)."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import polars as pl
from sklearn.metrics import confusion_matrix

from mtf.learn import fairness

CELL_PX = 56
MARGIN_PX = 40


def accuracies(predictions: pl.DataFrame) -> dict[str, float]:
    """Per task, and `all`: every task right at once (Tables 1 and 5). `predictions` as tables.PREDICTIONS."""
    right = predictions.with_columns(right=pl.col("label") == pl.col("predicted"))
    per_task = right.group_by("task", maintain_order=True).agg(pl.col("right").mean())
    together = right.group_by("identity", "face_id").agg(pl.col("right").all())
    figures = dict(per_task.iter_rows()) | {"all": together.select(pl.col("right").mean()).item()}
    return {name: round(float(value), fairness.DIGITS) for name, value in figures.items()}


def by_attribute(
    predictions: pl.DataFrame, columns: Mapping[str, str], attributes: Mapping[str, Sequence[str]], *, seed: int
) -> dict[str, dict[str, dict[str, Any]]]:
    """Task → label of another attribute → accuracy and its interval (Tables 2 to 4).

    `predictions` has the attributes' columns; `columns`: task → its own column.
    """
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for task, column in columns.items():
        part = predictions.filter(task=task)
        found[task] = {
            str(row.pop(other)): row
            for other, labels in attributes.items()
            if other != column
            for row in fairness.by_group(part, {other: labels}, seed=seed)
        }
    return found


def confusions(predictions: pl.DataFrame, labels: Sequence[str], others: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """One confusion matrix per intersection of the other attributes (Figures 2 to 4).

    `{"labels": […], "groups": [{"group": {column: label}, "n": int, "matrix": [[…]]}]}`; rows are true labels.
    """
    groups = []
    for values in itertools.product(*others.values()):
        group = dict(zip(others, values, strict=True))
        part = predictions.filter(**group)
        matrix = confusion_matrix(part["label"], part["predicted"], labels=list(labels)) if part.height else None
        zeros = np.zeros((len(labels), len(labels)), int)
        groups.append({"group": group, "n": part.height, "matrix": (zeros if matrix is None else matrix).tolist()})
    return {"labels": list(labels), "groups": groups}


def picture(matrices: Mapping[str, Any], *, title: str) -> bytes:
    """The matrices as one PNG, a tile each: darker is a greater share of its row; the number is the count."""
    tiles = [_tile(group, len(matrices["labels"])) for group in matrices["groups"]]
    across = max(1, int(np.ceil(np.sqrt(len(tiles)))))
    blank = np.full_like(tiles[0], 255)
    rows = [tiles[start : start + across] for start in range(0, len(tiles), across)]
    rows[-1] += [blank] * (across - len(rows[-1]))
    canvas = np.vstack([np.hstack(row) for row in rows])
    head = np.full((MARGIN_PX, canvas.shape[1], 3), 255, np.uint8)
    _write(head, f"{title}: rows true, columns predicted ({', '.join(matrices['labels'])})", (8, 26))
    return cv2.imencode(".png", np.vstack([head, canvas]))[1].tobytes()


def _tile(group: Mapping[str, Any], labels: int) -> np.ndarray:
    side = max(labels * CELL_PX, 200)
    tile = np.full((side + MARGIN_PX, side + 16, 3), 255, np.uint8)
    _write(tile, f"{' '.join(group['group'].values())}  n={group['n']}", (4, 24))
    for row, counts in enumerate(group["matrix"]):
        for column, count in enumerate(counts):
            share = count / max(sum(counts), 1)
            x, y = column * CELL_PX + 4, row * CELL_PX + MARGIN_PX
            shade = int(255 * (1 - share))
            cv2.rectangle(tile, (x, y), (x + CELL_PX - 2, y + CELL_PX - 2), (255, 255 - (255 - shade) // 2, shade), -1)
            _write(tile, str(count), (x + 12, y + 34))
    return tile


def _write(canvas: np.ndarray, text: str, place: tuple[int, int]) -> None:
    # OpenCV's fonts hold ASCII only.
    plain = text.encode("ascii", "replace").decode("ascii")
    cv2.putText(canvas, plain, place, cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1, cv2.LINE_AA)
