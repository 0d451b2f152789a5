"""Train, val and test (MTF, section 4.1): by shares, each identity and label in each, nothing alike in two of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from scipy.sparse import csr_array

from mtf.curation.minimums import check_sizes, repaired
from mtf.curation.shares import Numbers, minimums, shares, targets
from mtf.curation.units import Units, units
from mtf.errors import GateFailed
from mtf.params import IDENTITY, Split
from mtf.tables import FACE, SPLITS
from mtf.workspace import PATHS_IN_PROJECT

_FUNNEL = PATHS_IN_PROJECT.metrics("curate").as_posix()
NOTHING_LEFT = f"split: there is no face to divide; the funnel shows where they went ({_FUNNEL})"


def assigned(rows: pl.DataFrame, *, columns: Sequence[str], split: Split, seed: int) -> pl.DataFrame:
    """`rows`, sorted by identity and face_id, with the column `split`.

    `rows` has identity, face_id, image_id, duplicate_group and `columns`, one per task: labels, and `identity`
    where recognition is a task. Every label that occurs has at least `split.min_…` images in each split, however many
    faces of it these have; faces of one source image or one duplicate group are in the same. Faces are shared out
    identity by identity, or, without recognition, by combination of labels; as in the paper an identity's faces may
    be in several splits.
    The result depends on the rows and the seed, not on the rows' order.

    Raises GateFailed with the identities and labels for which that is impossible.
    """
    if rows.is_empty():
        raise GateFailed(NOTHING_LEFT)
    rows = rows.sort(FACE)
    stratum = [IDENTITY] if IDENTITY in columns else list(columns)
    whole = units(rows, columns=columns, stratum=stratum, seed=seed)
    least = minimums(split)
    check_sizes(whole, least)
    by_stratum = _by_stratum(whole, split, least if IDENTITY in columns else np.zeros_like(least))
    final = repaired(whole, by_stratum, least)
    names = np.array(SPLITS)[final[whole.of_face]]
    return rows.with_columns(split=pl.Series(names, dtype=pl.String))


def _by_stratum(units: Units, split: Split, least: Numbers) -> Numbers:
    """The split of each unit: where its strata miss most faces yet, large units first."""
    sizes = np.asarray(units.strata.sum(axis=0)).ravel()
    missing = targets(sizes, wanted=shares(split), least=least).tolist()
    chosen = np.empty(len(units.faces), np.int64)
    table = units.strata
    for unit in _hardest_first(units):
        held = list(_row(table, unit))
        scores = [sum(count * missing[stratum][place] for stratum, count in held) for place in range(len(SPLITS))]
        best = scores.index(max(scores))
        chosen[unit] = best
        for stratum, count in held:
            missing[stratum][best] -= count
    return chosen


def _hardest_first(units: Units) -> list[int]:
    """Units that hang over several strata, then by size, then in the seed's order."""
    strata = np.diff(units.strata.indptr)
    return np.lexsort((np.arange(len(units.faces)), -units.faces, -strata)).tolist()


def _row(table: csr_array, unit: int) -> zip[tuple[int, int]]:
    start, end = table.indptr[unit], table.indptr[unit + 1]
    return zip(table.indices[start:end].tolist(), table.data[start:end].tolist(), strict=True)


def counted(rows: pl.DataFrame, columns: Sequence[str]) -> dict[str, dict[str, dict[str, int]]]:
    """Column → label → split → faces, for the columns of `rows`, which has the column `split`; labels sorted."""
    return {column: _counted(rows, column) for column in columns}


def _counted(rows: pl.DataFrame, column: str) -> dict[str, dict[str, int]]:
    counts = {name: pl.col("split").eq(name).sum() for name in SPLITS}
    table = rows.group_by(column).agg(**counts).sort(column)
    return {row[column]: {name: row[name] for name in SPLITS} for row in table.iter_rows(named=True)}
