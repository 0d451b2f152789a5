"""Measures of how far error rates differ between groups (ISO/IEC 19795-10; Grother, NIST IR 8429, 2022)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

DIGITS = 4


def differentials(rates: Mapping[str, float | None]) -> dict[str, float | None] | None:
    """Measures over the groups with a rate, group → rate, 0 to 1; None with fewer than two.

    - `worst_case`: highest rate;
    - `ratio`: highest rate divided by lowest; null where the lowest is 0;
    - `ratio_to_mean`: highest rate divided by the geometric mean; null where a rate is 0;
    - `gini`: Gini coefficient with the correction for few groups, 0 (equal) to 1 (Howard et al., Evaluating proposed
      fairness models for face recognition algorithms, 2022); null where all rates are 0.
    """
    known = {group: rate for group, rate in rates.items() if rate is not None}
    if len(known) < 2:
        return None
    values = np.array(list(known.values()), np.float64)
    highest, lowest = float(values.max()), float(values.min())
    return {
        "worst_case": round(highest, 6),
        "ratio": _rounded(highest / lowest) if lowest > 0 else None,
        "ratio_to_mean": _rounded(highest / float(np.exp(np.log(values).mean()))) if lowest > 0 else None,
        "gini": _rounded(gini(values)),
    }


def gini(values: np.ndarray) -> float | None:
    """Gini coefficient of the rates (n,), times n / (n - 1); None if all are 0."""
    n, mean = len(values), float(values.mean())
    if mean == 0:
        return None
    distances = float(np.abs(values[:, None] - values[None, :]).sum())
    return n / (n - 1) * distances / (2 * n**2 * mean)


def discrepancy(fmr: Mapping[str, float | None], fnmr: Mapping[str, float | None]) -> dict[str, float | None]:
    """Both kinds of error in one number, with equal weight, over the groups that have both rates.

    - `fdr`: fairness discrepancy rate, 1 minus the mean of both largest differences; 1 is equal (Freitas Pereira and
      Marcel, 2021);
    - `garbe`: mean of both Gini coefficients; 0 is equal (Howard et al., 2022).
    """
    both = [(fmr[group], fnmr.get(group)) for group in fmr]
    known = np.array([pair for pair in both if None not in pair], np.float64)
    if len(known) < 2:
        return {"fdr": None, "garbe": None}
    spread = known.max(axis=0) - known.min(axis=0)
    each = [gini(known[:, column]) or 0.0 for column in (0, 1)]
    return {"fdr": _rounded(1 - float(spread.mean())), "garbe": _rounded(float(np.mean(each)))}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, DIGITS)
