"""Model of annotators by Dawid and Skene: how often each is right, and the probability that a face stays.

Dawid and Skene, "Maximum Likelihood Estimation of Observer Error-Rates Using the EM Algorithm", Journal of the Royal
Statistical Society C 28 (1979), 20-28, for two answers. PRIOR_VOTES votes with PRIOR_RIGHT of them right are added to
each annotator's own, so that a handful of rejections says little of anybody (maximum a posteriori). Votes may be
missing; which face lacks one may depend on the votes that are there.

Estimates equal those of crowd-kit where there are enough votes; `benchmarks/reviewer_model.py` compares both.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PRIOR_VOTES = 4.0
PRIOR_RIGHT = 0.95
MAX_ROUNDS = 200
TOLERANCE = 1e-6
# Least share of faces that stay, and of those that go.
MIN_SHARE = 1e-3

Votes = NDArray[np.float64]
"""Votes (faces, annotators): 1 if the face stays, 0 if it goes, NaN without a vote."""


@dataclass(frozen=True)
class Annotators:
    """Annotators of one question: their confusions and ratings.

    keeps: (annotators), probability that each keeps a face that stays.
    rejects: (annotators), probability that each rejects a face that goes.
    staying: share of the faces that stay.
    """

    keeps: NDArray[np.float64]
    rejects: NDArray[np.float64]
    staying: float

    def probability(self, votes: Votes) -> NDArray[np.float64]:
        """Probability (faces) that each face stays, given its votes; `staying` without any."""
        kept = np.where(votes == 1, np.log(self.keeps / (1 - self.rejects)), 0.0)
        gone = np.where(votes == 0, np.log((1 - self.keeps) / self.rejects), 0.0)
        odds = np.log(self.staying / (1 - self.staying)) + (kept + gone).sum(axis=1)
        return 1 / (1 + np.exp(-np.clip(odds, -500, 500)))


def fitted(votes: Votes) -> Annotators:
    """Annotators estimated from `votes`; raises ValueError without a vote."""
    if not len(votes) or np.isnan(votes).all():
        raise ValueError("no votes to learn from")
    has_vote = ~np.isnan(votes)
    kept = np.where(has_vote, votes, 0.0)
    # The first guess is the share of votes that keep the face.
    probability = np.divide(kept.sum(axis=1), has_vote.sum(axis=1), out=np.full(len(votes), 0.5), where=has_vote.any(1))
    annotators = _estimated(probability, kept, has_vote)
    for _ in range(MAX_ROUNDS):
        before, probability = probability, annotators.probability(votes)
        annotators = _estimated(probability, kept, has_vote)
        if np.abs(probability - before).max() < TOLERANCE:
            break
    return annotators


def _estimated(probability: NDArray[np.float64], kept: NDArray[np.float64], has_vote: NDArray[np.bool_]) -> Annotators:
    """Annotators from the probability that each face stays (the M step)."""
    right = PRIOR_VOTES * PRIOR_RIGHT
    staying, going = probability[:, None], 1 - probability[:, None]
    keeps = ((staying * kept).sum(axis=0) + right) / ((staying * has_vote).sum(axis=0) + PRIOR_VOTES)
    rejects = ((going * (has_vote - kept)).sum(axis=0) + right) / ((going * has_vote).sum(axis=0) + PRIOR_VOTES)
    share = float(np.clip(probability.mean(), MIN_SHARE, 1 - MIN_SHARE))
    return Annotators(keeps, rejects, share)
