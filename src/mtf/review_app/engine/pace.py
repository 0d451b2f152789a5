"""Pace of a reviewer and the number of verdicts left, for the status bar, the panel and `mtf review status`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
import polars as pl

from mtf.annotation.decision import STAYS, Verdict
from mtf.review_app.engine.queue import ACCEPT, KEEP, REJECT, Rows, VerdictCodes, duplicate_place

# A longer gap between two keys is a pause, and counts as this much work.
PAUSE_S = 120.0
# Lines written within this time come from one key.
ONE_KEY_S = 0.1
# Below this much work there is no pace.
MIN_WORK_S = 5.0
# Keys and seconds of work from which the pace is steady enough to be shown.
STEADY_KEYS = 12
STEADY_S = 60.0
# Verdicts that count; labels, skips and undos add to the time only.
JUDGING = (*STAYS, Verdict.REJECT)


class Pace:
    """Pace counter: seconds of work without pauses, and verdicts given in them.

    `now_s` is the time of any monotonic clock, in seconds.
    """

    def __init__(self, now_s: float) -> None:
        self._last_s = now_s
        self._verdicts = 0
        self._worked_s = 0.0
        self._keys = 0

    def mark(self, verdicts: int, now_s: float) -> None:
        """Count a pressed key and its verdicts; 0 for a label, a skip or an undo."""
        self._worked_s += min(max(now_s - self._last_s, 0.0), PAUSE_S)
        self._last_s = now_s
        self._verdicts += verdicts
        self._keys += verdicts > 0

    @property
    def is_steady(self) -> bool:
        """True after enough keys and work for an estimate of what is left."""
        return self._keys >= STEADY_KEYS and self._worked_s >= STEADY_S

    @property
    def per_hour(self) -> float | None:
        """Verdicts per hour of work; None below MIN_WORK_S."""
        is_enough = self._verdicts > 0 and self._worked_s >= MIN_WORK_S
        return 3600 * self._verdicts / self._worked_s if is_enough else None


def of_lines(decisions: pl.DataFrame) -> Pace:
    """Pace in a reviewer's ledger lines (`verdict` and `time`).

    Verdicts of the first key do not count, since the time when the work on them began is not recorded.
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
    """Expected number of verdicts left.

    open_faces: faces open now, per step.
    passing: share of judged faces that pass, per step.
    grouped: share of faces in a duplicate group; only these are judged at the duplicate step.
    """
    total, coming = 0.0, 0.0
    duplicate = duplicate_place()
    for place, (owed, share) in enumerate(zip(open_faces, passing, strict=True)):
        judged = owed + coming * (grouped if place == duplicate else 1.0)
        total += judged
        coming += owed - judged * (1 - share)
    return total


def passing_of(codes: VerdictCodes) -> list[float]:
    """Share of a reviewer's verdicts that pass a face, per step; 1 without verdicts, so that the rest is not
    underestimated.

    `codes` is faces × steps, as in `queue.VERDICTS`.
    """
    passed = ((codes == ACCEPT) | (codes == KEEP)).sum(axis=0)
    judged = passed + (codes == REJECT).sum(axis=0)
    return [float(passed[place] / judged[place]) if judged[place] else 1.0 for place in range(codes.shape[1])]


def grouped_of(groups: Rows) -> float:
    """Share of faces in a duplicate group (`queue.groups_of`); 0 without faces."""
    return float((groups >= 0).mean()) if len(groups) else 0.0
