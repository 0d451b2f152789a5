"""Which groups differ from the rest by more than chance: a permutation test over people, for all groups at once."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

PERMUTATIONS = 1999
# Numbers that one step of the permutation holds; bounds its memory to some 50 MB.
AT_ONCE = 2_000_000

Counts = tuple[np.ndarray, np.ndarray]


def lower_and_higher(groups: Mapping[str, Counts], *, seed: int) -> dict[str, tuple[float, float]]:
    """Group → p-values of its share being lower, and higher, than that of all, adjusted for the number of groups.

    groups: group → (hits, cases), each (people,), of the people in it.

    The test deals the people's results out to the groups anew, `PERMUTATIONS` times. It compares the distance of each
    group from the share of all, in units of its standard deviation over the permutations, to the largest such distance
    of any group (Westfall and Young, Resampling-Based Multiple Testing, 1993). So it holds its level for groups of any
    size: where no group differs, one is named in at most 5 % of cases at p ≤ 0.05.

    A person who is in several groups counts as another in each, which makes the test say less, not more. All p-values
    are 1 with fewer than two groups.
    """
    names = [name for name, (_, cases) in groups.items() if len(cases)]
    if len(names) < 2:
        return dict.fromkeys(groups, (1.0, 1.0))
    hits, cases = (np.concatenate([np.asarray(groups[n][part], np.float64) for n in names]) for part in (0, 1))
    sizes = np.array([len(groups[name][0]) for name in names])
    starts = np.cumsum([0, *sizes])[:-1]
    share = hits.sum() / cases.sum()
    observed = _shares(hits[None], cases[None], starts)[0] - share
    permuted = _permuted_shares(hits, cases, sizes, np.random.default_rng(seed)) - share
    deviation = permuted.std(axis=0)
    scale = np.where(deviation > 0, deviation, np.inf)
    lowest, highest = (permuted / scale).min(axis=1), (permuted / scale).max(axis=1)
    # Rounding must not make equal results of two permutations differ.
    observed, margin = observed / scale, 1e-9
    lower = (1 + (lowest[:, None] <= observed + margin).sum(axis=0)) / (PERMUTATIONS + 1)
    higher = (1 + (highest[:, None] >= observed - margin).sum(axis=0)) / (PERMUTATIONS + 1)
    found = {name: (float(low), float(high)) for name, low, high in zip(names, lower, higher, strict=True)}
    return {name: found.get(name, (1.0, 1.0)) for name in groups}


def _permuted_shares(
    hits: np.ndarray, cases: np.ndarray, sizes: np.ndarray, generator: np.random.Generator
) -> np.ndarray:
    """Share of each group in each permutation of the people: (permutations, groups)."""
    if (cases == 1).all():
        # The number of hits in each group is then known in distribution, and needs no order of the people.
        return generator.multivariate_hypergeometric(sizes, int(hits.sum()), PERMUTATIONS) / sizes
    starts = np.cumsum([0, *sizes])[:-1]
    block = max(1, AT_ONCE // len(hits))
    lengths = [min(block, PERMUTATIONS - start) for start in range(0, PERMUTATIONS, block)]
    orders = (generator.permuted(np.tile(np.arange(len(hits)), (length, 1)), axis=1) for length in lengths)
    return np.concatenate([_shares(hits[order], cases[order], starts) for order in orders])


def _shares(hits: np.ndarray, cases: np.ndarray, starts: np.ndarray) -> np.ndarray:
    return np.add.reduceat(hits, starts, axis=1) / np.add.reduceat(cases, starts, axis=1)
