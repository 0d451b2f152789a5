"""Coverage of the FMR's and FNMR's intervals, and false alarms of the test of the worst FNMR, in simulated tests.

Usage: python benchmarks/coverage_verification.py [--draws 400] [--only fmr|fnmr|worst]. It takes some ten minutes.

People are directions in 16 dimensions, pictures lie around them. How far a person's pictures lie from the direction
varies from person to person, so some people are often missed, and some often taken for others.

- fmr: the interval contains the FMR of 20 times 4,000 people. Within groups and across two groups. Where hardly a pair
  of people matches, the interval assumes nothing, and is wide; beside stands how often, and the others' coverage.
- fnmr: the interval contains the FNMR of 20 times 4,000 people.
- worst: how often a group's FNMR is said to be the worst where no group differs. A person with n pictures has
  n (n − 1) / 2 genuine pairs. In some arrangements, the people of one group have more pictures than those of another.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable, Sequence

import numpy as np

from mtf.evaluation import group_tests, pair_intervals
from mtf.evaluation.verification import Matches, Vectors, edge_of

DIMENSIONS = 16
MANY = 4000
# Samples of MANY people for the true rates. Where people differ, one sample misses the FMR by up to a tenth.
SAMPLES = 20
FMRS = (0.1, 0.01, 0.001)
# People within a group, or in each of two groups.
SIZES = ((30,), (60,), (200,), (30, 30), (30, 200), (100, 100))
FNMRS = (0.05, 0.2)
# Spread between people of their nearness to a common direction.
TYPICAL = (0.0, 3.0)

Counts = Callable[[np.random.Generator, int], np.ndarray]
"""Numbers of pictures of so many people."""


def always(pictures: int) -> Counts:
    return lambda _, people: np.full(people, pictures)


def between(low: int, high: int) -> Counts:
    return lambda rng, people: rng.integers(low, high + 1, people)


def geometric(rng: np.random.Generator, people: int) -> np.ndarray:
    """Two pictures and more, five on average, twenty at most: as of a crawl, most people have few."""
    return np.minimum(1 + rng.geometric(0.25, people), 20)


PICTURES = (("1 picture", always(1)), ("2 to 20", geometric), ("20 pictures", always(20)))
# Groups of which none differs: people in each, and how many pictures they have.
ALIKE: tuple[tuple[Sequence[int], Sequence[Counts]], ...] = (
    ((50, 50), (always(6), always(6))),
    ((50, 50), (between(2, 20), between(2, 20))),
    ((50, 50), (geometric, geometric)),
    ((30, 200), (geometric, geometric)),
    ((30,) * 6, (geometric,) * 6),
    ((30, 60, 200, 400), (geometric,) * 4),
)
UNLIKE: tuple[tuple[Sequence[int], Sequence[Counts]], ...] = (
    ((50, 50), (always(3), always(20))),
    ((30, 200), (always(20), always(3))),
    ((30, 200), (always(3), always(20))),
    ((30, 60, 200), (between(2, 20), geometric, always(3))),
    ((30, 60, 200), (always(3), geometric, between(2, 20))),
)


def drawn(rng: np.random.Generator, pictures: np.ndarray, *, typical: float = 0.0) -> Vectors:
    """Vectors of people with these numbers of pictures.

    typical: how far people differ in how near they are to a common direction; those who are near are often taken for
    one another.
    """
    people = np.repeat(np.arange(len(pictures)), pictures)
    noise = 0.5 * np.exp(0.3 * rng.normal(size=len(pictures)))
    directions = rng.normal(size=(len(pictures), DIMENSIONS))
    if typical:
        directions[:, 0] += typical * np.abs(rng.normal(size=len(pictures)))
    vectors = directions[people]
    vectors = vectors + noise[people, None] * rng.normal(size=vectors.shape)
    return Vectors((vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), people)


def thresholds_and_fmrs(typical: float) -> list[tuple[float, float]]:
    """Threshold for each FMR, and the true FMR there, by all pairs of MANY people with one picture each."""
    thresholds, found = [], []
    for sample in range(SAMPLES):
        faces = drawn(np.random.default_rng(99 + sample), np.ones(MANY, int), typical=typical)
        similarities = (faces.vectors @ faces.vectors.T)[np.triu_indices(MANY, 1)]
        thresholds = thresholds or [_threshold(similarities, 1 - fmr) for fmr in FMRS]
        found.append([(similarities >= threshold).mean() for threshold in thresholds])
    return [(threshold, float(fmr)) for threshold, fmr in zip(thresholds, np.mean(found, axis=0), strict=True)]


def thresholds_and_fnmrs() -> list[tuple[float, float]]:
    """Threshold for each FNMR, and the true FNMR there, by two pictures of each of SAMPLES times MANY people."""
    faces = drawn(np.random.default_rng(98), np.full(SAMPLES * MANY, 2))
    similarities = (faces.vectors[::2] * faces.vectors[1::2]).sum(axis=1)
    thresholds = [_threshold(similarities, fnmr) for fnmr in FNMRS]
    return [(threshold, float((similarities < threshold).mean())) for threshold in thresholds]


def _threshold(similarities: np.ndarray, quantile: float) -> float:
    """Edge of a bin next to the quantile of the similarities."""
    return edge_of(round((float(np.quantile(similarities, quantile)) + 1) / 2 * 20_000))


def matches_at(faces: Vectors, thresholds: Sequence[float]) -> list[Matches]:
    """Impostor pairs as of `verification.matches_at`, by comparison with the threshold in place of a bin: faster."""
    pictures = faces.pictures
    starts = np.cumsum([0, *pictures])[:-1]
    similarities = faces.vectors @ faces.vectors.T
    found = []
    for threshold in thresholds:
        by_row = np.add.reduceat((similarities >= threshold).astype(np.int16), starts, axis=0)
        found.append(Matches(np.add.reduceat(by_row, starts, axis=1), np.outer(pictures, pictures)))
    return found


def missed(rng: np.random.Generator, pictures: np.ndarray, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """Genuine pairs that do not match, and all genuine pairs, of each person; pairs of two people are not compared."""
    faces, starts = drawn(rng, pictures), np.cumsum([0, *pictures])[:-1]
    count = np.zeros(len(pictures), int)
    for number in np.unique(pictures):
        people = np.flatnonzero(pictures == number)
        own = faces.vectors[starts[people, None] + np.arange(number)]
        first, second = np.triu_indices(number, 1)
        count[people] = ((own @ own.transpose(0, 2, 1))[:, first, second] < threshold).sum(axis=1)
    return count, pictures * (pictures - 1) // 2


def named(
    rng: np.random.Generator, sizes: Sequence[int], counts: Sequence[Counts], threshold: float, draws: int
) -> float:
    """Share of draws in which a group's FNMR is called the worst though none differs."""
    alarms = 0
    for seed in range(draws):
        groups = {
            str(number): missed(rng, each(rng, people), threshold)
            for number, (people, each) in enumerate(zip(sizes, counts, strict=True))
        }
        alarms += min(higher for _, higher in group_tests.lower_and_higher(groups, seed=seed).values()) <= 0.05
    return alarms / draws


