"""Coverage of the intervals by group: simulated groups of 5 to 1,000 pictures, against Wilson's of single pictures.

Usage: python benchmarks/coverage.py [--draws 400] [--only intervals|gaps|worst|power]. With 200 draws, the intervals
take some five minutes of processor time, mostly for bootstraps; with 1,000, the worst groups take ten.

- intervals: a group has people with 1 to 20 pictures each, and the answers about one person's pictures correlate by 0
  to 0.4 (beta and binomial). Either each person has as many pictures, or a few have most (geometric, 20 at most). For
  each size and correlation, the share of intervals that contain the truth is averaged over accuracies of 0.5 to 0.95:
  of the closed form by person, of the bootstrap over people, and of Wilson's. Groups of under 30 people have no
  interval; their number stands beside.
- gaps: two to six groups of different accuracy. The interval of the gap between the lowest and the highest group
  contains the true difference of these two.
- worst: how often the test names a worst group where no group differs. In some arrangements, the people of one group
  have more pictures each than those of another.
- power: how often it names the group that is worse.

`coverage_verification.py` measures the same of verification tests.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable, Sequence

import numpy as np

from mtf.config import Fairness
from mtf.core import clustered_share
from mtf.evaluation import cluster_bootstrap, fairness, group_tests
from mtf.evaluation.groups import Group

Counts = Callable[[np.random.Generator, int, int], np.ndarray]
"""Numbers of pictures of so many people, from the usual number of pictures of one."""

ACCURACIES = (0.5, 0.7, 0.8, 0.9, 0.95)
PEOPLE = (5, 15, 30, 50, 100, 200, 1000)
PICTURES = (1, 2, 5, 10, 20)
CORRELATIONS = (0.0, 0.1, 0.2, 0.4)
MAX_PICTURES = 1000
# Groups whose bootstraps share the draws of people.
AT_ONCE = 25
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
# Arrangements with a group that is worse: people in each, pictures of each person, true accuracies.
WORSE = (
    ((30, 30, 30), (6, 6, 6), (0.8, 0.9, 0.9)),
    ((60, 60), (1, 20), (0.9, 0.8)),
    ((10, 30, 100), (1, 6, 20), (0.9, 0.9, 0.82)),
    ((10, 30, 100), (20, 6, 1), (0.75, 0.9, 0.9)),
    ((20, 200), (2, 20), (0.75, 0.9)),
    ((20, 200), (20, 2), (0.8, 0.9)),
)
# Groups with a gap: people in each, pictures of each person, true accuracies.
GAPS = (
    *(((30, 30), (6, 6), shares) for shares in ((0.8, 0.8), (0.75, 0.85), (0.6, 0.95))),
    *(((100, 100), each, (0.8, 0.9)) for each in ((1, 1), (6, 6), (1, 20), (20, 1))),
    *(((50,) * 6, (6,) * 6, shares) for shares in ((0.8,) * 6, (0.8, 0.8, 0.8, 0.8, 0.8, 0.9))),
    ((30, 40, 60, 100, 200, 400), (20, 6, 6, 6, 2, 2), (0.7, 0.8, 0.8, 0.8, 0.8, 0.9)),
)


def answers(
    rng: np.random.Generator, people: int, pictures: int | np.ndarray, share: float, correlation: float
) -> np.ndarray:
    """Right answers of each person, (people,), of so many pictures each."""
    if not correlation:
        return rng.binomial(pictures, share, people)
    scale = 1 / correlation - 1
    return rng.binomial(pictures, rng.beta(share * scale, (1 - share) * scale, people))


def alike(_: np.random.Generator, people: int, pictures: int) -> np.ndarray:
    """As many pictures of each person: (people,)."""
    return np.full(people, pictures)


def unlike(rng: np.random.Generator, people: int, pictures: int) -> np.ndarray:
    """So many pictures of a person on average, or somewhat fewer: 1 to 20, and most people have few."""
    return np.minimum(rng.geometric(1 / pictures, people), 20)


def covered(
    rng: np.random.Generator, counts: Counts, people: int, pictures: int, correlation: float, draws: int
) -> tuple[float, float, float]:
    """Share of intervals that contain the truth: clustered by person, by bootstrap over people, and Wilson's."""
    hits = np.zeros(3)
    for share in ACCURACIES:
        for start in range(0, draws, AT_ONCE):
            groups = [counts(rng, people, pictures) for _ in range(min(AT_ONCE, draws - start))]
            groups = [(answers(rng, people, cases, share, correlation), cases) for cases in groups]
            closed = [clustered_share.interval(*group) for group in groups]
            plain = [
                clustered_share.wilson(float(right.sum() / cases.sum()), float(cases.sum()), 1.96)
                for right, cases in groups
            ]
            for number, found in enumerate((closed, bootstraps(rng, groups, closed), plain)):
                hits[number] += sum(low <= share <= high for low, high in found)
    return tuple(hits / (draws * len(ACCURACIES)))


def bootstraps(
    rng: np.random.Generator, groups: Sequence[tuple[np.ndarray, np.ndarray]], closed: Sequence[tuple[float, float]]
) -> list[tuple[float, float]]:
    """Intervals of `cluster_bootstrap.interval` of groups of as many people, which share the draws: faster."""
    right, cases = (np.stack(part, axis=1).astype(float) for part in zip(*groups, strict=True))
    people = len(cases)
    times = cluster_bootstrap.times_drawn(people, Fairness().bootstraps, rng)
    products = (right, cases, right**2, right * cases, cases**2)
    of_all, drawn = (
        cluster_bootstrap.angles_and_errors(np.stack([weights @ each for each in products]), people)
        for weights in (np.ones((1, people)), times)
    )
    found = cluster_bootstrap.ends(of_all, drawn)
    usable = np.isfinite(found).all(axis=0) & (of_all[1][0] > 0)
    return [tuple(ends) if use else other for ends, use, other in zip(found.T, usable, closed, strict=True)]


