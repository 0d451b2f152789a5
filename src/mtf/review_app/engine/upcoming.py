"""Upcoming page: the page that follows the current one, planned while a reviewer still looks at this one.

The plan is asked as if the faces that are left on the page had the verdict that their run predicts. What it answers is
shown only if all of its faces are open at its step once the page is finished; otherwise the plan is asked again.
"""

from __future__ import annotations

import copy

import numpy as np

from mtf.review_app.engine import triage
from mtf.review_app.engine.page import Page, Plan
from mtf.review_app.engine.queue import ACCEPT, KEEP, NOTHING, REJECT, SKIP
from mtf.review_app.engine.review_data import ReviewData
from mtf.review_app.engine.reviewer_votes import ReviewerVotes
from mtf.schemas import Step, funnel_steps


def upcoming_page(plan: Plan, review_data: ReviewData, votes: ReviewerVotes, page: Page) -> Page | None:
    """Page that probably follows `page`; None if it cannot be told before `page` is finished.

    Changes nothing. Faces without a prediction are left out first, so that nothing is learnt from a guess; they are
    taken as accepted only if the plan would otherwise show them again.
    """
    guesses = (False,) if page.run in (triage.LIKELY, triage.UNLIKELY) else (True, False)
    for leaves_out in guesses:
        found, _ = plan.next_page(predicted_votes(votes, review_data, page, leaves_out=leaves_out))
        is_other = found.step != page.step or not set(found.faces) & set(page.faces)
        if found.faces and is_other:
            return found
    return None


def predicted_votes(
    votes: ReviewerVotes, review_data: ReviewData, page: Page, *, leaves_out: bool = False
) -> ReviewerVotes:
    """Copy of the votes in which the faces of the page have the verdict that is expected of them.

    leaves_out: count the faces as skipped instead.
    """
    predicted = copy.copy(votes)
    predicted.codes, predicted.times = votes.codes.copy(), votes.times.copy()
    rows = np.array([review_data.row(face) for face in page.faces], np.int64)
    if page.step is None or not len(rows):
        return predicted
    place = funnel_steps.place_of(page.step)
    if leaves_out:
        code = predicted.codes[rows, place]
        predicted.codes[rows, place] = np.where(code == NOTHING, SKIP, code)
    elif page.step == Step.DUPLICATE:
        is_keeper = review_data.faces["proposed_keeper"].to_numpy()[rows]
        predicted.codes[rows, place] = np.where(is_keeper, KEEP, REJECT)
    elif page.run == triage.UNLIKELY:
        predicted.codes[rows, place] = REJECT
    else:
        for step in page.asks or (page.step,):
            predicted.codes[rows, funnel_steps.place_of(step)] = ACCEPT
    predicted.times[rows, place] += 1
    return predicted
