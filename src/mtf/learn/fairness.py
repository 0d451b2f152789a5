"""How a classifier does by group: fairlearn's MetricFrame, with intervals, gaps and the figures of EFRS's tables."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from fairlearn.metrics import MetricFrame
from scipy.stats import binomtest
from sklearn.metrics import accuracy_score

from mtf.errors import BadInput
from mtf.params import WITH, Fairness

DEFAULT = Fairness()
MIN_N = DEFAULT.min_n
BOOTSTRAPS = DEFAULT.bootstraps
DIGITS = 4
FIGURES = ("n", "accuracy", "low", "high", "wilson_low", "wilson_high")

Interval = tuple[float | None, float | None]


def by_group(
    predictions: pl.DataFrame,
    attributes: Mapping[str, Sequence[str]],
    *,
    seed: int,
    min_n: int = MIN_N,
    bootstraps: int = BOOTSTRAPS,
) -> list[dict[str, Any]]:
    """Accuracy for every combination of the attributes' labels, empty ones included.

    `predictions` has the columns `label`, `predicted` and one per attribute; `attributes` gives their labels in order.
    One row per group: the attributes' labels, `n`, `accuracy` (null where n is 0), and two intervals of 95 %:
    `low` and `high` by bootstrap (null where n is below `min_n`), `wilson_low` and `wilson_high` by Wilson's score
    (null where n is 0). Where every answer is right, or none, each resampling is the same and the bootstrap's
    interval is a point; Wilson's still tells ten pictures from a thousand.

    Raises BadInput where an attribute has no column.
    """
    if missing := set(attributes) - set(predictions.columns):
        raise BadInput(f"no column {sorted(missing)} to group by; the columns are {predictions.columns}")
    measured = _measured(predictions, list(attributes))
    generator = np.random.default_rng(seed)
    rows = []
    for labels in itertools.product(*attributes.values()):
        n, right = measured.get(labels, (0, 0))
        figures = (
            n,
            round(right / n, DIGITS) if n else None,
            *(_bootstrapped(right, n, bootstraps, generator) if n >= min_n else (None, None)),
            *_wilson(right, n),
        )
        rows.append(dict(zip(attributes, labels, strict=True)) | dict(zip(FIGURES, figures, strict=True)))
    return rows


def _measured(predictions: pl.DataFrame, attributes: list[str]) -> dict[tuple[str, ...], tuple[int, int]]:
    """Labels of the attributes → pictures, and how many of them were answered rightly; empty groups are left out."""
    frame = MetricFrame(
        metrics={"accuracy": accuracy_score, "n": lambda true, _predicted: len(true)},
        y_true=predictions["label"].to_list(),
        y_pred=predictions["predicted"].to_list(),
        sensitive_features={name: predictions[name].to_list() for name in attributes},
    )
    found: dict[tuple[str, ...], tuple[int, int]] = {}
    for key, row in frame.by_group.iterrows():
        if np.isfinite(row["accuracy"]):
            labels = key if isinstance(key, tuple) else (key,)
            n = int(row["n"])
            found[tuple(str(label) for label in labels)] = (n, round(float(row["accuracy"]) * n))
    return found


def _bootstrapped(right: int, n: int, bootstraps: int, generator: np.random.Generator) -> Interval:
    """Resampling rights and wrongs is drawing from a binomial distribution."""
    if n == 0:
        return None, None
    resampled = generator.binomial(n, right / n, bootstraps) / n
    low, high = np.quantile(resampled, [0.025, 0.975])
    return round(float(low), DIGITS), round(float(high), DIGITS)


def _wilson(right: int, n: int) -> Interval:
    if n == 0:
        return None, None
    low, high = binomtest(right, n).proportion_ci(0.95, method="wilson")
    return round(float(low), DIGITS), round(float(high), DIGITS)


def summary(
    rows: Sequence[Mapping[str, Any]], attributes: Sequence[str] = (), *, min_n: int = MIN_N
) -> dict[str, float | int | str | None]:
    """What the groups of at least `min_n` come to: the `worst` and `best` accuracy and whose they are, their `gap`
    and `ratio`; `mean`, `std` and `spread` as in EFRS's Tables 3 to 5; and how many groups are small or empty.

    `spread` is EFRS's word for the gap. EFRS does not say which deviation it means; this is the sample's (n - 1), as
    pandas computes it. Where no group is large enough, the figures are null.
    """
    large = [row for row in rows if row["n"] >= min_n and row["accuracy"] is not None]
    counts = {
        "groups": len(large),
        "small_groups": sum(0 < row["n"] < min_n for row in rows),
        "empty_groups": sum(row["n"] == 0 for row in rows),
    }
    if not large:
        names = ("worst_group", "worst", "best_group", "best", "gap", "ratio", "mean", "std", "spread")
        return counts | dict.fromkeys(names)
    worst, best = (choose(large, key=lambda row: row["accuracy"]) for choose in (min, max))
    return counts | {
        "worst_group": name_of(worst, attributes) or None,
        "worst": worst["accuracy"],
        "best_group": name_of(best, attributes) or None,
        "best": best["accuracy"],
        "gap": round(best["accuracy"] - worst["accuracy"], DIGITS),
        "ratio": round(worst["accuracy"] / best["accuracy"], DIGITS) if best["accuracy"] else None,
        **spread([row["accuracy"] for row in large]),
    }


def name_of(row: Mapping[str, Any], attributes: Sequence[str]) -> str:
    """A group's name: `Blue × Males`."""
    return WITH.join(row[attribute] for attribute in attributes)