def gap_covered(
    rng: np.random.Generator,
    sizes: Sequence[int],
    pictures: Sequence[int],
    shares: Sequence[float],
    correlation: float,
    draws: int,
) -> float:
    """Share of intervals of the gap that contain the true difference of the two groups; one below 0 counts as 0."""
    count = 0
    for _ in range(draws):
        groups = []
        for number, (people, each, share) in enumerate(zip(sizes, pictures, shares, strict=True)):
            right = answers(rng, people, each, share, correlation)
            rows = np.arange(people * each)
            groups.append(Group((str(number),), rows, right, np.full(people, each), rows // each))
        measured = [float(group.right.sum()) / group.n for group in groups]
        lowest, highest = int(np.argmin(measured)), int(np.argmax(measured))
        low, high = fairness.gap_interval(groups[lowest], groups[highest], groups=len(groups), min_people=30)
        count += low <= max(shares[highest] - shares[lowest], 0.0) <= high
    return count / draws


def named(
    rng: np.random.Generator,
    sizes: Sequence[int],
    pictures: Sequence[int],
    correlation: float,
    draws: int,
    shares: Sequence[float] | None = None,
) -> float:
    """Share of draws in which a group is called the worst; with `shares`, the one that is."""
    count = 0
    accuracies = shares or (0.9,) * len(sizes)
    for seed in range(draws):
        groups = {
            str(number): (answers(rng, people, each, share, correlation), np.full(people, each))
            for number, (people, each, share) in enumerate(zip(sizes, pictures, accuracies, strict=True))
        }
        lower = [low for low, _ in group_tests.lower_and_higher(groups, seed=seed).values()]
        count += (lower[int(np.argmin(accuracies))] if shares else min(lower)) <= 0.05
    return count / draws


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=400, help="of each size, correlation and accuracy")
    parts = {"intervals": print_intervals, "gaps": print_gaps, "worst": print_worst, "power": print_power}
    parser.add_argument("--only", choices=parts, help="one of the parts")
    chosen = parser.parse_args()
    for name, part in parts.items():
        if chosen.only in (None, name):
            part(np.random.default_rng(1), chosen.draws)


def print_intervals(rng: np.random.Generator, draws: int) -> None:
    names = ("by person", "bootstrap", "Wilson's")
    kinds = [
        (people, pictures, correlation)
        for people, pictures, correlation in itertools.product(PEOPLE, PICTURES, CORRELATIONS)
        if people * pictures <= MAX_PICTURES and (pictures > 1 or not correlation)
    ]
    large = [kind for kind in kinds if kind[0] >= clustered_share.MIN_CLUSTERS]
    for title, counts in (("as many pictures of each person", alike), ("unequal numbers of pictures", unlike)):
        print(f"{title}\npeople  pictures each  correlation  " + "  ".join(names))
        found = []
        for people, pictures, correlation in large:
            if pictures == 1 and counts is unlike:
                continue
            found.append(covered(rng, counts, people, pictures, correlation, draws))
            shown = "  ".join(f"{share:9.3f}" for share in found[-1])
            print(f"{people:6}  {pictures:13}  {correlation:11}  {shown}", flush=True)
        for name, shares in zip(names, zip(*found, strict=True), strict=True):
            within = sum(0.93 <= share <= 0.97 for share in shares)
            of_all = f"{within} of {len(shares)} kinds of group within 93 to 97 %"
            print(f"{title}, {name}: {min(shares):.3f} to {max(shares):.3f}; {of_all}", flush=True)
    print(f"no interval, as there are under {clustered_share.MIN_CLUSTERS} people: {len(kinds) - len(large)} kinds")


def print_gaps(rng: np.random.Generator, draws: int) -> None:
    found = []
    for (sizes, pictures, shares), correlation in itertools.product(GAPS, (0.0, 0.4)):
        found.append(gap_covered(rng, sizes, pictures, shares, correlation, draws))
        print(f"gap of {sizes} people, {pictures} pictures, accuracies {shares}, r {correlation}: {found[-1]:.3f}")
    print(f"gap: {min(found):.3f} to {max(found):.3f}, mean {np.mean(found):.3f}", flush=True)


def print_worst(rng: np.random.Generator, draws: int) -> None:
    for name, arrangements in (("as many pictures of each person", EQUAL), ("unequal numbers of pictures", UNEQUAL)):
        shares = []
        for (sizes, pictures), correlation in itertools.product(arrangements, (0.0, 0.4)):
            shares.append(named(rng, sizes, pictures, correlation, draws))
            print(f"a worst group named among {sizes} people, {pictures} pictures, r {correlation}: {shares[-1]:.3f}")
        print(f"{name}: {min(shares):.3f} to {max(shares):.3f}, mean {np.mean(shares):.3f}", flush=True)


def print_power(rng: np.random.Generator, draws: int) -> None:
    for (sizes, pictures, shares), correlation in itertools.product(WORSE, (0.0, 0.4)):
        share = named(rng, sizes, pictures, correlation, draws, shares)
        print(
            f"the worse of {sizes} people named, {pictures} pictures, accuracies {shares}, r {correlation}: {share:.3f}"
        )


if __name__ == "__main__":
    main()
