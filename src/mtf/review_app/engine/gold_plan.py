"""Plan with gold questions planted among the faces of its pages. The real faces and their order stay the same.

A page that is answered as a whole has at least one exception, where there is a question for it. The other pages have as
many as the share still lacks, so that gold stays near its share.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mtf.review_app.engine import triage
from mtf.review_app.engine.gold_questions import GoldQuestion, GoldQuestions
from mtf.review_app.engine.identity_pages import AGAIN, steps_at_once
from mtf.review_app.engine.page import Page, Plan
from mtf.review_app.engine.queue import DONE, NOTHING, Rows
from mtf.review_app.engine.review_data import ReviewData
from mtf.review_app.engine.reviewer_votes import ReviewerVotes
from mtf.schemas import Step, funnel_steps

# Fewer faces than this are looked at one by one, whatever their run.
MIN_WHOLE_PAGE = 5
# More would show what they are.
MAX_PLANTED = 3


class GoldPlan:
    """Plan of a reviewer around `plan`, which knows the real faces alone; `review_data` has the questions, too."""

    def __init__(self, plan: Plan, review_data: ReviewData, gold: GoldQuestions, *, seed: int) -> None:
        self._plan = plan
        self._data = review_data
        self._gold = gold
        self._seed = seed
        self._real = review_data.real.faces.height
        self._at_once = len(steps_at_once()) if review_data.distinguishes_people else 1

    def owed(self, votes: ReviewerVotes, rows: Rows | None = None) -> tuple[NDArray[np.int8], NDArray[np.bool_]]:
        """As `Plan.owed`; a planted question without an answer is open at the step of its page."""
        at = np.arange(len(votes.codes)) if rows is None else rows
        is_real = at < self._real
        steps, ready = np.full(len(at), DONE, np.int8), np.ones(len(at), bool)
        steps[is_real], ready[is_real] = self._plan.owed(votes.first(self._real), None if rows is None else at[is_real])
        for place in np.flatnonzero(~is_real):
            step = self._gold.planted.get(self._data.key(int(at[place])))
            if step is not None and not _is_answered(votes, at[place]):
                steps[place] = funnel_steps.place_of(step)
        return steps, ready

    def counted(self, votes: ReviewerVotes) -> dict[str, int]:
        """Number of open real faces per step."""
        return self._plan.counted(votes.first(self._real))

    def split_label(self, votes: ReviewerVotes, row: int) -> str | None:
        return self._plan.split_label(votes, row) if row < self._real else None

    def next_page(self, votes: ReviewerVotes) -> tuple[Page, dict[str, int]]:
        page, counts = self._plan.next_page(votes.first(self._real))
        if page.step is None or page.step == Step.DUPLICATE or page.label or page.run == AGAIN:
            return page, counts
        answered = self._gold.answered + int((votes.codes[self._real :] != NOTHING).any(axis=1).sum())
        random = np.random.default_rng([self._seed, answered, len(page.faces)])
        fitting = [each for each in self._fitting(page) if not _is_answered(votes, self._data.row(each.key))]
        chosen = fitting[: self._wanted(page, votes, answered)]
        return self._planted(page, chosen, random), counts

    def _fitting(self, page: Page) -> Iterable[GoldQuestion]:
        """Questions for a page: about its people and steps; on a page of one run, exceptions from it."""
        people = {face.identity for face in page.faces}
        steps = page.asks or (page.step,)
        exceptions = {triage.LIKELY: (False,), triage.UNLIKELY: (True,)}.get(page.run, (False, True))
        fits = (
            each
            for each in self._gold.questions.values()
            if each.key.identity in people and each.step in steps and each.stays in exceptions
        )
        # By a number of their own, so that the kinds are mixed and the same page has the same questions.
        return sorted(fits, key=lambda each: each.key.face_id)

    def _wanted(self, page: Page, votes: ReviewerVotes, answered: int) -> int:
        given = votes.codes[: self._real] != NOTHING
        # Steps that a page of a cluster asks at once are one question.
        judged = given[:, : self._at_once].any(axis=1).sum() + given[:, self._at_once :].sum() + len(page.faces)
        share = self._gold.share
        lacking = int(share / (1 - share) * judged + 0.5) - answered
        is_whole = page.run in (triage.LIKELY, triage.UNLIKELY) and len(page.faces) >= MIN_WHOLE_PAGE
        return min(max(lacking, int(is_whole)), MAX_PLANTED)

    def _planted(self, page: Page, chosen: Iterable[GoldQuestion], random: np.random.Generator) -> Page:
        faces = list(page.faces)
        for each in chosen:
            faces.insert(int(random.integers(len(faces) + 1)), each.key)
            self._gold.planted[each.key] = str(page.step)
        return replace(page, faces=tuple(faces))


def _is_answered(votes: ReviewerVotes, row: int) -> bool:
    return bool((votes.codes[row] != NOTHING).any())
