"""Numbers of faces of each stratum in train, val and test: whole numbers, by largest remainders."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mtf.params import Split

Numbers = NDArray[np.int64]


def shares(split: Split) -> NDArray[np.float64]:
    """Train, val, test; they sum to 1 (MTF, section 4.1)."""
    rest = 1 - split.train_share
    return np.array([split.train_share, rest * split.val_share_of_rest, rest * (1 - split.val_share_of_rest)])


def minimums(split: Split) -> Numbers:
    """Train, val, test: the least number of faces of every group."""
    return np.array([split.min_train, split.min_val, split.min_test], dtype=np.int64)


def targets(sizes: Numbers, *, wanted: NDArray[np.float64], least: Numbers) -> Numbers:
    """Strata × splits: rows sum to `sizes`, no cell is under `least` where the stratum is large enough for all.

    Every cell is within one of its exact share unless `least` asks for more, and the remainders are given out so
    that the sums over all strata come as near as they can to the shares of the whole.
    """
    ideal = sizes[:, None] * wanted
    given = np.maximum(np.floor(ideal + 1e-9).astype(np.int64), least)
    for row in np.flatnonzero(given.sum(axis=1) > sizes):
        _take_back(given[row], ideal[row], least, surplus=int(given[row].sum() - sizes[row]))
    owed = sizes.sum() * wanted - given.sum(axis=0)
    left = int(sizes.sum() - given.sum())
    for row in np.flatnonzero(given.sum(axis=1) < sizes):
        for _ in range(int(sizes[row] - given[row].sum())):
            place = int(np.argmax(ideal[row] - given[row] + owed / left))
            given[row, place] += 1
            owed[place] -= 1
            left -= 1
    return given


def _take_back(given: Numbers, ideal: NDArray[np.float64], least: Numbers, *, surplus: int) -> None:
    """The minimums of one split come out of the others', first where most is above its exact share."""
    for _ in range(surplus):
        above = np.where(given > least, given - ideal, -np.inf)
        place = int(np.argmax(above))
        if given[place] > 0:
            given[place] -= 1
