"""Rows that hang together: directly, by sharing a value in one of several columns, or by way of other rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components


def components(rows: pl.DataFrame, columns: Sequence[str]) -> NDArray[np.int64]:
    """The component of every row, numbered from 0; a null ties a row to nothing."""
    edges = [_edges(rows[column]) for column in columns]
    value_count = 0
    row_ends, value_ends = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for row_index, value_index in edges:
        row_ends.append(row_index)
        value_ends.append(value_index + rows.height + value_count)
        value_count += int(value_index.max(initial=-1)) + 1
    size = rows.height + value_count
    ends = np.concatenate(row_ends), np.concatenate(value_ends)
    graph = coo_array((np.ones(len(ends[0]), np.int8), ends), shape=(size, size))
    return connected_components(graph, directed=False)[1][: rows.height].astype(np.int64)


def _edges(values: pl.Series) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row and value numbers of every row that has a value."""
    held = pl.DataFrame({"value": values}).with_row_index("row").drop_nulls("value")
    ranks = held["value"].rank("dense").cast(pl.Int64) - 1
    return held["row"].cast(pl.Int64).to_numpy(), ranks.to_numpy()