def groupings(attributes: Sequence[str]) -> list[list[str]]:
    """Each attribute by itself, each pair, and all of them together."""
    sizes = sorted({1, min(2, len(attributes)), len(attributes)}) if attributes else []
    return [list(names) for size in sizes for names in itertools.combinations(attributes, size)]


def report(
    predictions: pl.DataFrame,
    attributes: Mapping[str, Sequence[str]],
    *,
    seed: int,
    min_n: int = MIN_N,
    bootstraps: int = BOOTSTRAPS,
) -> dict[str, dict[str, Any]]:
    """By each attribute, each pair (`A × B`) and all together: `summary`, and the figures of each of its `groups`.

    Where an attribute is what the model was asked, its groups are the true labels, and their accuracy is the recall.
    What is undefined is left out.
    """
    found = {}
    for names in groupings(list(attributes)):
        parts = {name: attributes[name] for name in names}
        rows = by_group(predictions, parts, seed=seed, min_n=min_n, bootstraps=bootstraps)
        found[WITH.join(names)] = {
            "summary": _defined(summary(rows, names, min_n=min_n)),
            "groups": {name_of(row, names): _defined({figure: row[figure] for figure in FIGURES}) for row in rows},
        }
    return found


def table(found: Mapping[str, Mapping[str, Any]]) -> pl.DataFrame:
    """A report as a table to plot: `group`, whose names are unique (`gender: Males`), and the figures of each."""
    rows = [
        {"group": f"{attribute}: {group}"} | {figure: figures.get(figure) for figure in FIGURES}
        for attribute, part in found.items()
        for group, figures in part["groups"].items()
    ]
    types = {"group": pl.String, "n": pl.Int64} | dict.fromkeys(FIGURES[1:], pl.Float64)
    return pl.DataFrame(rows, schema=types)


def _defined(figures: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in figures.items() if value is not None}


def spread(figures: Sequence[float | None]) -> dict[str, float | None]:
    """EFRS's statistic of one metric over subgroups: mean, std and spread (greatest less least).

    A subgroup in which the metric is undefined (ROC AUC of one class) is None and left out.
    """
    values = [figure for figure in figures if figure is not None]
    if not values:
        return {"mean": None, "std": None, "spread": None}
    std = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
    return {
        "mean": round(float(np.mean(values)), DIGITS),
        "std": round(std, DIGITS),
        "spread": round(max(values) - min(values), DIGITS),
    }
