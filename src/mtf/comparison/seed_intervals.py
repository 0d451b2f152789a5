"""Interval of an accuracy over several seeds, from the intervals of the single trainings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

DIGITS = 4


def of_mean(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """`low`, `high` of the mean accuracy of the runs, or `more_people`, the number that is missing for an interval.

    runs: figures of the same pictures by the network of each seed, as of `fairness.by_group`.

    The ends are the means of the runs' ends. The standard deviation of a mean is at most the mean of the standard
    deviations, so this interval of 95 % is not too narrow for what the people of the test part leave open. It does not
    contain the randomness of the training, which the standard deviation over seeds shows.
    """
    if all("low" in run and "high" in run for run in runs):
        return {end: round(sum(run[end] for run in runs) / len(runs), DIGITS) for end in ("low", "high")}
    return {name: runs[0][name] for name in ("more_people",) if name in runs[0]}
