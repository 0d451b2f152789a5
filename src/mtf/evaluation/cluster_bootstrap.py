"""Cluster bootstrap: confidence interval of a share by draws of people with replacement."""

from __future__ import annotations

import numpy as np

from mtf.core import clustered_share

LEVEL = 0.05
AnglesAndErrors = tuple[np.ndarray, np.ndarray]
# Numbers that one step of the bootstrap holds; bounds its memory to some 50 MB.
NUMBERS_AT_ONCE = 4_000_000


def interval(
    hits: np.ndarray, cases: np.ndarray, draws: int, generator: np.random.Generator
) -> tuple[float, float] | None:
    """Bootstrap-t interval of 95 % of the share of hits; None with fewer than two people.

    hits, cases: (people,), hits and cases of each person; cases above 0.
    draws: number of draws of as many people, with replacement.

    The distance of each draw's share from that of all is divided by the draw's own standard error, clustered by person
    (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, section 12.5). It is taken on the scale of the
    arcsine of the share's root, where the variance depends little on the share. Quantiles of the plain shares
    (percentile bootstrap) make too narrow an interval for 30 to 100 people.

    If all cases of at least one draw in forty agree, as where two or three people alone have a miss, such a draw has no
    standard error and the quantile is infinite. The interval then is the closed form, `clustered_share.interval`.
    """
    hits, cases = np.asarray(hits, np.float64), np.asarray(cases, np.float64)
    of_all = angles_and_errors(_sums(hits, cases, np.ones((1, len(cases)))), len(cases))
    if of_all[1][0] > 0:
        low, high = ends(of_all, angles_and_errors(_drawn_sums(hits, cases, draws, generator), len(cases)))
        if np.isfinite(low) and np.isfinite(high):
            return float(low), float(high)
    return clustered_share.interval(hits, cases, confidence=1 - LEVEL, min_clusters=2)


def ends(of_all: AnglesAndErrors, drawn: AnglesAndErrors) -> np.ndarray:
    """Ends (2, …) of the intervals, from the `angles_and_errors` of all people (1, …) and of draws (draws, …).

    Infinite if a quantile is that of draws without an error.
    """
    (angle, error), (angles, errors) = of_all, drawn
    with np.errstate(divide="ignore", invalid="ignore"):
        distances = np.where(errors > 0, (angles - angle) / errors, np.copysign(np.inf, angles - angle))
        far = np.quantile(distances, [1 - LEVEL / 2, LEVEL / 2], axis=0, method="inverted_cdf")
        return np.where(np.isfinite(far), np.sin(np.clip(angle - far * error, 0, np.pi / 2)) ** 2, np.inf)


def _drawn_sums(hits: np.ndarray, cases: np.ndarray, draws: int, generator: np.random.Generator) -> np.ndarray:
    """`_sums` of each draw: (5, draws)."""
    people = len(cases)
    if (cases == 1).all():
        hit = generator.binomial(people, hits.mean(), draws).astype(float)
        every = np.full(draws, float(people))
        return np.stack([hit, every, hit, hit, every])
    block = max(1, NUMBERS_AT_ONCE // people)
    sizes = [min(block, draws - start) for start in range(0, draws, block)]
    return np.concatenate([_sums(hits, cases, times_drawn(people, size, generator)) for size in sizes], axis=1)


def times_drawn(people: int, draws: int, generator: np.random.Generator) -> np.ndarray:
    """Number of times that each person is in each draw of as many people: (draws, people)."""
    drawn = generator.integers(0, people, (draws, people)) + people * np.arange(draws)[:, None]
    return np.bincount(drawn.ravel(), minlength=draws * people).reshape(draws, people).astype(np.float64)


def _sums(hits: np.ndarray, cases: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Sums of hits, cases, and their squares and product, over people who count so many `times` (draws, people)."""
    return (times @ np.stack([hits, cases, hits**2, hits * cases, cases**2], axis=1)).T


def angles_and_errors(sums: np.ndarray, people: int) -> AnglesAndErrors:
    """Arcsine of the root of each share, and its standard error clustered by person; 0 if all cases agree.

    sums: (5, …), sums over people of hits, cases, hits², hits times cases, and cases².

    The variance is that of the ratio of hits to cases between people; on this scale, it is divided by 4 p (1 - p).
    """
    hits, cases, hits_hits, hits_cases, cases_cases = sums
    share = hits / cases
    squares = np.maximum(hits_hits - 2 * share * hits_cases + share**2 * cases_cases, 0)
    variance = people / max(people - 1, 1) * squares / cases**2
    slope = 4 * share * (1 - share)
    varies = (hits > 0) & (hits < cases) & (squares > 1e-9 * cases_cases)
    return np.arcsin(np.sqrt(share)), np.where(varies, np.sqrt(variance / np.where(varies, slope, 1)), 0)
