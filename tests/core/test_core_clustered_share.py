"""Intervals of shares whose cases come in clusters hold as often as they say."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from mtf.core.clustered_share import MIN_CLUSTERS, interval


def simulated(rng: np.random.Generator, people: int, share: float, correlation: float) -> tuple[np.ndarray, np.ndarray]:
    """Hits and cases of people with 1 to 11 pictures and a correlation between the pictures of a person."""
    own = np.full(people, share)
    if correlation:
        scale = 1 / correlation - 1
        own = rng.beta(share * scale, (1 - share) * scale, people)
    cases = rng.integers(1, 12, people)
    return rng.binomial(cases, own), cases


@pytest.mark.parametrize("people", [60, 120])
@pytest.mark.parametrize("correlation", [0.0, 0.2, 0.4])
@pytest.mark.parametrize("share", [0.1, 0.4])
def test_the_interval_covers_the_truth_about_95_times_of_100(people: int, correlation: float, share: float) -> None:
    rng = np.random.default_rng(3)
    intervals = [interval(*simulated(rng, people, share, correlation)) for _ in range(400)]
    covered = np.mean([low <= share <= high for low, high in intervals])
    assert 0.92 <= covered <= 0.99


def test_an_interval_that_takes_the_pictures_for_independent_covers_it_less_often() -> None:
    rng = np.random.default_rng(3)
    covered = []
    for _ in range(400):
        hits, cases = simulated(rng, 60, 0.4, 0.4)
        low, high = binomtest(int(hits.sum()), int(cases.sum())).proportion_ci(0.95, method="wilson")
        covered.append(low <= 0.4 <= high)
    assert np.mean(covered) < 0.85


def test_pictures_that_all_agree_count_one_for_each_person() -> None:
    low, high = interval([0] * 50, [10] * 50)
    assert low == 0
    assert high == pytest.approx(binomtest(0, 50).proportion_ci(0.95, method="exact").high, abs=0.01)
    assert interval([10] * 50, [10] * 50)[1] == 1


def test_single_pictures_give_about_clopper_and_pearsons_interval() -> None:
    exact = binomtest(30, 200).proportion_ci(0.95, method="exact")
    np.testing.assert_allclose(interval([1] * 30 + [0] * 170, [1] * 200), (exact.low, exact.high), atol=0.003)


def test_of_few_people_nothing_is_said_and_people_without_pictures_do_not_count() -> None:
    few = MIN_CLUSTERS - 1
    assert interval([1] * few, [2] * few) is None
    assert interval([1] * few + [0] * 5, [2] * few + [0] * 5) is None
    assert interval([], []) is None
