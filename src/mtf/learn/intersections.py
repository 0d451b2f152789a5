"""Results of the multi-task network by attribute and at their intersections (Das et al., Tables 1–5, Figures 2–5)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
from sklearn.metrics import confusion_matrix

from mtf.learn import fairness
from mtf.params import WITH

ALL = "all"
# Das et al. have 56: seven ages × two genders × four races. A matrix of this many rows still fits into a file.
MAX_JOINT_LABELS = 512


def accuracies(predictions: pl.DataFrame) -> dict[str, float]:
    """Task → accuracy, 0 to 1, and `all`: share of pictures with every task correct (Tables 1 and 5).

    `predictions` has the columns of tables.PREDICTIONS.
    """
    right = predictions.with_columns(right=pl.col("label") == pl.col("predicted"))
    per_task = right.group_by("task", maintain_order=True).agg(pl.col("right").mean())
    together = right.group_by("identity", "face_id").agg(pl.col("right").all())
    figures = dict(per_task.iter_rows()) | {ALL: together.select(pl.col("right").mean()).item()}
    return {name: round(float(value), fairness.DIGITS) for name, value in figures.items()}


def by_attribute(
    predictions: pl.DataFrame,
    own: Mapping[str, Sequence[str]],
    attributes: Mapping[str, Sequence[str]],
    *,
    seed: int,
    min_n: int = fairness.MIN_N,
    bootstraps: int = fairness.BOOTSTRAPS,
) -> dict[str, dict[str, dict[str, dict[str, Any]]]]:
    """Task → another attribute → its label → accuracy and intervals, as in `fairness.by_group` (Tables 2 to 4).

    `predictions` also has the attributes' columns; `own`: task → the columns that it predicts.
    """

    def measured(part: pl.DataFrame, other: str, labels: Sequence[str]) -> list[dict[str, Any]]:
        return fairness.by_group(part, {other: labels}, seed=seed, min_n=min_n, bootstraps=bootstraps)

    found: dict[str, dict[str, dict[str, dict[str, Any]]]] = {}
    for task, columns in own.items():
        part = predictions.filter(task=task)
        found[task] = {
            other: {str(row.pop(other)): row for row in measured(part, other, labels)}
            for other, labels in attributes.items()
            if other not in columns
        }
    return found


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
