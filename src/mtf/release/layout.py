"""Folder layout of a release: MTF, Figure 2 and section 4.2.

    multi_task/Train|Val|Test/LABEL/LABEL/…/IDENTITY/FACE_ID.jpg
    single_task/COLUMN_classification|…|face_recognition/Train|Val|Test/LABEL/FACE_ID.jpg
    non_curated/LABEL/LABEL/…/IDENTITY/FACE_ID.jpg

There is one level per label column of `params.yaml`, in the order there. The non-curated set has no splits: it has all
faces that the detector found, for training generative models, and an unreviewed test set would measure nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from mtf.params import IDENTITY, Params
from mtf.release.names import folder_names

SPLIT_FOLDERS = {"train": "Train", "val": "Val", "test": "Test"}
MULTI_TASK, SINGLE_TASK, NON_CURATED = "multi_task", "single_task", "non_curated"
VARIANTS = (MULTI_TASK, SINGLE_TASK, NON_CURATED)
COLUMNS = ("identity", "face_id", "variant", "path")


def planned(splits: pl.DataFrame, non_curated: pl.DataFrame, params: Params) -> pl.DataFrame:
    """Plan of a release, one row per file: identity, face_id, variant and path (relative, with `/`), sorted by path."""
    makers = {
        MULTI_TASK: lambda: _tree(splits, MULTI_TASK, ["split", *params.attributes, IDENTITY], params),
        SINGLE_TASK: lambda: _single_tasks(splits, params),
        NON_CURATED: lambda: _tree(non_curated, NON_CURATED, [*params.attributes, IDENTITY], params),
    }
    parts = [makers[variant]().with_columns(variant=pl.lit(variant)) for variant in params.release.variants]
    return pl.concat([part.select(*COLUMNS) for part in parts]).sort("path")


def task_folder(column: str) -> str:
    """Folder of a task: `COLUMN_classification`, or `face_recognition` for the column identity (MTF, section 4.2)."""
    return "face_recognition" if column == IDENTITY else f"{column}_classification"


def _single_tasks(splits: pl.DataFrame, params: Params) -> pl.DataFrame:
    columns = list(params.columns)
    trees = [_tree(splits, f"{SINGLE_TASK}/{task_folder(column)}", ["split", column], params) for column in columns]
    return pl.concat(trees)


def _tree(data: pl.DataFrame, root: str, levels: list[str], params: Params) -> pl.DataFrame:
    """`data` with the `path` of each row's file below `root`, one folder per level."""
    folders = [_folder_of(level, data, params) for level in levels]
    # Two identities may have the same picture: if no level distinguishes them, the file name does.
    twice = pl.struct(["face_id", *levels]).is_duplicated()
    identity = _folder_of(IDENTITY, data, params)
    file = pl.when(twice).then(pl.format("{}-{}.jpg", "face_id", identity)).otherwise(pl.format("{}.jpg", "face_id"))
    return data.with_columns(path=pl.concat_str([pl.lit(root), *folders, file], separator="/"))


def _folder_of(level: str, data: pl.DataFrame, params: Params) -> pl.Expr:
    if level == "split":
        return pl.col("split").replace_strict(SPLIT_FOLDERS, return_dtype=pl.String)
    names = folder_names(_labels_of(level, data, params))
    return pl.col(level).replace_strict(names, return_dtype=pl.String)


def _labels_of(level: str, data: pl.DataFrame, params: Params) -> Iterable[str]:
    return data[level].unique() if level == IDENTITY else params.attributes[level].labels
