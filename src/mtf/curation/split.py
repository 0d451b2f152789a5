"""Split into train, val and test (MTF, section 4.1): by shares, with every identity and label in each split.

Duplicates are never in two splits. Target numbers per stratum are whole numbers by the largest-remainder method.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.sparse import csr_array

from mtf.config import IDENTITY, Split
from mtf.core.errors import GateFailed
from mtf.core.project_paths import PATHS_IN_PROJECT
from mtf.curation.split_minimums import check_sizes, repaired
from mtf.curation.split_units import Units, units
from mtf.schemas import FACE, SPLITS

_FUNNEL = PATHS_IN_PROJECT.metrics("curate").as_posix()
UNITS_AT_ONCE = 65_536
"""Units whose numbers are Python's at a time: bounds the memory."""
NOTHING_LEFT = f"split: there is no face to divide; the funnel shows why ({_FUNNEL})"


def assigned(rows: pl.DataFrame, *, columns: Sequence[str], split: Split, seed: int) -> pl.DataFrame:
    """Rows with the column `split`, sorted by identity and face_id.

    - Every label that occurs has at least `split.min_…` images in each split.
    - Faces of one source image or one duplicate group are in the same split.
    - The strata are identities or, without a recognition task, combinations of labels. As in the paper, an identity's
      faces may be in several splits.
    - The result depends on the rows and the seed, not on the rows' order.

    rows: table with identity, face_id, image_id, duplicate_group and `columns`.
    columns: one per task: its label column, or `identity` for recognition.
    split: shares and minimums.
    seed: seed of the order of units.

    Raises GateFailed with the identities and labels for which this is impossible.
    """
    rows = rows.sort(FACE)
    chosen = split_of_each(rows, columns=columns, split=split, seed=seed)
    return rows.with_columns(split=pl.Series(SPLITS, dtype=pl.String).gather(chosen))


def split_of_each(rows: pl.DataFrame, *, columns: Sequence[str], split: Split, seed: int) -> Numbers:
    """Place in SPLITS of each row (n, uint8), as `assigned` has it. The rows are sorted by identity and face_id.

    Image_id, duplicate_group and label columns may be numbers or categories, which take less memory than texts.
    """
    if rows.is_empty():
        raise GateFailed(NOTHING_LEFT)
    stratum = [IDENTITY] if IDENTITY in columns else list(columns)
    whole = units(rows, columns=columns, stratum=stratum, seed=seed)
    least = minimums(split)
    check_sizes(whole, least)
    by_stratum = _by_stratum(whole, split, least if IDENTITY in columns else np.zeros_like(least))
    final = repaired(whole, by_stratum, least)
    return final.astype(np.uint8)[whole.of_face]


def _by_stratum(units: Units, split: Split, least: Numbers) -> Numbers:
    """Split of each unit: the one in which its strata lack the most faces; the hardest units come first."""
    sizes = np.asarray(units.strata.sum(axis=0)).ravel()
    missing = targets(sizes, wanted=shares(split), least=least).tolist()
    chosen = np.empty(len(units.faces), np.int64)
    table = units.strata
    for unit in _hardest_first(units):
        strata_of_unit = list(_row(table, unit))
        scores = [
            sum(count * missing[stratum][place] for stratum, count in strata_of_unit) for place in range(len(SPLITS))
        ]
        best = scores.index(max(scores))
        chosen[unit] = best
        for stratum, count in strata_of_unit:
            missing[stratum][best] -= count
    return chosen


def _hardest_first(units: Units) -> Iterator[int]:
    """Units in several strata first, then by size, then in the seed's order."""
    strata = np.diff(units.strata.indptr)
    order = np.lexsort((np.arange(len(units.faces)), -units.faces, -strata))
    for start in range(0, len(order), UNITS_AT_ONCE):
        yield from order[start : start + UNITS_AT_ONCE].tolist()


def _row(table: csr_array, unit: int) -> zip[tuple[int, int]]:
    start, end = table.indptr[unit], table.indptr[unit + 1]
    return zip(table.indices[start:end].tolist(), table.data[start:end].tolist(), strict=True)


def counted(rows: pl.DataFrame, columns: Sequence[str]) -> dict[str, dict[str, dict[str, int]]]:
    """Counts of faces: column → label → split → number, labels sorted. `rows` has the column `split`."""
    return {column: _counted(rows, column) for column in columns}


def _counted(rows: pl.DataFrame, column: str) -> dict[str, dict[str, int]]:
    counts = {name: pl.col("split").eq(name).sum() for name in SPLITS}
    table = rows.group_by(column).agg(**counts).sort(column)
    return {row[column]: {name: row[name] for name in SPLITS} for row in table.iter_rows(named=True)}


Numbers = NDArray[np.int64]


def shares(split: Split) -> NDArray[np.float64]:
    """Shares of train, val and test; they sum to 1 (MTF, section 4.1)."""
    rest = 1 - split.train_share
    return np.array([split.train_share, rest * split.val_share_of_rest, rest * (1 - split.val_share_of_rest)])


def minimums(split: Split) -> Numbers:
    """Minimum number of images of every group in train, val and test."""
    return np.array([split.min_train, split.min_val, split.min_test], dtype=np.int64)


def targets(sizes: Numbers, *, wanted: NDArray[np.float64], least: Numbers) -> Numbers:
    """Target numbers (strata × splits); rows sum to `sizes`, and no cell is below `least` if its stratum is large
    enough.

    Every cell is within one of its exact share unless `least` requires more. The remainders are distributed so that the
    totals over all strata are as close as possible to the overall shares.
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
    """Reduce a stratum's targets by `surplus`, first where one exceeds its exact share the most."""
    for _ in range(surplus):
        above = np.where(given > least, given - ideal, -np.inf)
        place = int(np.argmax(above))
        if given[place] > 0:
            given[place] -= 1
