"""Repeats over seeds: the splits of further seeds, and the mean of tables with its confidence interval.

The first seed has the project's own split. Each further one divides the same faces anew by the shares of that split,
stratified by the attribute; faces of one source image or one duplicate group stay together. So the interval has both
what the division and what the training leave to chance.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import mean, stdev
from typing import Any

import polars as pl
from scipy.stats import t

from mtf.config import Split
from mtf.core.errors import BadInput
from mtf.curation.split import assigned
from mtf.schemas import FACE

CONFIDENCE = 0.95
DIGITS = 4


def divided(splits: pl.DataFrame, attribute: str, *, seed: int) -> pl.Series:
    """Split of each row of a splits table, drawn anew from `seed` with the same shares, stratified by `attribute`.

    Raises BadInput if a split of the table has no face.
    """
    counts = dict(splits["split"].value_counts().iter_rows())
    if empty := [name for name in ("train", "val", "test") if not counts.get(name)]:
        raise BadInput(f"label {attribute}: no {empty[0]} pictures to fit on")
    rest = counts["val"] + counts["test"]
    shares = Split(
        train_share=counts["train"] / splits.height,
        val_share_of_rest=counts["val"] / rest,
        min_train=0,
        min_val=0,
        min_test=0,
    )
    drawn = assigned(splits.drop("split"), columns=[attribute], split=shares, seed=seed)
    return splits.select(FACE).join(drawn, on=FACE, how="left", maintain_order="left")["split"]


def combined(found: Sequence[Any]) -> Any:
    """Same tree as the trees `found`, one for each seed, whose figures are `mean_and_interval`.

    Counts that all seeds share, texts and names stay as they are; a branch that some seeds lack is that of the others.
    A single tree is returned as it is.
    """
    first = found[0]
    if len(found) == 1:
        return first
    if isinstance(first, Mapping):
        keys = dict.fromkeys(key for each in found for key in each)
        return {key: combined([each[key] for each in found if key in each]) for key in keys}
    if isinstance(first, float) or (any(each is not None for each in found) and first is None):
        return mean_and_interval(found)
    if isinstance(first, int) and len(set(found)) > 1:
        return mean_and_interval(found)
    return first


def mean_and_interval(values: Sequence[float | None]) -> dict[str, float | None]:
    """Mean over seeds and its 95 % confidence interval by Student's t: `mean`, `low`, `high`, number of `seeds`.

    Undefined values (None) are left out. The interval is None where fewer than two are left.
    """
    defined = [value for value in values if value is not None]
    if not defined:
        return {"mean": None, "low": None, "high": None, "seeds": 0}
    middle, low, high = mean(defined), None, None
    if len(defined) > 1:
        half = float(t.ppf((1 + CONFIDENCE) / 2, len(defined) - 1)) * stdev(defined) / math.sqrt(len(defined))
        low, high = round(middle - half, DIGITS), round(middle + half, DIGITS)
    return {"mean": round(middle, DIGITS), "low": low, "high": high, "seeds": len(defined)}


def mean_of(figure: Any) -> float | None:
    """Mean of a figure in a table, be it of one seed or of several."""
    return figure["mean"] if isinstance(figure, Mapping) else figure


def interval_of(figure: Any) -> tuple[float | None, float | None]:
    """Interval of a figure in a table, (None, None) if it is of one seed."""
    return (figure["low"], figure["high"]) if isinstance(figure, Mapping) else (None, None)
