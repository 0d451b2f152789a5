"""Intervals of shares whose cases come in clusters, and of their differences, hold as often as they say."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest, t

from mtf.core.clustered_share import MIN_CLUSTERS, difference, interval, wilson


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
    assert 0.92 <= covered <= 0.98


def test_an_interval_that_takes_the_pictures_for_independent_covers_it_less_often() -> None:
    rng = np.random.default_rng(3)
    covered = []
    for _ in range(400):
        hits, cases = simulated(rng, 60, 0.4, 0.4)
        low, high = binomtest(int(hits.sum()), int(cases.sum())).proportion_ci(0.95, method="wilson")
        covered.append(low <= 0.4 <= high)
    assert np.mean(covered) < 0.85


def test_the_interval_covers_the_truth_though_some_people_have_many_times_as_many_cases() -> None:
    """Genuine pairs: a person with n pictures has n (n - 1) / 2 of them, here 1 to 190."""
    rng = np.random.default_rng(3)
    covered = 0
    for _ in range(400):
        pictures = np.minimum(1 + rng.geometric(0.2, 30), 20)
        cases = pictures * (pictures - 1) // 2
        low, high = interval(rng.binomial(cases, rng.beta(0.8 * 1.5, 0.2 * 1.5, 30)), cases)
        covered += low <= 0.8 <= high
    # With one degree of freedom less than there are people, and no jackknife: 344 of 400.
    assert 0.92 <= covered / 400 <= 0.985


def test_the_variance_is_that_of_shares_without_each_cluster_in_turn() -> None:
    rng = np.random.default_rng(3)
    cases = rng.integers(2, 12, 40)
    hits = rng.binomial(cases, rng.beta(6, 2, 40))
    share = hits.sum() / cases.sum()
    changes = [np.delete(hits, k).sum() / np.delete(cases, k).sum() - share for k in range(40)]
    variance = 39 / 40 * np.sum(np.square(changes))
    excess = sum((h - share * c) ** 2 - share * (1 - share) * c for h, c in zip(hits, cases, strict=True))
    alike = excess / (share * (1 - share) * sum(c * (c - 1) for c in cases))
    spread = [c + c * (c - 1) * alike for c in cases]
    quantile = t.ppf(0.975, np.sum(spread) ** 2 / np.sum(np.square(spread)) - 1)
    # The ends of Wilson's interval lie where the distance is so many standard errors of a true share there.
    for end in interval(hits, cases):
        error = np.sqrt(variance * end * (1 - end) / (share * (1 - share)))
        assert abs(end - share) / error == pytest.approx(quantile)


def test_pictures_that_all_agree_count_one_for_each_person() -> None:
    quantile = t.ppf(0.975, 49)
    assert interval([0] * 50, [10] * 50) == (0, pytest.approx(quantile**2 / (50 + quantile**2)))
    assert interval([10] * 50, [10] * 50)[1] == 1


def test_if_all_agree_people_with_few_pictures_count_less() -> None:
    high = interval([0] * 60, [10] * 30 + [1] * 30)[1]
    effective, freedom = 330**2 / (30 * 10**2 + 30), (30 * 10**2 + 30) ** 2 / (30 * 10**4 + 30) - 1
    square = t.ppf(0.975, freedom) ** 2
    assert high == pytest.approx(square / (effective + square))


# Newcombe, Two-sided confidence intervals for the single proportion (1998), Table I, method 3.
@pytest.mark.parametrize(
    ("hits", "cases", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_single_pictures_give_wilsons_interval(hits: int, cases: int, low: float, high: float) -> None:
    found = interval([1] * hits + [0] * (cases - hits), [1] * cases, min_clusters=2)
    assert found == pytest.approx((low, high), abs=1e-4)


@pytest.mark.parametrize("cases", [1, 7, 250.5, 1e9])
def test_where_all_cases_agree_the_share_itself_is_an_end(cases: float) -> None:
    none, every = wilson(0.0, cases, 1.96), wilson(1.0, cases, 1.96)
    assert (none[0], every[1]) == (0, 1)
    assert 0 < none[1] == pytest.approx(1 - every[0])


# Newcombe, Interval estimation for the difference between independent proportions (1998), Table II, method 10.
@pytest.mark.parametrize(
    ("first", "second", "low", "high"),
    [((56, 70), (48, 80), 0.0524, 0.3339), ((9, 10), (3, 10), 0.1705, 0.8090), ((10, 10), (0, 10), 0.6075, 1.0)],
)
def test_the_difference_of_single_pictures_is_newcombes(
    first: tuple[int, int], second: tuple[int, int], low: float, high: float
) -> None:
    each = [([1] * hits + [0] * (cases - hits), [1] * cases) for hits, cases in (first, second)]
    assert difference(*each, min_clusters=2) == pytest.approx((low, high), abs=1e-4)
    assert difference(*each, min_clusters=MIN_CLUSTERS + 60) is None


def test_the_interval_of_a_difference_covers_it_about_95_times_of_100() -> None:
    rng = np.random.default_rng(3)
    both = [difference(simulated(rng, 60, 0.3, 0.3), simulated(rng, 90, 0.2, 0.1)) for _ in range(400)]
    assert 0.92 <= np.mean([low <= 0.1 <= high for low, high in both]) <= 0.98


def test_of_few_people_nothing_is_said_and_people_without_pictures_do_not_count() -> None:
    few = MIN_CLUSTERS - 1
    assert interval([1] * few, [2] * few) is None
    assert interval([1] * few + [0] * 5, [2] * few + [0] * 5) is None
    assert interval([], []) is None
