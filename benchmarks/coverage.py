"""Coverage of the intervals by group: simulated groups of 5 to 1,000 pictures, against Wilson's of single pictures.

Usage: python benchmarks/coverage.py [--draws 400]. It takes some minutes.

A group has people with 1 to 20 pictures each, and the answers about one person's pictures correlate by 0 to 0.4 (beta
and binomial). For each size and correlation, the share of intervals that contain the truth is averaged over accuracies
of 0.5 to 0.95. Groups of under 30 people have no interval; their number stands beside.

Then the test that names a worst group: how often it names one where no group differs. In some arrangements, the people
of one group have more pictures each than those of another.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Sequence
from functools import cache

import numpy as np
from scipy.stats import binomtest

from mtf.core import clustered_share
from mtf.evaluation import group_tests

ACCURACIES = (0.5, 0.7, 0.8, 0.9, 0.95)
PEOPLE = (5, 15, 30, 50, 100, 200, 1000)
PICTURES = (1, 2, 5, 10, 20)
CORRELATIONS = (0.0, 0.1, 0.2, 0.4)
MAX_PICTURES = 1000
# Arrangements of groups: people in each, and pictures of each person.
EQUAL = tuple((sizes, (6,) * len(sizes)) for sizes in ((5, 5, 5), (5, 30, 100), (20,) * 6, (10, 12, 15, 30, 60, 200)))
UNEQUAL = (
    ((30, 30, 30), (1, 6, 20)),
    ((10, 30, 100), (20, 6, 1)),
    ((10, 30, 100), (1, 6, 20)),
    ((60, 60), (1, 20)),
    ((20, 200), (20, 2)),
    ((20, 200), (2, 20)),
)


def answers(rng: np.random.Generator, people: int, pictures: int, share: float, correlation: float) -> np.ndarray:
    """Right answers of each person, (people,)."""
    if not correlation:
        return rng.binomial(pictures, share, people)
    scale = 1 / correlation - 1
    return rng.binomial(pictures, rng.beta(share * scale, (1 - share) * scale, people))


def covered(
    rng: np.random.Generator, people: int, pictures: int, correlation: float, draws: int
) -> tuple[float, float]:
    """Share of intervals that contain the truth: clustered by person, and Wilson's."""
    cases, hits = np.full(people, pictures), np.zeros(2)
    for share in ACCURACIES:
        for _ in range(draws):
            right = answers(rng, people, pictures, share, correlation)
            low, high = clustered_share.interval(right, cases)
            plain_low, plain_high = wilson(int(right.sum()), people * pictures)
            hits += low <= share <= high, plain_low <= share <= plain_high
    return tuple(hits / (draws * len(ACCURACIES)))


@cache
def wilson(hits: int, cases: int) -> tuple[float, float]:
    found = binomtest(hits, cases).proportion_ci(0.95, method="wilson")
    return found.low, found.high


def named(
    rng: np.random.Generator, sizes: Sequence[int], pictures: Sequence[int], correlation: float, draws: int
) -> float:
    """Share of draws in which a group is called the worst though none differs."""
    count = 0
    for seed in range(draws):
        groups = {
            str(number): (answers(rng, people, each, 0.9, correlation), np.full(people, each))
            for number, (people, each) in enumerate(zip(sizes, pictures, strict=True))
        }
        count += min(lower for lower, _ in group_tests.lower_and_higher(groups, seed=seed).values()) <= 0.05
    return count / draws


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=400, help="of each size, correlation and accuracy")
    parser.add_argument("--only", choices=("intervals", "worst"), help="one of the two parts")
    chosen, rng = parser.parse_args(), np.random.default_rng(1)
    if chosen.only != "worst":
        print_intervals(rng, chosen.draws)
    if chosen.only != "intervals":
        print_worst(rng, chosen.draws)


def print_intervals(rng: np.random.Generator, draws: int) -> None:
    print("people  pictures each  correlation  by person  Wilson's")
    clustered, plain, none = [], [], 0
    for people, pictures, correlation in itertools.product(PEOPLE, PICTURES, CORRELATIONS):
        if people * pictures > MAX_PICTURES or (pictures == 1 and correlation):
            continue
        if people < clustered_share.MIN_CLUSTERS:
            none += 1
            continue
        by_person, wilsons = covered(rng, people, pictures, correlation, draws)
        clustered.append(by_person)
        plain.append(wilsons)
        print(f"{people:6}  {pictures:13}  {correlation:11}  {by_person:9.3f}  {wilsons:8.3f}")
    for name, shares in (("by person", clustered), ("Wilson's", plain)):
        within = np.mean([0.93 <= share <= 0.97 for share in shares])
        kinds = f"{within:.0%} of {len(shares)} kinds of group within 93 to 97 %"
        print(f"{name}: {min(shares):.3f} to {max(shares):.3f}; {kinds}")
    print(f"no interval, as there are under {clustered_share.MIN_CLUSTERS} people: {none} kinds of group")


def print_worst(rng: np.random.Generator, draws: int) -> None:
    for name, arrangements in (("as many pictures of each person", EQUAL), ("unequal numbers of pictures", UNEQUAL)):
        shares = []
        for (sizes, pictures), correlation in itertools.product(arrangements, (0.0, 0.4)):
            shares.append(named(rng, sizes, pictures, correlation, draws))
            print(f"a worst group named among {sizes} people, {pictures} pictures, r {correlation}: {shares[-1]:.3f}")
        print(f"{name}: {min(shares):.3f} to {max(shares):.3f}, mean {np.mean(shares):.3f}", flush=True)


if __name__ == "__main__":
    main()
