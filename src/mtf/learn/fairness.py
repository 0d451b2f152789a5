"""How a classifier does by group: fairlearn's MetricFrame, with intervals, gaps and the figures of EFRS's tables."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from fairlearn.metrics import MetricFrame
from sklearn.metrics import accuracy_score

from mtf.errors import BadInput

BOOTSTRAPS = 500
LEAST_N = 10
DIGITS = 4


def by_group(
    predictions: pl.DataFrame, attributes: Mapping[str, Sequence[str]], *, seed: int, least_n: int = LEAST_N
) -> list[dict[str, Any]]:
    """Accuracy for every combination of the attributes' labels, empty ones included.

    `predictions` has the columns `label`, `predicted` and one per attribute; `attributes` gives their labels in order.
    One row per group: the attributes' labels, `n`, `accuracy` (null where n is 0), and `low` and `high`, the 95 %
    interval by bootstrap (null where n is below `least_n`).

    Raises BadInput where an attribute has no column.
    """
    if missing := set(attributes) - set(predictions.columns):
        raise BadInput(f"no column {sorted(missing)} to group by; the columns are {predictions.columns}")
    measured = _measured(predictions, list(attributes))
    generator = np.random.default_rng(seed)
    rows = []
    for labels in itertools.product(*attributes.values()):
        n, accuracy = measured.get(labels, (0, None))
        interval = _interval(accuracy, n, generator) if accuracy is not None and n >= least_n else (None, None)
        group = dict(zip(attributes, labels, strict=True))
        rows.append({**group, "n": n, "accuracy": _rounded(accuracy), "low": interval[0], "high": interval[1]})
    return rows


def _measured(predictions: pl.DataFrame, attributes: list[str]) -> dict[tuple[str, ...], tuple[int, float]]:
    frame = MetricFrame(
        metrics={"accuracy": accuracy_score, "n": lambda true, _predicted: len(true)},
        y_true=predictions["label"].to_list(),
        y_pred=predictions["predicted"].to_list(),
        sensitive_features={name: predictions[name].to_list() for name in attributes},
    )
    found: dict[tuple[str, ...], tuple[int, float]] = {}
    for key, row in frame.by_group.iterrows():
        if np.isfinite(row["accuracy"]):
            labels = key if isinstance(key, tuple) else (key,)
            found[tuple(str(label) for label in labels)] = (int(row["n"]), float(row["accuracy"]))
    return found


def _interval(accuracy: float, n: int, generator: np.random.Generator) -> tuple[float, float]:
    """95 % by bootstrap: resampling rights and wrongs is drawing from a binomial distribution."""
    resampled = generator.binomial(n, accuracy, BOOTSTRAPS) / n
    low, high = np.quantile(resampled, [0.025, 0.975])
    return round(float(low), DIGITS), round(float(high), DIGITS)


def summary(rows: Sequence[Mapping[str, Any]], *, least_n: int = LEAST_N) -> dict[str, float | int | None]:
    """What the groups of at least `least_n` come to: `worst` and `best` accuracy, their `gap` and `ratio`,
    `mean`, `std` and `spread` as EFRS's Tables 3 to 5 (spread is the gap), and how many groups are small or empty.

    EFRS gives no word on which deviation it means; this is the sample's (n - 1), as pandas computes it.
    """
    values = [row["accuracy"] for row in rows if row["n"] >= least_n]
    counts = {
        "groups": len(values),
        "small_groups": sum(0 < row["n"] < least_n for row in rows),
        "empty_groups": sum(row["n"] == 0 for row in rows),
    }
    if not values:
        return counts | dict.fromkeys(("worst", "best", "gap", "ratio", "mean", "std"))
    worst, best = min(values), max(values)
    return counts | {
        "worst": worst,
        "best": best,
        "gap": round(best - worst, DIGITS),
        "ratio": round(worst / best, DIGITS) if best else None,
        "mean": round(float(np.mean(values)), DIGITS),
        "std": round(float(np.std(values, ddof=1)), DIGITS) if len(values) > 1 else 0.0,
    }


def report(
    predictions: pl.DataFrame, attributes: Mapping[str, Sequence[str]], *, seed: int, least_n: int = LEAST_N
) -> dict[str, dict[str, Any]]:
    """By each attribute, and by all of them together (`A × B`): the summary, and n, accuracy, low and high by group.

    What is undefined is left out, so that every value is a number.
    """
    chosen = [[name] for name in attributes] + ([list(attributes)] if len(attributes) > 1 else [])
    found = {}
    for names in chosen:
        rows = by_group(predictions, {name: attributes[name] for name in names}, seed=seed, least_n=least_n)
        groups = {
            " ".join(row[name] for name in names): _defined(
                {figure: row[figure] for figure in ("n", "accuracy", "low", "high")}
            )
            for row in rows
        }
        found[" × ".join(names)] = {"summary": _defined(summary(rows, least_n=least_n)), "groups": groups}
    return found


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


def _rounded(figure: float | None) -> float | None:
    return None if figure is None else round(figure, DIGITS)
