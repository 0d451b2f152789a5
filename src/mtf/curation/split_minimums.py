"""Minimums of the split: moves as few faces as possible so that every group has its minimum in each split.

The moves are an integer program (MILP; HiGHS through scipy) over kinds of units. Units with the same number of faces,
and the same numbers of images of the same groups, are interchangeable, which keeps the program small.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import block_array, csr_array, eye_array, kron

from mtf.core.errors import GateFailed, listed
from mtf.curation.split_units import Units
from mtf.schemas import SPLITS

TIME_LIMIT_S = 120.0
_K = len(SPLITS)

Numbers = NDArray[np.int64]


def check_sizes(units: Units, least: Numbers) -> None:
    """Check that each group has as many images as the minimums add up to; raises GateFailed with those that do not."""
    images = np.asarray(units.members.sum(axis=0)).ravel()
    short = np.flatnonzero(images < least.sum())
    if len(short):
        raise _impossible(units, short, least)


def repaired(units: Units, splits: Numbers, least: Numbers) -> Numbers:
    """Splits (one number per unit) with as few faces moved as needed to meet `least` for every group.

    Raises GateFailed with the groups concerned if no assignment of whole units meets it.
    """
    if (_counts(units, splits) >= least).all():
        return splits
    kinds = _kinds(units)
    now = kinds.counts(splits)
    wanted = _fewest_moves(kinds, now, least)
    if wanted is None:
        raise _impossible(units, _shortest(kinds, least), least)
    return _moved(kinds, splits, wanted)


def _counts(units: Units, splits: Numbers) -> Numbers:
    """Images, groups × splits."""
    chosen = csr_array((np.ones(len(splits), np.int64), (np.arange(len(splits)), splits)), shape=(len(splits), _K))
    return (units.members.T @ chosen).toarray()


@dataclass(frozen=True)
class _Kinds:
    """Kinds of interchangeable units.

    of_unit: kind of each unit.
    members: images in one unit, kinds × groups.
    faces: faces in one unit of each kind.
    """

    of_unit: Numbers
    members: csr_array
    faces: Numbers

    def counts(self, splits: Numbers) -> Numbers:
        """Units, kinds × splits."""
        table = np.zeros((len(self.faces), _K), np.int64)
        np.add.at(table, (self.of_unit, splits), 1)
        return table


def _kinds(units: Units) -> _Kinds:
    matrix = units.members
    numbers: dict[tuple[int, bytes, bytes], int] = {}
    of_unit = np.empty(len(units.faces), np.int64)
    first = []
    for unit, (start, end) in enumerate(zip(matrix.indptr, matrix.indptr[1:], strict=False)):
        key = int(units.faces[unit]), matrix.indices[start:end].tobytes(), matrix.data[start:end].tobytes()
        if key not in numbers:
            numbers[key] = len(numbers)
            first.append(unit)
        of_unit[unit] = numbers[key]
    return _Kinds(of_unit, csr_array(matrix[first]), units.faces[first])


def _fewest_moves(kinds: _Kinds, now: Numbers, least: Numbers) -> Numbers | None:
    """Units of each kind per split (kinds × splits) with the fewest faces moved; None if the minimums cannot be met.

    Variables: units of each kind in each split, then how many of the units now there leave it.
    """
    size = now.size
    stay = block_array([[eye_array(size), eye_array(size)]], format="csr")
    found = milp(
        c=np.concatenate([np.zeros(size), np.repeat(kinds.faces, _K)]),
        integrality=np.concatenate([np.ones(size), np.zeros(size)]),
        bounds=Bounds(0, np.inf),
        constraints=[
            _all_somewhere(kinds, now, extra=size),
            _minimums(kinds, least, extra=csr_array((kinds.members.shape[1] * _K, size))),
            LinearConstraint(stay, lb=now.ravel()),
        ],
        options={"time_limit": TIME_LIMIT_S},
    )
    if found.x is None and found.status == 1:
        message = f"split: no split that meets the minimums was found in {TIME_LIMIT_S:.0f} s"
        raise GateFailed(f"{message}; lower the minimums in params.yaml")
    return None if found.x is None else np.rint(found.x[:size]).astype(np.int64).reshape(now.shape)


def _shortest(kinds: _Kinds, least: Numbers) -> Numbers:
    """Groups below their minimum in the assignment that lacks the fewest images."""
    units = np.bincount(kinds.of_unit, minlength=len(kinds.faces))
    size, cells = len(kinds.faces) * _K, kinds.members.shape[1] * _K
    found = milp(
        c=np.concatenate([np.zeros(size), np.ones(cells)]),
        integrality=np.concatenate([np.ones(size), np.zeros(cells)]),
        bounds=Bounds(0, np.inf),
        constraints=[
            _all_somewhere(kinds, units[:, None], extra=cells),
            _minimums(kinds, least, extra=eye_array(cells, format="csr")),
        ],
        options={"time_limit": TIME_LIMIT_S},
    )
    if found.x is None:
        return np.arange(kinds.members.shape[1])
    return np.flatnonzero((found.x[size:].reshape(-1, _K) > 0.5).any(axis=1))


def _all_somewhere(kinds: _Kinds, now: Numbers, *, extra: int) -> LinearConstraint:
    every = kron(eye_array(len(kinds.faces)), np.ones((1, _K)), format="csr")
    padded = block_array([[every, csr_array((len(kinds.faces), extra))]], format="csr")
    return LinearConstraint(padded, lb=now.sum(axis=1), ub=now.sum(axis=1))


def _minimums(kinds: _Kinds, least: Numbers, *, extra: csr_array) -> LinearConstraint:
    images = kron(kinds.members.T, eye_array(_K), format="csr")
    return LinearConstraint(block_array([[images, extra]], format="csr"), lb=np.tile(least, kinds.members.shape[1]))


def _moved(kinds: _Kinds, splits: Numbers, wanted: Numbers) -> Numbers:
    """Splits after the moves; of each kind the units that are first in the seed's order stay."""
    moved = splits.copy()
    missing = wanted - kinds.counts(splits)
    staying = np.minimum(wanted, kinds.counts(splits))
    for unit, (kind, split) in enumerate(zip(kinds.of_unit, splits, strict=True)):
        if staying[kind, split] > 0:
            staying[kind, split] -= 1
            continue
        target = int(np.argmax(missing[kind]))
        missing[kind, target] -= 1
        moved[unit] = target
    return moved


def _impossible(units: Units, groups: Numbers, least: Numbers) -> GateFailed:
    images = np.asarray(units.members.sum(axis=0)).ravel()
    unit_counts = np.asarray((units.members > 0).sum(axis=0)).ravel()
    named = [
        f"{units.groups[group][0]} {units.groups[group][1]} ({images[group]} images in {unit_counts[group]} units)"
        for group in groups
    ]
    needed = ", ".join(f"{count} in {name}" for count, name in zip(least, SPLITS, strict=True))
    return GateFailed(
        f"split: each identity and label needs {needed} (params.yaml: split), and faces that share a picture or a "
        f"duplicate group stay together as one unit; that cannot be met for {listed(named)}"
    )
