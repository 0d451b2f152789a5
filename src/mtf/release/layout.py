"""Which file of a release holds which face: the folders of MTF, Figure 2 and section 4.2.

    multi_task/Train|Val|Test/RACE/GENDER/AGE/IDENTITY/FACE_ID.jpg
    single_task/race_classification|gender_classification|…|face_recognition/Train|Val|Test/LABEL/FACE_ID.jpg
    non_curated/RACE/GENDER/AGE/IDENTITY/FACE_ID.jpg

The levels are the label columns of `params.yaml`, in their order there; a project without one lacks that level.
The non-curated set has no splits: it is all that the machine found, meant for training generative models, and
a test set that no person has looked at would measure nothing.
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
    """One row per file of the release: identity, face_id, variant and path (relative, with `/`), sorted by path."""
    makers = {
        MULTI_TASK: lambda: _tree(splits, MULTI_TASK, ["split", *params.attributes, IDENTITY], params),
        SINGLE_TASK: lambda: _single_tasks(splits, params),
        NON_CURATED: lambda: _tree(non_curated, NON_CURATED, [*params.attributes, IDENTITY], params),
    }
    parts = [makers[variant]().with_columns(variant=pl.lit(variant)) for variant in params.release.variants]
    return pl.concat([part.select(*COLUMNS) for part in parts]).sort("path")


def task_folder(column: str) -> str:
    """`race_classification`, …; `face_recognition` for the column identity (MTF, section 4.2)."""
    return "face_recognition" if column == IDENTITY else f"{column}_classification"


def _single_tasks(splits: pl.DataFrame, params: Params) -> pl.DataFrame:
    columns = list(params.columns)
    trees = [_tree(splits, f"{SINGLE_TASK}/{task_folder(column)}", ["split", column], params) for column in columns]
    return pl.concat(trees)


def _tree(data: pl.DataFrame, root: str, levels: list[str], params: Params) -> pl.DataFrame:
    """`data` with the path of each row's file below `root`, one folder per level."""
    folders = [_folder_of(level, data, params) for level in levels]
    # One picture may show, to the machine, two identities: where no level tells them apart, the name does.
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
