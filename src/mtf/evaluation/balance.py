"""Balance of a data set over attributes and their intersections, and the faces to collect or drop for it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from scipy.stats import binomtest

DIGITS = 4
BOOTSTRAPS = 1000


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


def summary(counts: Sequence[int], *, seed: int) -> dict[str, float | int]:
    """Balance of the cells with the given `counts`:

    - `least`, `greatest`: smallest and largest count;
    - `ratio`: the smallest divided by the largest, 1 for a balanced set;
    - `evenness`: entropy divided by its maximum, 0 to 1;
    - `ratio_low`, `ratio_high`, `evenness_low`, `evenness_high`: bootstrap confidence intervals of 95 %;
    - `empty`: number of empty cells.

    An interval may lie beside its figure: resampled counts are less even than those they are drawn from.
    """
    values = np.array(counts)
    resampled = np.random.default_rng(seed).multinomial(values.sum(), values / values.sum(), BOOTSTRAPS)
    found: dict[str, float | int] = {"least": int(values.min()), "greatest": int(values.max())}
    for name, figure in (("ratio", _ratio), ("evenness", _evenness)):
        low, high = np.quantile(figure(resampled), [0.025, 0.975])
        found[name] = round(float(figure(values[None])[0]), DIGITS)
        found |= {f"{name}_low": round(float(low), DIGITS), f"{name}_high": round(float(high), DIGITS)}
    return found | {"empty": int((values == 0).sum())}


def _ratio(counts: np.ndarray) -> np.ndarray:
    """Smallest count divided by the largest: (draws, cells) → (draws,)."""
    return counts.min(axis=1) / counts.max(axis=1)


def _evenness(counts: np.ndarray) -> np.ndarray:
    """Entropy divided by its maximum: (draws, cells) → (draws,)."""
    if counts.shape[1] == 1:
        return np.ones(len(counts))
    shares = counts / counts.sum(axis=1, keepdims=True)
    logarithms = np.log(shares, out=np.zeros_like(shares), where=shares > 0)
    return -(shares * logarithms).sum(axis=1) / math.log(counts.shape[1])


def to_collect(counts: Sequence[int], *, ratio: float) -> list[int]:
    """Faces to add to each cell so that none has fewer than `ratio` times the largest count."""
    wanted = math.ceil(round(ratio * max(counts), 9))
    return [max(0, wanted - count) for count in counts]


def to_drop(counts: Sequence[int], *, ratio: float) -> list[int]:
    """Faces to drop from each cell so that the smallest non-empty one has at least `ratio` times the largest count."""
    most = math.floor(round(min(count for count in counts if count) / ratio, 9))
    return [max(0, count - most) for count in counts]


def report(
    data: pl.DataFrame, attributes: Mapping[str, Sequence[str]], *, ratio: float, together: int = 3, seed: int
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
            "summary": summary(counts, seed=seed),
            "cells": [{**row, "collect": more, "drop": less} for row, more, less in plans],
        }
    return found
