"""Splits of a project and the input pictures of their faces, as every training and evaluation reads them."""

from __future__ import annotations

import numpy as np
import polars as pl

from mtf import schemas
from mtf.config import Params
from mtf.core.project_paths import ProjectPaths
from mtf.training import data, input_cache


def read_splits(workspace: ProjectPaths, params: Params) -> pl.DataFrame:
    """Table of splits, with the columns of combined tasks. Raises as `schemas.read`."""
    splits = schemas.read(schemas.splits(params), workspace.table("split", "splits"))
    return data.with_combined_columns(splits, params.tasks)


def read(workspace: ProjectPaths, params: Params) -> tuple[pl.DataFrame, np.ndarray]:
    """Table of `read_splits`, and the pictures of its rows: (faces, input_px, input_px, 3) uint8 RGB.

    Raises as `read_splits` and `input_cache.prepare`.
    """
    splits = read_splits(workspace, params)
    pictures = input_cache.prepare(
        splits,
        workspace.shards("crop"),
        workspace.stage("inputs"),
        size_px=params.train.input_px,
        alignment=params.train.alignment,
    )
    return splits, pictures
