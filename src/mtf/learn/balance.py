"""How even a data set is over attributes and their intersections, and what would make it so."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from scipy.stats import binomtest

DIGITS = 4


def cells(data: pl.DataFrame, attributes: Mapping[str, Sequence[str]]) -> list[dict[str, Any]]:
    """Every combination of the attributes' labels, empty ones included: labels, n, share, and its 95 % interval
    (Wilson), which says how far the share may stray in another draw of as many pictures.
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
    """`ratio` of the least to the greatest cell (1 is even), `evenness` (entropy over its greatest value), and the
    number of empty cells.
    """
    values = np.array(counts, dtype=float)
    shares = values[values > 0] / values.sum()
    entropy = float(-(shares * np.log(shares)).sum())
    return {
        "least": int(values.min()),
        "greatest": int(values.max()),
        "ratio": round(float(values.min() / values.max()), DIGITS),
        "evenness": round(entropy / math.log(len(values)), DIGITS),
        "empty": int((values == 0).sum()),
    }


def to_collect(counts: Sequence[int], *, ratio: float) -> list[int]:
    """How many more each cell needs so that none is below `ratio` times the greatest."""
    wanted = math.ceil(round(ratio * max(counts), 9))
    return [max(0, wanted - count) for count in counts]


def to_drop(counts: Sequence[int], *, ratio: float) -> list[int]:
    """How many each cell must lose so that the least that is not empty is `ratio` times the greatest, or more."""
    most = math.floor(round(min(count for count in counts if count) / ratio, 9))
    return [max(0, count - most) for count in counts]


def report(data: pl.DataFrame, attributes: Mapping[str, Sequence[str]], *, ratio: float) -> dict[str, Any]:
    """Single attributes, and all pairs of them: cells, summary, and what to collect or drop for `ratio`."""
    chosen = [[name] for name in attributes] + [list(pair) for pair in itertools.combinations(attributes, 2)]
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
