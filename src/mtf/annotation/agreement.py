"""Agreement between reviewers: raw agreement, Fleiss' kappa and Krippendorff's alpha, with bootstrap intervals over
faces.

All three are computed from counts: one row per face, one column per verdict, each cell the number of reviewers who gave
that verdict. Accept and keep count as one verdict, as in the panel's majority (`mtf.annotation.consensus`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mtf.annotation.decision import STAYS, Verdict
from mtf.schemas import FACE, funnel_steps

RESAMPLES = 1000
LEVEL = 0.95

Counts = NDArray[np.int64]
Weights = NDArray[np.int64]


@dataclass(frozen=True)
class Measured:
    """Agreement coefficient with its 95 % interval.

    All three are NaN where the coefficient is undefined: all votes are the same, or no face has two votes.

    value: the coefficient.
    low: lower end of the interval.
    high: upper end of the interval.
    """

    value: float
    low: float
    high: float


def raw_agreement(counts: Counts, weights: Weights | None = None) -> float:
    """Share of pairs of reviewers who agree, averaged over the faces with at least two votes.

    counts: faces × verdicts.
    weights: how often each row counts; 1 by default.
    """
    counts, weights = _voted_on_twice(counts, weights)
    return _mean(_agreeing_pairs(counts), weights)


def fleiss_kappa(counts: Counts, weights: Weights | None = None) -> float:
    """Fleiss' kappa for an unequal number of votes per face; faces with fewer than two votes are left out.

    Fleiss and Cuzick (1979), "The reliability of dichotomous judgments: unequal numbers of judges per subject". If all
    faces have the same number of votes, it equals the kappa of Fleiss (1971). Arguments as in `raw_agreement`.
    """
    counts, weights = _voted_on_twice(counts, weights)
    given = counts.sum(axis=1)
    differing = float(((given - (counts**2).sum(axis=1) / given) * weights).sum())
    shares = (counts * weights[:, None]).sum(axis=0) / max(1, (given * weights).sum())
    by_chance = float(((given - 1) * weights).sum() * (1 - (shares**2).sum()))
    return 1 - differing / by_chance if by_chance > 0 and len(counts) else float("nan")


def krippendorff_alpha(counts: Counts, weights: Weights | None = None) -> float:
    """Krippendorff's alpha for nominal values; votes may be missing, faces with fewer than two votes are left out."""
    counts, weights = _voted_on_twice(counts, weights)
    votes = (counts.sum(axis=1) * weights).sum()
    if votes < 2:
        return float("nan")
    observed = float((_agreeing_pairs(counts) * counts.sum(axis=1) * weights).sum() / votes)
    totals = (counts * weights[:, None]).sum(axis=0)
    expected = float((totals * (totals - 1)).sum() / (votes * (votes - 1)))
    return _beyond(observed, expected)


def with_interval(measure: Callable[[Counts, Weights], float], counts: Counts, *, seed: int) -> Measured:
    """Coefficient `measure` of `counts` with its bootstrap interval: percentiles over faces resampled with
    replacement.
    """
    patterns, weights = np.unique(counts, axis=0, return_counts=True)
    value = measure(patterns, weights) if len(counts) else float("nan")
    if np.isnan(value):
        return Measured(value, value, value)
    draws = np.random.default_rng(seed).multinomial(weights.sum(), weights / weights.sum(), size=RESAMPLES)
    drawn = np.array([measure(patterns, draw) for draw in draws])
    tail = 100 * (1 - LEVEL) / 2
    low, high = np.nanpercentile(drawn, [tail, 100 - tail])
    return Measured(value, float(low), float(high))


def by_step(votes: pl.DataFrame, *, seed: int) -> dict[str, dict[str, float]]:
    """Agreement figures of each step: number of faces with at least two votes, raw agreement, kappa and alpha with
    intervals.

    `votes` is a table as `consensus.current_votes` returns it. Joint verdicts are not independent and are left out, as
    are undefined coefficients.
    """
    return {str(step): figures for step in funnel_steps.reviewed() if (figures := _figures(votes, step, seed))}


def _figures(votes: pl.DataFrame, step: str, seed: int) -> dict[str, float]:
    counts = counted(votes.filter(~pl.col("joint"), pl.col("step") == step))
    counts = counts[counts.sum(axis=1) >= 2]
    if not len(counts):
        return {}
    figures: dict[str, float] = {"faces": len(counts)}
    for name, measure_of in {"raw": raw_agreement, "kappa": fleiss_kappa, "alpha": krippendorff_alpha}.items():
        measure = with_interval(measure_of, counts, seed=seed)
        if not np.isnan(measure.value):
            figures |= {name: measure.value, f"{name}_low": measure.low, f"{name}_high": measure.high}
    return {name: round(figure, 6) for name, figure in figures.items()}


def counted(votes: pl.DataFrame) -> Counts:
    """Counts of faces × (accept or keep, reject): the number of reviewers who gave each verdict."""
    stays = pl.col("verdict").is_in([str(verdict) for verdict in STAYS]).sum().cast(pl.Int64)
    goes = pl.col("verdict").eq(str(Verdict.REJECT)).sum().cast(pl.Int64)
    table = votes.group_by(FACE).agg(stays=stays, goes=goes).sort(FACE)
    return table.select("stays", "goes").to_numpy().reshape(-1, 2)


def _voted_on_twice(counts: Counts, weights: Weights | None) -> tuple[Counts, Weights]:
    weights = np.ones(len(counts), dtype=np.int64) if weights is None else weights
    enough = (counts.sum(axis=1) >= 2) & (weights > 0)
    return counts[enough], weights[enough]


def _agreeing_pairs(counts: Counts) -> NDArray[np.float64]:
    """Share of agreeing pairs of votes, per face."""
    given = counts.sum(axis=1)
    return (counts * (counts - 1)).sum(axis=1) / (given * (given - 1))


def _mean(values: NDArray[np.float64], weights: Weights) -> float:
    return float((values * weights).sum() / weights.sum()) if weights.sum() else float("nan")


def _beyond(observed: float, expected: float) -> float:
    return float("nan") if np.isnan(observed) or expected >= 1 else (observed - expected) / (1 - expected)
