"""Pace of the review and the verdicts still to come: the same on the bar, in the panel and in the status."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
import polars as pl

from mtf.annotation.decision import STAYS, Verdict
from mtf.review_app.engine.queue import ACCEPT, KEEP, REJECT, Rows, Words, duplicate_place

# A longer gap between two keys is a pause: it counts as so much work, not as more.
PAUSE_S = 120.0
# Lines that are closer together were written with one key.
ONE_KEY_S = 0.1
# Shorter work says nothing about the pace.
MIN_WORK_S = 5.0
# Labels, skips and undos are work too, and judge nothing.
JUDGING = (*STAYS, Verdict.REJECT)


class Pace:
    """Seconds of work, without the pauses, and the verdicts given in them. `now_s` is any clock's, in seconds."""

    def __init__(self, now_s: float) -> None:
        self._last_s = now_s
        self._verdicts = 0
        self._worked_s = 0.0

    def mark(self, verdicts: int, now_s: float) -> None:
        """A key was pressed, and gave so many verdicts (none: a label, a skip, an undo)."""
        self._worked_s += min(max(now_s - self._last_s, 0.0), PAUSE_S)
        self._last_s = now_s
        self._verdicts += verdicts

    @property
    def per_hour(self) -> float | None:
        """Verdicts per hour of work; None where there is too little to tell."""
        is_enough = self._verdicts > 0 and self._worked_s >= MIN_WORK_S
        return 3600 * self._verdicts / self._worked_s if is_enough else None


def of_lines(decisions: pl.DataFrame) -> Pace:
    """The pace of a reviewer's lines of the ledger (`verdict` and `time`).

    The first key's verdicts are none: when the work on them began is not written down.
    """
    lines = decisions.select("time", given=pl.col("verdict").is_in([str(one) for one in JUDGING])).sort("time")
    at_s = lines["time"].dt.timestamp("us").to_numpy() / 1e6
    begins = np.flatnonzero(np.diff(at_s, prepend=-np.inf) > ONE_KEY_S)
    pace = Pace(float(at_s[0]) if len(at_s) else 0.0)
    given = lines["given"].to_numpy()
    for first, end in pairwise([*begins[1:], len(at_s)]):
        pace.mark(int(given[first:end].sum()), float(at_s[first]))
    return pace


def still_to_come(open_faces: Iterable[float], passing: Sequence[float], *, grouped: float) -> float:
    """The verdicts that are left, where each step sends on the share `passing` of what is judged at it.

    `open_faces` are owed now, step by step; `grouped` is the share of faces in a group of duplicates, which alone are
    asked about at that step.
    """
    total, coming = 0.0, 0.0
    duplicate = duplicate_place()
    for place, (owed, share) in enumerate(zip(open_faces, passing, strict=True)):
        asked = owed + coming * (grouped if place == duplicate else 1.0)
        total += asked
        coming += owed - asked * (1 - share)
    return total


def passing_of(words: Words) -> list[float]:
    """Step by step the share of a reviewer's verdicts (faces × steps, as in queue.VERDICTS) that send a face on.

    1 where there are none yet: then what is left is not counted too low.
    """
    passed = ((words == ACCEPT) | (words == KEEP)).sum(axis=0)
    judged = passed + (words == REJECT).sum(axis=0)
    return [float(passed[place] / judged[place]) if judged[place] else 1.0 for place in range(words.shape[1])]


def grouped_of(groups: Rows) -> float:
    """The share of faces in a group of duplicates (`queue.groups_of`); 0 where there are no faces."""
    return float((groups >= 0).mean()) if len(groups) else 0.0