def print_fmr(draws: int) -> None:
    for typical in TYPICAL:
        rng, found, points = np.random.default_rng(1), {fmr: [] for fmr in FMRS}, thresholds_and_fmrs(typical)
        print(f"typical {typical}, true FMRs: " + ", ".join(f"{fmr:.5f}" for _, fmr in points), flush=True)
        for sizes, (name, counts) in itertools.product(SIZES, PICTURES):
            if sum(sizes) > 100 and name == "20 pictures":
                continue
            shares = fmr_covered(rng, sizes, counts, points, typical, draws)
            for fmr, share in zip(FMRS, shares, strict=True):
                found[fmr].append(share)
            shown = ", ".join(
                f"FMR {fmr}: {share:.3f} (wide {wide:.3f}, others {others:.3f})"
                for fmr, (share, wide, others) in zip(FMRS, shares, strict=True)
            )
            print(f"typical {typical}, {' across '.join(map(str, sizes))} people, {name} each: {shown}", flush=True)
        for fmr, each in found.items():
            shares, wide, others = np.array(each).T
            pooled = np.nansum(others * (1 - wide)) / (1 - wide).sum() if (wide < 1).any() else np.nan
            print(
                f"typical {typical}, FMR {fmr}: {shares.min():.3f} to {shares.max():.3f}, mean {shares.mean():.3f}; "
                f"wide {wide.mean():.3f}, others {pooled:.3f}, lowest {np.nanmin(others[wide < 0.9], initial=1):.3f} "
                "where at least a tenth are not wide",
                flush=True,
            )


