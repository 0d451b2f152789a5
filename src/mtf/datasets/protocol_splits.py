"""Splits of the papers' protocols into train, val and test."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import numpy as np
import polars as pl
from sklearn.model_selection import train_test_split

from mtf.core.errors import BadInput, bad_value
from mtf.datasets.labelled import DataSet

TEST_SHARE, VAL_SHARE_OF_REST = 0.2, 0.1
PARTS = {"1": "train", "2": "test", "3": "val"}
# Das et al., section 4.2: three quarters of part I fine-tune, the rest trains the classifier.
CLASSIFIER_SHARE = 0.25
CLASSIFIER_TABLE = "classifier"
MIN_TRAIN = 4
FAIRFACE_PARTS = ("train", "val")
STRATUM = "gender"


class Division(StrEnum):
    """Division of a data set: `parts` are the published ones of UTKFace (Das et al.) or FairFace, `shares` is 72/8/20,
    stratified by gender (EFRS).
    """

    PARTS = "parts"
    SHARES = "shares"


def divided(data_set: DataSet, division: Division | None, *, seed: int) -> tuple[pl.Series, str]:
    """Split of each picture, and a line of text that describes it.

    By default UTKFace in its parts is divided by them, any other data set by shares. Raises BadInput if only some
    pictures are in parts, or if a part is missing.
    """
    parts = data_set.pictures["part"]
    in_parts = data_set.name == "utkface" and parts.null_count() < len(parts)
    if (division or (Division.PARTS if in_parts else Division.SHARES)) is Division.SHARES:
        counted = stratified(data_set.pictures, STRATUM, seed=seed, order=data_set.attributes[STRATUM])
        return counted, f"divided 72/8/20, stratified by {STRATUM}, seed {seed} (EFRS): {_counts(counted)}"
    if data_set.name == "fairface":
        counted = by_fairface_part(data_set.pictures, seed=seed, order=data_set.attributes[STRATUM])
        return counted, f"divided as published: train trains and validates (90/10), val tests: {_counts(counted)}"
    counted = by_part(data_set.pictures)
    return counted, f"divided by part: I trains, II tests, III validates (Das et al.): {_counts(counted)}"


def stratified(pictures: pl.DataFrame, column: str, *, seed: int, order: Sequence[str]) -> pl.Series:
    """Split 72/8/20 into train, val and test, stratified by `column` in two steps (EFRS, section 3).

    `order`: labels of the column as the data set numbers them. scikit-learn draws label by label in their order, so the
    numbers 0 and 1 of UTKFace's genders give the split that others get with the same seed, and their names would not.

    Raises BadInput if a label has too few pictures for all three.
    """
    rows, strata = np.arange(pictures.height), _numbers(pictures, column, order)
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

    The paper fine-tunes on three quarters of part I and fits "the classifier" on the rest; `for_classifier` chooses it.
    """
    without_part = pictures.filter(pl.col("part").is_null() | ~pl.col("part").is_in(list(PARTS)))
    if not without_part.is_empty():
        permitted = (
            "a file in a folder part1, part2 or part3; without parts, `mtf dataset import utkface FOLDER --crops "
            "--division shares --to NEW` divides them 72/8/20"
        )
        raise bad_value(
            f"UTKFace ({without_part.height} of {pictures.height} pictures)", without_part["file"][0], permitted
        )
    if missing := sorted(PARTS.keys() - set(pictures["part"])):
        raise BadInput(
            f"UTKFace: no picture in part{missing[0]}, which is to {_DUTIES[PARTS[missing[0]]]}; "
            "all three parts are needed (Das et al.)"
        )
    return pictures["part"].replace_strict(PARTS).alias("split")


def for_classifier(split: pl.Series, *, seed: int) -> np.ndarray:
    """Mask (n,) of the training pictures that fit the classifier: a quarter, drawn from `seed`.

    Raises BadInput for too few training pictures.
    """
    rows = np.flatnonzero((split == "train").to_numpy())
    if len(rows) < MIN_TRAIN:
        raise BadInput(f"{len(rows)} pictures to train; at least {MIN_TRAIN} are needed to fine-tune and to fit")
    _, rest = train_test_split(rows, test_size=CLASSIFIER_SHARE, random_state=seed)
    mask = np.zeros(len(split), bool)
    mask[rest] = True
    return mask


def by_fairface_part(pictures: pl.DataFrame, *, seed: int, order: Sequence[str]) -> pl.Series:
    """Split of FairFace as its authors publish it: a tenth of `train` becomes val, and `val` becomes test.

    Raises BadInput for a file in another folder, and if one of the two is missing.
    """
    others = pictures.filter(pl.col("part").is_null() | ~pl.col("part").is_in(FAIRFACE_PARTS))
    if not others.is_empty():
        permitted = "a file in a folder train or val; `--division shares` divides 72/8/20"
        raise bad_value("FairFace", others["file"][0], permitted)
    if missing := sorted(set(FAIRFACE_PARTS) - set(pictures["part"])):
        raise BadInput(f"FairFace: no picture in {missing[0]}/; the published division needs train/ and val/")
    is_train = (pictures["part"] == "train").to_numpy()
    rows, strata = np.flatnonzero(is_train), _numbers(pictures, STRATUM, order)
    try:
        _, val = train_test_split(rows, test_size=VAL_SHARE_OF_REST, stratify=strata[rows], random_state=seed)
    except ValueError as error:
        raise BadInput(f"FairFace: {len(rows)} pictures of train/ cannot be divided 90/10: {error}") from None
    splits = np.where(is_train, "train", "test").astype(object)
    splits[val] = "val"
    return pl.Series("split", splits.tolist(), dtype=pl.String)


_DUTIES = {"train": "train", "test": "test", "val": "validate"}


def check_learnable(data_set: DataSet, split: pl.Series, columns: Sequence[str]) -> None:
    """Raise BadInput if a split is empty, or all its pictures have one label of a column: nothing can be learnt then.

    Of the validation and test parts, only the emptiness counts.
    """
    for name, duty in _DUTIES.items():
        part = data_set.pictures.filter(split == name)
        if part.is_empty():
            raise BadInput(f"{data_set.name}: no picture is left to {duty}, of {data_set.pictures.height} in all")
        for column in columns if name == "train" else ():
            if part[column].n_unique() == 1:
                raise BadInput(
                    f"{data_set.name}: all {part.height} pictures that train have the {column} {part[column][0]}; "
                    "at least two labels are needed"
                )


def _numbers(pictures: pl.DataFrame, column: str, order: Sequence[str]) -> np.ndarray:
    return (
        pictures[column].replace_strict({label: n for n, label in enumerate(order)}, return_dtype=pl.Int64).to_numpy()
    )


def _counts(splits: pl.Series) -> str:
    counts = dict(splits.value_counts().iter_rows())
    return " / ".join(f"{counts.get(split, 0):,} {split}" for split in ("train", "val", "test"))
