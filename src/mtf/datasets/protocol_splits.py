"""Splits of the papers' protocols into train, val and test."""

from __future__ import annotations

from enum import StrEnum

import numpy as np
import polars as pl
from sklearn.model_selection import train_test_split

from mtf.core.errors import BadInput, bad_value
from mtf.datasets.labelled import DataSet

TEST_SHARE, VAL_SHARE_OF_REST = 0.2, 0.1
PARTS = {"1": "train", "2": "test", "3": "val"}
STRATUM = "gender"


class Division(StrEnum):
    """Division of a data set: `parts` are UTKFace's published ones (Das et al.), `shares` is 72/8/20, stratified by
    gender (EFRS).
    """

    PARTS = "parts"
    SHARES = "shares"


def divided(data_set: DataSet, division: Division | None, *, seed: int) -> tuple[pl.Series, str]:
    """Split of each picture, and a line of text that describes it.

    By default UTKFace in its parts is divided by them, any other data set by shares. Raises BadInput if only some
    pictures are in parts.
    """
    parts = data_set.pictures["part"]
    in_parts = data_set.name == "utkface" and parts.null_count() < len(parts)
    if (division or (Division.PARTS if in_parts else Division.SHARES)) is Division.SHARES:
        counted = stratified(data_set.pictures, STRATUM, seed=seed)
        return counted, f"divided 72/8/20, stratified by {STRATUM}, seed {seed} (EFRS): {_counts(counted)}"
    counted = by_part(data_set.pictures)
    return counted, f"divided by part: I trains, II tests, III validates (Das et al.): {_counts(counted)}"


def stratified(pictures: pl.DataFrame, column: str, *, seed: int) -> pl.Series:
    """Split 72/8/20 into train, val and test, stratified by `column` in two steps (EFRS, section 3).

    Raises BadInput if a label has too few pictures for all three.
    """
    rows = np.arange(pictures.height)
    strata = pictures[column].to_numpy()
    try:
        rest, test = train_test_split(rows, test_size=TEST_SHARE, stratify=strata, random_state=seed)
        _, val = train_test_split(rest, test_size=VAL_SHARE_OF_REST, stratify=strata[rest], random_state=seed)
    except ValueError as error:
        raise BadInput(f"{pictures.height} pictures cannot be divided 72/8/20 by {column}: {error}") from None
    splits = np.full(pictures.height, "train", dtype=object)
    splits[val], splits[test] = "val", "test"
    return pl.Series("split", splits.tolist(), dtype=pl.String)


def by_part(pictures: pl.DataFrame) -> pl.Series:
    """Split of UTKFace by Das et al. (section 4.2): part I is train, II is test, III is val.

    The paper trains on three quarters of part I and fits "the classifier" on the rest: the support vector machine on
    its embedding, which the heads of the joint network replace. Here all of part I is train.
    """
    without_part = pictures.filter(pl.col("part").is_null() | ~pl.col("part").is_in(list(PARTS)))
    if not without_part.is_empty():
        permitted = "a file in a folder part1, part2 or part3; `--division shares` divides without parts"
        raise bad_value(
            f"UTKFace ({without_part.height} of {pictures.height} pictures)", without_part["file"][0], permitted
        )
    return pictures["part"].replace_strict(PARTS).alias("split")


def _counts(splits: pl.Series) -> str:
    counts = dict(splits.value_counts().iter_rows())
    return " / ".join(f"{counts.get(split, 0):,} {split}" for split in ("train", "val", "test"))