def fmr_covered(
    rng: np.random.Generator,
    sizes: Sequence[int],
    counts: Counts,
    points: Sequence[tuple[float, float]],
    typical: float,
    draws: int,
) -> np.ndarray:
    """For each of the `points` (threshold, true FMR): share of intervals that contain it, that are wide, of the others.

    (points, 3). Wide are those by `pair_intervals.at_most`.
    """
    first, second = np.arange(sizes[0]), np.arange(sizes[0], sum(sizes)) if len(sizes) > 1 else None
    hits, wide, narrow_hits = np.zeros((3, len(points)))
    for _ in range(draws):
        faces = drawn(rng, counts(rng, sum(sizes)), typical=typical)
        for number, matches in enumerate(matches_at(faces, [threshold for threshold, _ in points])):
            tables, within = matches.impostor(first, second), second is None
            narrow = pair_intervals.by_jackknife(*tables, within=within)
            low, high = narrow or pair_intervals.at_most(*tables, within=within)
            hit = low <= points[number][1] <= high
            hits[number] += hit
            wide[number] += narrow is None
            narrow_hits[number] += hit and narrow is not None
    with np.errstate(invalid="ignore"):
        return np.stack([hits / draws, wide / draws, narrow_hits / (draws - wide)], axis=1)


def print_fnmr(draws: int) -> None:
    rng, points = np.random.default_rng(1), thresholds_and_fnmrs()
    kinds = {
        "3 pictures": always(3),
        "2 to 20, as many of each number": between(2, 20),
        "2 to 20, mostly few": geometric,
    }
    for name, counts in kinds.items():
        found = []
        for people, (threshold, fnmr) in itertools.product((30, 50, 100, 200), points):
            covered = 0
            for _ in range(draws):
                low, high = pair_intervals.of_genuine_pairs(*missed(rng, counts(rng, people), threshold), min_people=30)
                covered += low <= fnmr <= high
            found.append(covered / draws)
            print(f"{people} people, {name}, FNMR {fnmr:.3f}: {found[-1]:.3f}", flush=True)
        print(f"FNMR, {name}: {min(found):.3f} to {max(found):.3f}, mean {np.mean(found):.3f}", flush=True)


def print_worst(draws: int) -> None:
    rng, points = np.random.default_rng(1), thresholds_and_fnmrs()
    for name, arrangements in (("numbers of pictures alike in all groups", ALIKE), ("unlike", UNLIKE)):
        shares = []
        for (number, (sizes, counts)), (threshold, fnmr) in itertools.product(enumerate(arrangements), points):
            shares.append(named(rng, sizes, counts, threshold, draws))
            print(f"{name}, arrangement {number + 1}, {sizes} people, FNMR {fnmr:.2f}: {shares[-1]:.3f}", flush=True)
        print(f"{name}: {min(shares):.3f} to {max(shares):.3f}, mean {np.mean(shares):.3f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=400, help="of each arrangement")
    parts = {"fmr": print_fmr, "fnmr": print_fnmr, "worst": print_worst}
    parser.add_argument("--only", choices=parts, help="one of the parts")
    chosen = parser.parse_args()
    for name, part in parts.items():
        if chosen.only in (None, name):
            part(chosen.draws)


if __name__ == "__main__":
    main()
