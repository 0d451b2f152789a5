"""Variance of a figure by leaving out one person at a time, and the degrees of freedom of that variance."""

from __future__ import annotations

import numpy as np


def variance_and_freedom(without: np.ndarray) -> tuple[float, float]:
    """Jackknife variance of a figure, and its degrees of freedom; infinite and 1 if it hangs on one person.

    without: (n,), the figure without each person in turn; not finite where it is then not defined.

    The degrees of freedom follow from the kurtosis of what the people add (O'Neill, Some useful moment results in
    sampling problems, 2014): if few people cause most of the variance, they are few. There are at most n − 1.
    """
    n = len(without)
    if not np.isfinite(without).all():
        return np.inf, 1.0
    changes = without - without.mean()
    squares = float((changes**2).sum())
    if squares == 0:
        return 0.0, float(n - 1)
    kurtosis = n * float((changes**4).sum()) / squares**2
    return (n - 1) / n * squares, min(2 * n / (kurtosis - (n - 3) / (n - 1)), n - 1.0)
