"""The bound on wrong faces: it holds as often as it says, and the planned looks are enough for it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import hypergeom

from mtf.annotation.acceptance_sampling import Stratum, allocated, looks_needed, max_wrong


def sampled_strata(random: np.random.Generator, sizes: list[int], wrong: list[int], looks: list[int]) -> list[Stratum]:
    found = [
        int(random.hypergeometric(bad, size - bad, look)) if look else 0
        for size, bad, look in zip(sizes, wrong, looks, strict=True)
    ]
    return [Stratum(*each) for each in zip(sizes, looks, found, strict=True)]


def test_the_bound_holds_in_at_least_95_of_100_simulated_sets() -> None:
    random = np.random.default_rng(20)
    held = 0
    for _ in range(200):
        size = int(random.integers(300, 2500))
        doubtful = int(size * random.uniform(0.05, 0.3))
        sizes = [doubtful, size - doubtful]
        wrong = [int(random.binomial(doubtful, random.uniform(0, 0.3))), int(random.binomial(sizes[1], 0.005))]
        looks = looks_needed(sizes, max_share=0.02, allowed=1)
        held += sum(wrong) <= max_wrong(sampled_strata(random, sizes, wrong, looks))
    assert held >= 190


@pytest.mark.parametrize("wrong", [[0, 20], [20, 0], [4, 16], [10, 10]])
def test_the_bound_holds_wherever_the_wrong_ones_are(wrong: list[int]) -> None:
    """The exact probability of a bound that holds, over all samples, for one spread of 20 wrong faces in 400."""
    sizes, looks = [80, 320], [30, 60]
    chance = 0.0
    for first in range(min(wrong[0], looks[0]) + 1):
        for second in range(min(wrong[1], looks[1]) + 1):
            strata = [Stratum(80, 30, first), Stratum(320, 60, second)]
            if max_wrong(strata) >= sum(wrong):
                both = [(first, 0), (second, 1)]
                chance += np.prod(
                    [hypergeom.pmf(found, sizes[at], wrong[at], looks[at]) for found, at in both], dtype=float
                )
    assert chance >= 0.95


def test_in_one_stratum_it_is_the_hypergeometric_bound() -> None:
    bound = max_wrong([Stratum(500, 100, 2)])
    assert hypergeom.cdf(2, 500, bound, 100) > 0.05
    assert hypergeom.cdf(2, 500, bound + 1, 100) <= 0.05


def test_what_was_looked_at_whole_needs_no_bound() -> None:
    assert max_wrong([Stratum(40, 40, 3), Stratum(10, 10, 0)]) == 3
    assert max_wrong([Stratum(40, 40, 3), Stratum(400, 100, 1)]) == 3 + max_wrong([Stratum(400, 100, 1)])


def test_where_nobody_looked_everything_may_be_wrong() -> None:
    assert max_wrong([Stratum(40, 0)]) == 40
    assert max_wrong([Stratum(40, 0), Stratum(100, 100, 1)]) == 41
    assert max_wrong([]) == 0


def test_more_looks_and_fewer_wrong_ones_lower_the_bound() -> None:
    by_looks = [max_wrong([Stratum(100, 40, 1), Stratum(900, looks, 0)]) for looks in (50, 100, 300, 900)]
    by_wrong = [max_wrong([Stratum(100, 40, wrong), Stratum(900, 200, 0)]) for wrong in range(5)]
    assert by_looks == sorted(by_looks, reverse=True)
    assert by_wrong == sorted(by_wrong)


@pytest.mark.parametrize("sizes", [[5246], [500, 4746], [3, 9], [0, 1000], [1, 1]])
def test_the_planned_looks_are_enough_and_no_smaller_number_is(sizes: list[int]) -> None:
    looks = looks_needed(sizes, max_share=0.02)
    strata = [Stratum(*each) for each in zip(sizes, looks, strict=True)]
    assert max_wrong(strata) <= 0.02 * sum(sizes)
    fewer = [Stratum(*each) for each in zip(sizes, allocated(sizes, sum(looks) - 1), strict=True)]
    assert max_wrong(fewer) > 0.02 * sum(sizes)


def test_a_wrong_face_that_is_allowed_costs_more_looks() -> None:
    looks = [sum(looks_needed([500, 4746], max_share=0.02, allowed=allowed)) for allowed in (0, 1, 2)]
    assert looks == sorted(looks)
    assert looks[0] < looks[2]
    assert looks[2] < 5246


def test_a_sample_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="wrong <= sampled <= size"):
        Stratum(10, 11)
    with pytest.raises(ValueError, match="at most two strata"):
        max_wrong([Stratum(10, 5)] * 3)
