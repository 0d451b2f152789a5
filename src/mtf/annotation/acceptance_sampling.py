"""Acceptance sampling: an exact upper bound on the number of wrong items in a finite set, from a stratified sample.

The bound inverts a test, as in Wendell and Schmee, "Exact Inference for Proportions from a Stratified Finite
Population", Journal of the American Statistical Association 91 (1996), 825-830. The statistic is the stratified
estimate of the number of wrong items. A number `w` is rejected if, however its `w` wrong items are spread over the
strata, an estimate as low as the observed one has a probability of at most 1 - confidence. In one stratum this is the
hypergeometric counterpart of Clopper and Pearson's bound. It assumes nothing of the share of wrong items or of their
spread, so the bound holds at least as often as stated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95
# Items of the first stratum, the doubtful one, are drawn so many times as often as those of the second.
DOUBTFUL_RATE = 2.0
# Estimates that differ by less than this share of an item are the same.
_EQUAL = 1e-9


@dataclass(frozen=True)
class Stratum:
    """One stratum and its sample, drawn at random without replacement.

    size: items of the stratum.
    sampled: items that were looked at, at most `size`.
    wrong: wrong ones among those looked at.
    """

    size: int
    sampled: int
    wrong: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.wrong <= self.sampled <= self.size:
            raise ValueError(f"a stratum has wrong <= sampled <= size, not {self}")


def max_wrong(strata: Sequence[Stratum], *, confidence: float = CONFIDENCE) -> int:
    """Largest number of wrong items in the whole set that the sample does not contradict.

    Strata that were looked at whole count as they are; at most two others are permitted. Raises ValueError otherwise.
    """
    known = sum(each.wrong for each in strata if each.sampled == each.size)
    rest = [each for each in strata if each.sampled < each.size]
    if len(rest) > 2:
        raise ValueError("at most two strata may be looked at in part")
    if not rest:
        return known
    if unseen := sum(each.size for each in rest if each.sampled == 0):
        seen = [each for each in strata if each.sampled > 0]
        return unseen + (max_wrong(seen, confidence=confidence) if seen else 0)
    low, high = sum(each.wrong for each in rest), sum(each.size - each.sampled + each.wrong for each in rest)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if _largest_p_value(rest, middle) > 1 - confidence else (low, middle - 1)
    return known + low


def _largest_p_value(strata: Sequence[Stratum], wrong: int) -> float:
    """Largest probability, over all spreads of `wrong` wrong items, of an estimate at most as high as observed."""
    if len(strata) == 1:
        return float(_chances(strata[0], np.array([wrong]), strata[0].wrong).sum())
    first, second = strata
    in_first = np.arange(max(0, wrong - second.size), min(first.size, wrong) + 1)
    weights = first.size / first.sampled, second.size / second.sampled
    estimate = weights[0] * first.wrong + weights[1] * second.wrong
    found_first = np.arange(min(int(estimate / weights[0] + _EQUAL), first.sampled) + 1)
    left = np.floor((estimate - weights[0] * found_first) / weights[1] + _EQUAL).astype(np.int64)
    chances = _chances(first, in_first, found_first[-1])
    at_most = _chances(second, wrong - in_first, left.max()).cumsum(axis=1)[:, left]
    return float((chances * at_most).sum(axis=1).max())


def _chances(stratum: Stratum, wrong: NDArray[np.int64], most: int) -> NDArray[np.float64]:
    """Hypergeometric probabilities (len(wrong), most + 1) of 0 to `most` found wrong, by the wrong in the stratum."""
    from scipy.special import gammaln

    def log_choose(items: NDArray[np.int64], chosen: NDArray[np.int64] | int) -> NDArray[np.float64]:
        possible = (chosen >= 0) & (chosen <= items)
        chosen = np.where(possible, chosen, 0)
        ways = gammaln(items + 1) - gammaln(chosen + 1) - gammaln(items - chosen + 1)
        return np.where(possible, ways, -np.inf)

    bad, found = wrong[:, None], np.arange(most + 1)[None, :]
    good = stratum.size - bad
    ways = log_choose(bad, found) + log_choose(good, stratum.sampled - found)
    return np.exp(ways - log_choose(np.array(stratum.size), stratum.sampled))


def looks_needed(
    sizes: Sequence[int], *, max_share: float, allowed: int = 0, confidence: float = CONFIDENCE
) -> list[int]:
    """Least looks per stratum for a bound of at most `max_share` if at most `allowed` looked at turn out wrong.

    sizes: items per stratum, the doubtful ones first; one stratum or two.
    max_share: of all items, above 0.
    allowed: wrong ones found, in the stratum where they count most.
    """
    total = sum(sizes)
    low, high = min(1, total), total
    while low < high:
        middle = (low + high) // 2
        enough = _bound_if(sizes, allocated(sizes, middle), allowed, confidence) <= max_share * total
        low, high = (low, middle) if enough else (middle + 1, high)
    return allocated(sizes, low)


def _bound_if(sizes: Sequence[int], sampled: Sequence[int], allowed: int, confidence: float) -> int:
    """Highest bound if `allowed` of the sampled items are wrong, all in one stratum."""
    bounds = []
    for place in range(len(sizes)):
        wrong = [min(allowed, sampled[place]) if place == at else 0 for at in range(len(sizes))]
        strata = [Stratum(*each) for each in zip(sizes, sampled, wrong, strict=True)]
        bounds.append(max_wrong(strata, confidence=confidence))
    return max(bounds)


def allocated(sizes: Sequence[int], looks: int) -> list[int]:
    """Looks per stratum: the first stratum is drawn DOUBTFUL_RATE times as often, and no stratum is left out."""
    if len(sizes) == 1:
        return [min(looks, sizes[0])]
    doubtful, sure = sizes
    looks = min(looks, doubtful + sure)
    share = DOUBTFUL_RATE * doubtful / (DOUBTFUL_RATE * doubtful + sure) if looks else 0.0
    first = min(max(round(looks * share), min(1, doubtful), looks - sure), doubtful, looks)
    return [first, looks - first]
