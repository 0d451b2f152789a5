"""Metadata table of a release: one row per face, with file, labels, split, license, author and source."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from mtf import csv_files
from mtf.atomic import replacing
from mtf.params import Params
from mtf.release import credits, layout

KEYS = ["identity", "face_id"]
# Variants of the data set with splits.
DATA_SET = (layout.MULTI_TASK, layout.SINGLE_TASK)


def metadata(
    data: pl.DataFrame, files: pl.DataFrame, roster: pl.DataFrame, credit: pl.DataFrame, params: Params
) -> pl.DataFrame:
    """Rows of `data` (splits or the non-curated set) with their published files, sorted by file.

    `files` has identity, face_id, file and sha256, one file per face. `credit` is the table of `credits.credited`: each
    row names its author, as it may be passed on alone.
    """
    credit = credit.select(*KEYS, *(name for name in credits.CREDIT if name != "license"))
    split = [pl.col("split")] if "split" in data.columns else []
    return (
        data.join(files, on=KEYS, validate="1:1")
        .join(roster.select("identity", "name"), on="identity", how="left", validate="m:1")
        .join(credit, on=KEYS, how="left", validate="1:1")
        .select(
            "file",
            *split,
            *KEYS,
            "name",
            *params.attributes,
            *credits.CREDIT,
            "image_id",
            "duplicate_group",
            "sha256",
        )
        .sort("file")
    )


def main_files(files: pl.DataFrame, variants: Sequence[str]) -> pl.DataFrame:
    """One file per face, of the first of the `variants` that has it: identity, face_id, file, sha256."""
    rank = {variant: rank for rank, variant in enumerate(variants)}
    return (
        files.filter(pl.col("variant").is_in(variants))
        .sort(pl.col("variant").replace_strict(rank, default=None, return_dtype=pl.Int32), "path")
        .unique(KEYS, keep="first", maintain_order=True)
        .select(*KEYS, "sha256", file="path")
    )


def write(data: pl.DataFrame, folder: Path, name: str) -> None:
    """Write `NAME.parquet` and `NAME.csv` to `folder`."""
    with replacing(folder / f"{name}.parquet") as beside:
        data.write_parquet(beside, statistics=False)
    csv_files.write(folder / f"{name}.csv", data)
