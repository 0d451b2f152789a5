"""Balance of a data set over attributes and their intersections, and the faces to collect or drop for it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from scipy.optimize import brentq
from scipy.stats import binomtest

DIGITS = 4


def cells(data: pl.DataFrame, attributes: Mapping[str, Sequence[str]]) -> list[dict[str, Any]]:
    """Cells: every combination of the attributes' labels, empty ones included.

    A cell has its labels, `n`, `share` (0 to 1) and the share's confidence interval of 95 % (Wilson), `low` and `high`.
    """
    counts = {row[:-1]: row[-1] for row in data.group_by(list(attributes)).len("n").iter_rows()}
    found = []
    for labels in itertools.product(*attributes.values()):
        n = counts.get(labels, 0)
        interval = binomtest(n, data.height).proportion_ci(method="wilson")
        share = {"share": n / data.height, "low": interval.low, "high": interval.high}
        rounded = {name: round(float(value), DIGITS) for name, value in share.items()}
        found.append({**dict(zip(attributes, labels, strict=True)), "n": n, **rounded})
    return found


def summary(counts: Sequence[int]) -> dict[str, float | int]:
    """Balance of the cells with the given `counts`:

    - `least`, `greatest`: smallest and largest count;
    - `ratio`: the smallest divided by the largest, 1 for a balanced set;
    - `evenness`: entropy divided by its maximum, 0 to 1;
    - `ratio_low`, `ratio_high`, `evenness_low`, `evenness_high`: confidence intervals of at least 95 %, which contain
      their figure;
    - `empty`: number of empty cells.

    The intervals are the extremes of both figures within the simultaneous confidence region of `_simultaneous`. A
    bootstrap does not fit: resampled counts are less even than those that they are drawn from, so its interval lies low
    and can miss the figure itself. The bootstrap of an extreme is not consistent where several cells are equal
    (Andrews, Inconsistency of the bootstrap when a parameter is on the boundary of the parameter space, 2000).
    """
    values = np.array(counts)
    found: dict[str, float | int] = {"least": int(values.min()), "greatest": int(values.max())}
    ends = _least_even(*_simultaneous(values)), _most_even(*_simultaneous(values))
    for name, figure in (("ratio", _ratio), ("evenness", _evenness)):
        found[name] = round(figure(values), DIGITS)
        found |= {
            f"{name}_{end}": round(figure(shares), DIGITS) for end, shares in zip(("low", "high"), ends, strict=True)
        }
    return found | {"empty": int((values == 0).sum())}


def _simultaneous(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper bounds of the cells' shares, (cells,) each, which all hold at once with 95 % confidence.

    Goodman, On simultaneous confidence intervals for multinomial proportions (Technometrics, 1965): Wilson's intervals,
    whose errors of 5 % are divided among the cells. Of two cells, one share decides the other.
    """
    errors = 0.05 / (len(counts) if len(counts) > 2 else 1)
    total = int(counts.sum())
    intervals = [binomtest(int(n), total).proportion_ci(1 - errors, method="wilson") for n in counts]
    return np.array([each.low for each in intervals]), np.array([each.high for each in intervals])


def _most_even(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Most even shares between the bounds: all at one level, but for those that cannot reach it."""
    if low.sum() >= 1:
        return low
    level = brentq(lambda value: np.clip(value, low, high).sum() - 1, low.min(), high.max())
    return np.clip(level, low, high)


def _least_even(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Least even shares between the bounds: the largest as large as can be, then the next one.

    They majorize all others, since larger counts have larger bounds on both sides; so their entropy is the smallest
    (Marshall and Olkin, Inequalities: theory of majorization, 1979), and so is their ratio.
    """
    shares, left = low.copy(), 1 - low.sum()
    for cell in np.argsort(-low, kind="stable"):
        added = min(high[cell] - low[cell], max(left, 0.0))
        shares[cell] += added
        left -= added
    return shares


def _ratio(numbers: np.ndarray) -> float:
    """Smallest number divided by the largest."""
    return float(numbers.min() / numbers.max())


def _evenness(numbers: np.ndarray) -> float:
    """Entropy of the numbers' shares, divided by its maximum."""
    if len(numbers) == 1:
        return 1.0
    shares = numbers[numbers > 0] / numbers.sum()
    return max(0.0, float(-(shares * np.log(shares)).sum() / math.log(len(numbers))))


def to_collect(counts: Sequence[int], *, ratio: float) -> list[int]:
    """Faces to add to each cell so that none has fewer than `ratio` times the largest count."""
    wanted = math.ceil(round(ratio * max(counts), 9))
    return [max(0, wanted - count) for count in counts]


def to_drop(counts: Sequence[int], *, ratio: float) -> list[int]:
    """Faces to drop from each cell so that the smallest non-empty one has at least `ratio` times the largest count."""
    most = math.floor(round(min(count for count in counts if count) / ratio, 9))
    return [max(0, count - most) for count in counts]


def report(
    data: pl.DataFrame, attributes: Mapping[str, Sequence[str]], *, ratio: float, together: int = 3
) -> dict[str, Any]:
    """Balance report: attributes, joined by ` × ` → `summary` and `cells`, each with the faces to `collect` and `drop`.

    It has single attributes, pairs and so on up to `together` of them. An attribute with only one label is reported by
    itself and takes no part in combinations. `ratio` is the balance to reach, 0 to 1.
    """
    several = [name for name, labels in attributes.items() if len(labels) > 1]
    chosen: list[tuple[str, ...]] = [(name,) for name in attributes]
    chosen += [names for size in range(2, together + 1) for names in itertools.combinations(several, size)]
    found = {}
    for names in chosen:
        rows = cells(data, {name: attributes[name] for name in names})
        counts = [row["n"] for row in rows]
        plans = zip(rows, to_collect(counts, ratio=ratio), to_drop(counts, ratio=ratio), strict=True)
        found[" × ".join(names)] = {
            "summary": summary(counts),
            "cells": [{**row, "collect": more, "drop": less} for row, more, less in plans],
        }
    return found
