"""Confidence interval of a share whose cases come in clusters, such as several pictures of each person.

Pictures of one person resemble each other. An interval that takes them for independent, as Wilson's does, is too
narrow.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import beta, t

MIN_CLUSTERS = 30
"""With fewer clusters, their spread is too uncertain for an interval."""


def interval(
    hits: Sequence[int] | np.ndarray,
    cases: Sequence[int] | np.ndarray,
    *,
    confidence: float = 0.95,
    min_clusters: int = MIN_CLUSTERS,
) -> tuple[float, float] | None:
    """Interval of the share of hits among all cases; None with fewer than `min_clusters` clusters.

    hits: (clusters,), number of hits in each cluster.
    cases: (clusters,), number of cases in each cluster; clusters without a case are left out.

    Korn and Graubard, 1998: Clopper and Pearson's interval with an effective number of cases, which is that of a simple
    random sample with the same variance. The variance is that of the ratio of hits to cases between clusters. If all
    cases agree, nothing is known of it; each cluster then counts as one case.
    """
    hits, cases = np.asarray(hits, np.float64), np.asarray(cases, np.float64)
    hits, cases = hits[cases > 0], cases[cases > 0]
    clusters, total = len(cases), float(cases.sum())
    if clusters < max(min_clusters, 2):
        return None
    share = float(hits.sum() / total)
    effective = _effective_cases(hits, cases, share)
    shrink = (1 - confidence) / 2
    effective *= (t.ppf(shrink, max(total - 1, 1)) / t.ppf(shrink, clusters - 1)) ** 2
    successes, failures = share * effective, (1 - share) * effective
    low = 0.0 if successes <= 0 else float(beta.ppf(shrink, successes, failures + 1))
    high = 1.0 if failures <= 0 else float(beta.ppf(1 - shrink, successes + 1, failures))
    return low, high


def _effective_cases(hits: np.ndarray, cases: np.ndarray, share: float) -> float:
    """Number of independent cases with the same variance of the share; at most the number of cases."""
    clusters, total = len(cases), float(cases.sum())
    variance = clusters / (clusters - 1) * float(((hits - share * cases) ** 2).sum()) / total**2
    if variance <= 0:
        return float(clusters)
    return min(share * (1 - share) / variance, total)
