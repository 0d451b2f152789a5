"""Plan of a certification: blind questions on sampled faces, one at a time, in a random order.

Nothing on the page tells what the panel said of a face, or whether it is one of the rejected ones that are mixed in.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mtf.review_app.engine.face_key import Key
from mtf.review_app.engine.page import CERTIFICATE, NOTHING_LEFT, Page
from mtf.review_app.engine.queue import DONE, NOTHING, SKIP, Rows, counted
from mtf.review_app.engine.review_data import ReviewData
from mtf.review_app.engine.reviewer_votes import ReviewerVotes
from mtf.schemas import Step, funnel_steps


class CertifyPlan:
    """Plan of one person's answers at the step `identity`; `sample` has the faces in the order of the questions."""

    def __init__(self, review_data: ReviewData, sample: Sequence[Key]) -> None:
        self._review_data = review_data
        self._sample = list(sample)
        self._rows = np.array([review_data.row(face) for face in self._sample], np.int64)
        self._asked = np.zeros(review_data.faces.height, bool)
        self._asked[self._rows] = True
        self._place = funnel_steps.place_of(Step.IDENTITY)

    def owed(self, votes: ReviewerVotes, rows: Rows | None = None) -> tuple[NDArray[np.int8], NDArray[np.bool_]]:
        at = np.arange(len(self._asked)) if rows is None else rows
        is_open = self._asked[at] & ~_is_answered(votes, at, self._place)
        return np.where(is_open, self._place, DONE).astype(np.int8), np.ones(len(at), bool)

    def counted(self, votes: ReviewerVotes) -> dict[str, int]:
        return counted(self.owed(votes)[0])

    def split_label(self, votes: ReviewerVotes, row: int) -> str | None:  # noqa: ARG002 (Plan's signature)
        """None: a certificate asks for no labels."""
        return None

    def next_page(self, votes: ReviewerVotes) -> tuple[Page, dict[str, int]]:
        is_open = ~_is_answered(votes, self._rows, self._place)
        # Skipped faces come last.
        fresh = is_open & (votes.codes[self._rows, self._place] != SKIP)
        left = np.flatnonzero(fresh if fresh.any() else is_open)
        if not len(left):
            return NOTHING_LEFT, self.counted(votes)
        face = self._sample[left[0]]
        return Page(str(Step.IDENTITY), CERTIFICATE, face.identity, (face,)), self.counted(votes)


def _is_answered(votes: ReviewerVotes, rows: Rows, place: int) -> NDArray[np.bool_]:
    """True for faces with an answer: at the step, or a rejection at an earlier one."""
    codes = votes.codes[rows, : place + 1]
    return ((codes != NOTHING) & (codes != SKIP)).any(axis=1)
