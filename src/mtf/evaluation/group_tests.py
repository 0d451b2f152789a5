"""Tests of groups that differ from the rest by more than chance: permutations of people, for all groups at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

PERMUTATIONS = 1999
NUMBERS_AT_ONCE = 2_000_000
"""Numbers that one step of the permutation holds; bounds its memory to some 50 MB."""

HitsAndCases = tuple[np.ndarray, np.ndarray]
"""Number of hits, and of cases, of each person of a group: (people,) each."""


def lower_and_higher(groups: Mapping[str, HitsAndCases], *, seed: int) -> dict[str, tuple[float, float]]:
    """Group → p-values of its share being lower, and higher, than that of all, adjusted for the number of groups.

    groups: group → hits and cases of its people; those without a case do not count.

    The people's results are permuted among the groups, `PERMUTATIONS` times. The distance of each group from the share
    of all, in units of its standard deviation over the permutations, is compared with the largest such distance of any
    group (Westfall and Young, Resampling-Based Multiple Testing, 1993). So the test holds its level for groups of any
    size: where no group differs, one is named in at most 5 % of cases at p ≤ 0.05.

    The share of a person with one case varies more than that of a person with twenty, so raw results cannot change
    places. Residuals do: each person's deviation from the share of all, divided by its standard deviation for that
    number of cases. In its new place, a residual is multiplied by the standard deviation there. This takes the
    correlation of a person's cases as known. A second, studentised test estimates it in each permutation anew (as do
    Chung and Romano, Exact and asymptotically robust permutation tests, 2013, with the variance). The p-value is the
    higher of both. If all people have the same number of cases, both are the plain permutation test, which is exact.

    A person who is in several groups counts as a different person in each; this makes the test less powerful, not less
    strict. All p-values are 1 with fewer than two groups.
    """
    counted = {name: _with_a_case(*counts) for name, counts in groups.items()}
    names = [name for name, (_, cases) in counted.items() if len(cases)]
    if len(names) < 2:
        return dict.fromkeys(groups, (1.0, 1.0))
    hits, cases = (np.concatenate([counted[name][part] for name in names]) for part in (0, 1))
    sizes = np.array([len(counted[name][0]) for name in names])
    share = hits.sum() / cases.sum()
    observed = _distances((hits - share * cases)[None], cases, _starts(sizes))[0]
    permuted, errors = _permuted_distances(hits, cases, sizes, np.random.default_rng(seed))
    deviation = permuted.std(axis=0)
    scale = np.where(deviation > 0, deviation, np.inf)
    lower, higher = _adjusted(observed / scale, permuted / scale)
    if errors is not None:
        both = _adjusted(observed / scale, permuted / scale / errors)
        lower, higher = np.maximum(lower, both[0]), np.maximum(higher, both[1])
    found = {name: (float(low), float(high)) for name, low, high in zip(names, lower, higher, strict=True)}
    return {name: found.get(name, (1.0, 1.0)) for name in groups}


def _adjusted(observed: np.ndarray, permuted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """P-values (groups,) of being lower, and higher, by the lowest and the highest distance of each permutation."""
    lowest, highest = permuted.min(axis=1), permuted.max(axis=1)
    # Rounding must not make equal results of two permutations differ.
    margin = 1e-9
    lower = (1 + (lowest[:, None] <= observed + margin).sum(axis=0)) / (PERMUTATIONS + 1)
    higher = (1 + (highest[:, None] >= observed - margin).sum(axis=0)) / (PERMUTATIONS + 1)
    return lower, higher


def _with_a_case(hits: np.ndarray, cases: np.ndarray) -> HitsAndCases:
    """Hits and cases of the people who have a case."""
    hits, cases = np.asarray(hits, np.float64), np.asarray(cases, np.float64)
    return hits[cases > 0], cases[cases > 0]


def _permuted_distances(
    hits: np.ndarray, cases: np.ndarray, sizes: np.ndarray, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray | None]:
    """Distance of each group's share from that of all in each permutation of the people, and its standard error.

    Both are (permutations, groups). The error is in units of the observed one; None if each person has as many cases,
    as it is then the same in all permutations.
    """
    share = hits.sum() / cases.sum()
    if (cases == 1).all():
        # The hits of the groups then follow a multivariate hypergeometric distribution: no permutation is needed.
        return generator.multivariate_hypergeometric(sizes, int(hits.sum()), PERMUTATIONS) / sizes - share, None
    residuals = hits - share * cases
    model = _Variance.of(cases, _starts(sizes), share)
    correlation = model.correlation(residuals[None])
    deviations = np.sqrt(model.of_people(correlation[0]))
    standardised = residuals / deviations
    alike = (cases == cases[0]).all()
    block = max(1, NUMBERS_AT_ONCE // len(hits))
    distances, variances = [], []
    for start in range(0, PERMUTATIONS, block):
        length = min(block, PERMUTATIONS - start)
        placed = generator.permuted(np.tile(standardised, (length, 1)), axis=1) * deviations
        distances.append(_distances(placed, cases, model.starts))
        if not alike:
            variances.append(model.of_groups(model.correlation(placed)))
    found = np.concatenate(distances)
    return found, None if alike else np.sqrt(np.concatenate(variances) / model.of_groups(correlation))


@dataclass(frozen=True)
class _Variance:
    """Variance of hits where no group differs: of n cases, p (1 - p) n (1 + (n - 1) r), with a correlation r.

    cases: (people,).
    starts: (groups,), first person of each group.
    of_one: p (1 - p); 1 where all cases agree, and nothing varies.
    """

    cases: np.ndarray
    starts: np.ndarray
    of_one: float

    @classmethod
    def of(cls, cases: np.ndarray, starts: np.ndarray, share: float) -> _Variance:
        return cls(cases, starts, float(share * (1 - share)) or 1.0)

    def correlation(self, residuals: np.ndarray) -> np.ndarray:
        """Correlation of a person's cases, by moments: (rows,) of residuals (rows, people).

        Williams, Extra-binomial variation in logistic linear models, 1982.
        """
        centre = residuals.sum(axis=1) / self.cases.sum()
        squares = np.einsum("ij,ij->i", residuals, residuals)
        squares += centre * (centre * (self.cases**2).sum() - 2 * (residuals @ self.cases))
        excess = squares - self.of_one * self.cases.sum()
        return np.clip(excess / (self.of_one * (self.cases * (self.cases - 1)).sum()), 0, 1)

    def of_people(self, correlation: float) -> np.ndarray:
        """Variance of each person's hits: (people,)."""
        return self.of_one * self.cases * (1 + (self.cases - 1) * correlation)

    def of_groups(self, correlation: np.ndarray) -> np.ndarray:
        """Variance of the distance of each group's share from that of all: (rows, groups) of correlations (rows,)."""
        independent, alike = (self._of_distances(self.of_people(each)) for each in (0.0, 1.0))
        return independent + correlation[:, None] * (alike - independent)

    def _of_distances(self, variances: np.ndarray) -> np.ndarray:
        of_sums, cases, every = _sums(variances, self.starts), _sums(self.cases, self.starts), self.cases.sum()
        return (1 / cases - 1 / every) ** 2 * of_sums + (of_sums.sum() - of_sums) / every**2


def _distances(residuals: np.ndarray, cases: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Distances (permutations, groups) of the shares from that of all; `residuals` (permutations, people)."""
    return _sums(residuals, starts) / _sums(cases, starts) - residuals.sum(axis=1, keepdims=True) / cases.sum()


def _starts(sizes: np.ndarray) -> np.ndarray:
    """Number of the first person of each group, of so many people: (groups,)."""
    return np.cumsum([0, *sizes])[:-1]


def _sums(numbers: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Sum of the numbers (…, people) over each group: (…, groups)."""
    return np.add.reduceat(numbers, starts, axis=-1)
