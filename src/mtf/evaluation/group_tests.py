"""Tests of groups that differ from the rest by more than chance: permutations of people, for all groups at once."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

PERMUTATIONS = 1999
# Numbers that one step of the permutation holds; bounds its memory to some 50 MB.
AT_ONCE = 2_000_000

Counts = tuple[np.ndarray, np.ndarray]


def lower_and_higher(groups: Mapping[str, Counts], *, seed: int) -> dict[str, tuple[float, float]]:
    """Group → p-values of its share being lower, and higher, than that of all, adjusted for the number of groups.

    groups: group → (hits, cases), each (people,), of the people in it; those without a case do not count.

    The test deals the people's results out to the groups anew, `PERMUTATIONS` times. It compares the distance of each
    group from the share of all, in units of its standard deviation over the permutations, to the largest such distance
    of any group (Westfall and Young, Resampling-Based Multiple Testing, 1993). So it holds its level for groups of any
    size: where no group differs, one is named in at most 5 % of cases at p ≤ 0.05.

    The share of a person with one case varies more than that of a person with twenty, so such people cannot change
    places. What is dealt out is each person's deviation from the share of all, divided by its standard deviation for
    that number of cases; the receiver's standard deviation multiplies it. With as many cases for each person, this is
    the plain permutation test, which is exact.

    A person who is in several groups counts as another in each, which makes the test say less, not more. All p-values
    are 1 with fewer than two groups.
    """
    counted = {name: _with_a_case(*counts) for name, counts in groups.items()}
    names = [name for name, (_, cases) in counted.items() if len(cases)]
    if len(names) < 2:
        return dict.fromkeys(groups, (1.0, 1.0))
    hits, cases = (np.concatenate([counted[name][part] for name in names]) for part in (0, 1))
    sizes = np.array([len(counted[name][0]) for name in names])
    starts = np.cumsum([0, *sizes])[:-1]
    share = hits.sum() / cases.sum()
    observed = _sums(hits - share * cases, starts) / _sums(cases, starts)
    permuted = _permuted_distances(hits, cases, sizes, np.random.default_rng(seed))
    deviation = permuted.std(axis=0)
    scale = np.where(deviation > 0, deviation, np.inf)
    lowest, highest = (permuted / scale).min(axis=1), (permuted / scale).max(axis=1)
    # Rounding must not make equal results of two permutations differ.
    observed, margin = observed / scale, 1e-9
    lower = (1 + (lowest[:, None] <= observed + margin).sum(axis=0)) / (PERMUTATIONS + 1)
    higher = (1 + (highest[:, None] >= observed - margin).sum(axis=0)) / (PERMUTATIONS + 1)
    found = {name: (float(low), float(high)) for name, low, high in zip(names, lower, higher, strict=True)}
    return {name: found.get(name, (1.0, 1.0)) for name in groups}


def _with_a_case(hits: np.ndarray, cases: np.ndarray) -> Counts:
    """Hits and cases of the people who have a case."""
    hits, cases = np.asarray(hits, np.float64), np.asarray(cases, np.float64)
    return hits[cases > 0], cases[cases > 0]


def _permuted_distances(
    hits: np.ndarray, cases: np.ndarray, sizes: np.ndarray, generator: np.random.Generator
) -> np.ndarray:
    """Distance of each group's share from that of all, in each permutation of the people: (permutations, groups)."""
    share = hits.sum() / cases.sum()
    if (cases == 1).all():
        # The number of hits in each group is then known in distribution, and needs no order of the people.
        return generator.multivariate_hypergeometric(sizes, int(hits.sum()), PERMUTATIONS) / sizes - share
    starts = np.cumsum([0, *sizes])[:-1]
    deviations = _standard_deviations(hits, cases, share)
    standardised = (hits - share * cases) / deviations
    block = max(1, AT_ONCE // len(hits))
    lengths = [min(block, PERMUTATIONS - start) for start in range(0, PERMUTATIONS, block)]
    orders = (generator.permuted(np.tile(np.arange(len(hits)), (length, 1)), axis=1) for length in lengths)
    return np.concatenate([_distances(standardised[order] * deviations, cases, starts) for order in orders])


def _distances(residuals: np.ndarray, cases: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Distances (permutations, groups) of the shares from that of all; `residuals` (permutations, people)."""
    return _sums(residuals, starts) / _sums(cases, starts) - residuals.sum(axis=1, keepdims=True) / cases.sum()


def _standard_deviations(hits: np.ndarray, cases: np.ndarray, share: float) -> np.ndarray:
    """Standard deviation of each person's hits (people,): of n cases, the root of p (1 − p) n (1 + (n − 1) r).

    The correlation r of a person's cases is estimated by moments (Williams, Extra-binomial variation in logistic linear
    models, 1982). Where all cases agree, nothing varies, and the result is 1.
    """
    of_one = share * (1 - share)
    if of_one == 0:
        return np.ones(len(cases))
    excess = ((hits - share * cases) ** 2 - of_one * cases).sum()
    correlation = np.clip(excess / (of_one * (cases * (cases - 1)).sum()), 0, 1)
    return np.sqrt(of_one * cases * (1 + (cases - 1) * correlation))


def _sums(numbers: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Sum of the numbers (…, people) over each group: (…, groups)."""
    return np.add.reduceat(numbers, starts, axis=-1)
