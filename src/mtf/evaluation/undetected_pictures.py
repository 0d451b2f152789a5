"""Test pictures without a detected face: counted as errors of every model, or left out of the evaluation.

A figure on detected faces alone ignores the people whom the detector misses. `evaluation.undetected: error`
keeps their pictures as wrong answers. It suits pictures that are known to show their person; of crawled ones, some show
nobody.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from mtf import schemas
from mtf.config import WITH, Params
from mtf.core import atomic_files
from mtf.core.project_paths import ProjectPaths

FIGURES = "undetected"
NO_ANSWER = ""
# Label number of a picture without an answer.
NO_LABEL = -1


@dataclass(frozen=True)
class UndetectedPictures:
    """Test pictures without a detected face.

    rows: the pictures, with the columns of `schemas.undetected`.
    counted_as: `error` or `leave_out`.
    test_faces: number of test pictures with a face.
    """

    rows: pl.DataFrame
    counted_as: str
    test_faces: int

    @classmethod
    def read(cls, workspace: ProjectPaths, params: Params, splits: pl.DataFrame) -> UndetectedPictures:
        """Read `build/split/undetected.parquet`; a split of an older version has none."""
        path, table = workspace.table("split", "undetected"), schemas.undetected(params)
        rows = schemas.read(table, path) if path.is_file() else schemas.frame(table, [])
        return cls(rows, params.evaluation.undetected, splits.filter(split="test").height)

    @property
    def errors(self) -> pl.DataFrame:
        """Pictures that count as errors."""
        return self.rows if self.counted_as == "error" else self.rows.clear()

    def targets(self, columns: Sequence[str], labels: Sequence[str]) -> np.ndarray:
        """Label numbers (n,) of the errors for the task that predicts `columns`, as pictures that show these labels."""
        numbers = {label: number for number, label in enumerate(labels)}
        return np.array([numbers[label] for label in _joined(self.errors, columns)], np.int64)

    def predictions(self, columns: Sequence[str], *, task: str, model: str) -> pl.DataFrame:
        """Errors as rows of `schemas.PREDICTIONS` with the answer NO_ANSWER, and with the columns of the labels.

        The face_id, which there is none of, is the beginning of the image_id.
        """
        return self.errors.with_columns(
            face_id=pl.col("image_id").str.head(32),
            task=pl.lit(task),
            model=pl.lit(model),
            label=pl.Series(_joined(self.errors, columns), dtype=pl.String),
            predicted=pl.lit(NO_ANSWER),
            confidence=pl.lit(0.0, pl.Float32),
        )

    def write(self, workspace: ProjectPaths) -> None:
        """Write metrics/undetected.json."""
        figures = {
            "test_pictures": self.test_faces + self.rows.height,
            "undetected": self.rows.height,
            "counted_as": self.counted_as,
        }
        atomic_files.write_json(workspace.metrics(FIGURES), figures)

    @property
    def statement(self) -> str:
        return counted_statement(self.test_faces + self.rows.height, self.rows.height, self.counted_as)


def statement(workspace: ProjectPaths) -> str | None:
    """Sentence on the test pictures without a face, for every table of the evaluation; None without its figures."""
    try:
        figures: Mapping[str, Any] = json.loads(workspace.metrics(FIGURES).read_text(encoding="utf-8"))
        return counted_statement(figures["test_pictures"], figures["undetected"], figures["counted_as"])
    except (OSError, ValueError, KeyError):
        return None


def counted_statement(pictures: int, undetected: int, counted_as: str) -> str:
    """Sentence on `undetected` of all test `pictures`, `counted_as` error or leave_out."""
    what = "they count as errors" if counted_as == "error" else "they are left out"
    return f"Test pictures without a detected face: {undetected:,} of {pictures:,}; {what}."


def _joined(rows: pl.DataFrame, columns: Sequence[str]) -> list[str]:
    """Labels of a task that predicts one column, or the combination of several."""
    return rows.select(pl.concat_str(columns, separator=WITH)).to_series().to_list()
