"""Sequential test of attention: does a reviewer overlook too many of the exceptions on their pages?

An exception is a face that a page accepted with one key would get wrong: a gold question, or a face that is to be
rejected by all that others say of it (`review_app.ratings`). The evidence is the likelihood ratio of CARELESS against
HONEST after each exception (Wald, "Sequential Tests of Statistical Hypotheses", Annals of Mathematical Statistics 16,
1945).

For a reviewer who overlooks at most HONEST of the exceptions the ratio is a supermartingale. By Ville's inequality it
ever reaches 1 / FALSE_ALARM with a probability of at most FALSE_ALARM, however often the owner looks. An exact binomial
test holds its level for one look at a number of exceptions fixed before (`benchmarks/reviewer_attention.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

HONEST = 0.02
CARELESS = 0.10
FALSE_ALARM = 0.05


@dataclass(frozen=True)
class Attention:
    """Result of the test.

    exceptions: number of exceptions that the reviewer answered.
    overlooked: number of those they overlooked.
    evidence: largest likelihood ratio so far.
    named_after: number of exceptions after which the ratio first reached 1 / FALSE_ALARM; None if it never did.
    """

    exceptions: int
    overlooked: int
    evidence: float
    named_after: int | None

    @property
    def is_named(self) -> bool:
        return self.named_after is not None


def tested(overlooked: Sequence[bool]) -> Attention:
    """Test of a reviewer's exceptions, in the order in which they were answered; true for each overlooked one."""
    missed = np.asarray(overlooked, bool)
    steps = np.where(missed, np.log(CARELESS / HONEST), np.log((1 - CARELESS) / (1 - HONEST)))
    ratio = np.exp(np.cumsum(steps))
    over = np.flatnonzero(ratio >= 1 / FALSE_ALARM)
    return Attention(
        exceptions=len(missed),
        overlooked=int(missed.sum()),
        evidence=float(ratio.max(initial=1.0)),
        named_after=int(over[0]) + 1 if len(over) else None,
    )
