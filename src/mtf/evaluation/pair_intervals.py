"""Confidence intervals of shares of pairs of pictures, by person: of impostor pairs (FMR) and of genuine ones (FNMR).

Few people may cause most errors, and both people of an impostor pair vary. The variance is the jackknife's over
people, on the scale of the share's logarithm of odds, where it is nearly symmetric (Arvesen, Jackknifing U-statistics,
1969). The quantile is Student's t, with the degrees of freedom of that variance.
"""

from __future__ import annotations

import numpy as np
from scipy.special import expit, logit
from scipy.stats import t

from mtf.core import clustered_share
from mtf.evaluation.jackknife import variance_and_freedom

LEVEL = 0.05
MIN_MATCHES = 5
"""With fewer pairs of people that match, or that do not, the spread between people says too little."""


def interval(matches: np.ndarray, pairs: np.ndarray, *, within: bool) -> tuple[float, float] | None:
    """Interval of 95 % of the share of matches, by person: `by_jackknife`, else `at_most`; None without a pair.

    matches, pairs: (k, l), pairs of pictures that match, and all, of each person of a group and each of another.
    within: both groups are the same people, so both tables are symmetric, with zeros on the diagonal.
    """
    if not pairs.any():
        return None
    return by_jackknife(matches, pairs, within=within) or at_most(matches, pairs, within=within)


def by_jackknife(matches: np.ndarray, pairs: np.ndarray, *, within: bool) -> tuple[float, float] | None:
    """Interval with the variance between people, across two groups the sum of both; None if it cannot be estimated.

    The variance cannot be estimated if fewer than MIN_MATCHES pairs of people match, or do not, by the share and the
    number of pairs of people; and if all matches are those of one person.
    """
    total = float(pairs.sum())
    share = float(matches.sum()) / total
    pairs_of_people = np.count_nonzero(pairs) / (2 if within else 1)
    if min(share, 1 - share) * pairs_of_people < MIN_MATCHES:
        return None
    variance, freedom = _jackknife(matches, pairs, within=within)
    if not np.isfinite(variance):
        return None
    # Of independent pairs of pictures; the share varies no less.
    least = (2 if within else 1) / (total * share * (1 - share))
    return _ends(share, max(variance, least), freedom)


def _ends(share: float, variance: float, freedom: float) -> tuple[float, float]:
    """Ends of the interval, by the variance of the logarithm of the share's odds."""
    half = float(t.ppf(1 - LEVEL / 2, freedom)) * float(np.sqrt(variance))
    return float(expit(logit(share) - half)), float(expit(logit(share) + half))


def of_genuine_pairs(misses: np.ndarray, pairs: np.ndarray, *, min_people: int) -> tuple[float, float] | None:
    """Interval of 95 % of the share of misses among genuine pairs; None if fewer than `min_people` have a pair.

    misses, pairs: (people,), of each person.

    If all misses are those of one person, or there is none, it is `clustered_share.interval`.
    """
    misses, pairs = misses[pairs > 0], pairs[pairs > 0]
    if len(pairs) < max(min_people, 2):
        return None
    with np.errstate(divide="ignore", invalid="ignore"):
        variance, freedom = variance_and_freedom(logit((misses.sum() - misses) / (pairs.sum() - pairs)))
    if not 0 < variance < np.inf:
        return clustered_share.interval(misses, pairs, min_clusters=min_people)
    return _ends(float(misses.sum() / pairs.sum()), variance, freedom)


def at_most(matches: np.ndarray, pairs: np.ndarray, *, within: bool) -> tuple[float, float]:
    """Interval that holds however people differ; it is wide.

    The variance of a share of pairs is at most that of pairs without a common person (Hoeffding, A class of statistics
    with asymptotically normal distribution, 1948). There are half as many of them as people, or as many as in the
    smaller group. The interval is Wilson's with this number of cases and Student's t.
    """
    people = min(pairs.shape)
    quantile = float(t.ppf(1 - LEVEL / 2, max(people - 1, 1)))
    cases = max(people // 2, 1) if within else people
    return clustered_share.wilson(float(matches.sum() / pairs.sum()), cases, quantile)


def _jackknife(matches: np.ndarray, pairs: np.ndarray, *, within: bool) -> tuple[float, float]:
    """Variance of the logarithm of the share's odds, and its degrees of freedom; infinite if it hangs on one person."""
    parts = []
    for axis in (1,) if within else (1, 0):
        # Within a group, each pair stands in the tables twice, and goes with either person.
        times = 2 if within else 1
        left = matches.sum() - times * matches.sum(axis=axis)
        with np.errstate(divide="ignore", invalid="ignore"):
            parts.append(variance_and_freedom(logit(left / (pairs.sum() - times * pairs.sum(axis=axis)))))
    variance = sum(each for each, _ in parts)
    squares = sum(each**2 / freedom for each, freedom in parts)
    return variance, variance**2 / squares if squares > 0 else float(min(pairs.shape) - 1)
