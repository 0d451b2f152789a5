"""Coverage of the intervals of precision, recall and the other rates of a group, by person, in simulation.

Usage: python benchmarks/coverage_rates.py [--draws 400]

A group has 30 to 200 people. Each has one label, and pictures of the same true strength, which differs from person to
person: the scores of the labels are normal, higher for the true label, and the predicted label has the highest. All
people have as many pictures, or a few have most. For each kind of group and each rate, the share of intervals of 95 %
that contain the true rate; the truth is that of 200,000 people. The calibration error is left out: of few pictures it
is too high on average, so that its interval is about another figure.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable

import numpy as np

from mtf.evaluation.group_rates import Answers, rates
from mtf.evaluation.rate_intervals import NAMES, intervals

MANY = 200_000
PEOPLE = (30, 60, 200)
LABELS = {"two labels": (0.5, 0.5), "two, one rare": (0.2, 0.8), "four labels": (0.25,) * 4}
MEASURED = tuple(name for name in NAMES if name not in ("calibration_error", "false_negative_rate"))
STRENGTH = 1.2
SPREADS = (0.3, 1.2)

PICTURES: dict[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    "1 picture each": lambda _, people: np.ones(people, int),
    "6 pictures each": lambda _, people: np.full(people, 6),
    "1 to 20, most have few": lambda rng, people: np.minimum(rng.geometric(1 / 6, people), 20),
    "1, or 20 for every tenth": lambda rng, people: np.where(rng.random(people) < 0.1, 20, 1),
}


def drawn(
    rng: np.random.Generator, cases: np.ndarray, shares: tuple[float, ...], spread: float
) -> tuple[Answers, np.ndarray]:
    """Answers about people with so many pictures each, and the person in each picture."""
    people = np.repeat(np.arange(len(cases)), cases)
    targets = rng.choice(len(shares), len(cases), p=shares)[people]
    strength = rng.normal(STRENGTH, spread, len(cases))[people]
    scores = rng.normal(size=(len(people), len(shares)))
    scores[np.arange(len(people)), targets] += strength
    probabilities = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    return Answers(targets, scores.argmax(axis=1), len(shares), None, probabilities, ordered=True), people


def covered(
    rng: np.random.Generator, pictures: str, people: int, shares: tuple[float, ...], spread: float, draws: int
) -> tuple[dict[str, float], float]:
    """Rate → share of intervals that contain the truth; and the share of groups whose means over labels have one."""
    truth = rates(drawn(rng, PICTURES[pictures](rng, MANY), shares, spread)[0])
    hits, counts = dict.fromkeys(MEASURED, 0), dict.fromkeys(MEASURED, 0)
    for _ in range(draws):
        answers, numbers = drawn(rng, PICTURES[pictures](rng, people), shares, spread)
        ends = intervals(answers, numbers, rates(answers))
        for name in MEASURED:
            if f"{name}_low" in ends:
                counts[name] += 1
                hits[name] += ends[f"{name}_low"] <= truth[name] <= ends[f"{name}_high"]
    return {name: hits[name] / max(counts[name], 1) for name in MEASURED}, counts["recall"] / draws


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=400, help="of each kind of group")
    draws = parser.parse_args().draws
    rng = np.random.default_rng(1)
    print(f"{'pictures':25}{'labels':15}people  spread  with  " + "  ".join(f"{name:>12.12}" for name in MEASURED))
    found: dict[str, list[float]] = {name: [] for name in MEASURED}
    for pictures, (labels, shares), people, spread in itertools.product(PICTURES, LABELS.items(), PEOPLE, SPREADS):
        covering, with_interval = covered(rng, pictures, people, shares, spread, draws)
        shown = "  ".join(f"{covering[name]:12.3f}" for name in MEASURED)
        print(f"{pictures:25}{labels:15}{people:6}  {spread:6}  {with_interval:4.2f}  {shown}", flush=True)
        for name in MEASURED:
            if name != "one_off" or len(shares) > 2:  # of two labels, each is next to the other
                found[name].append(covering[name])
    for name, values in found.items():
        within = sum(0.93 <= each <= 0.97 for each in values)
        span = f"{min(values):.3f} to {max(values):.3f}, mean {np.mean(values):.3f}"
        print(f"{name}: {span}; {within} of {len(values)} kinds of group within 93 to 97 %")


if __name__ == "__main__":
    main()
