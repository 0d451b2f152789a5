"""Duplicate groups: which face of a group stays in the data set, and which faces must not be separated by the split.

Faces are connected if they share a value in one of several columns, directly or through other faces.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from mtf.curation.funnel_inputs import GROUPS
from mtf.schemas import FACE

AUTOMATIC = "automatic"


def surplus_members(faces: pl.DataFrame, group: str) -> pl.DataFrame:
    """Members of each group in the column `group` that are dropped: all but one, identity by identity.

    The face that stays is one that the reviewers named (`named_by`, null where they did not), else any. Among these it
    is the largest, then the sharpest, then the first by face_id. Columns: identity, face_id, decided_by, detail.
    """
    order = [pl.col("named_by").is_null(), -pl.col("size_px"), -pl.col("sharpness"), pl.col("face_id")]
    members = faces.filter(pl.col(group).is_not_null()).sort("identity", group, *order)
    kept = {
        f"kept_{column}": pl.col(column).first().over("identity", group)
        for column in ("face_id", "named_by", "size_px", "sharpness")
    }
    rest = members.with_columns(**kept).filter(pl.col("face_id") != pl.col("kept_face_id"))
    return rest.select(*FACE, decided_by=_decided_by(), detail=pl.format("kept {}: {}", "kept_face_id", _why()))


def _is_named() -> pl.Expr:
    return pl.col("kept_named_by").is_not_null() & pl.col("named_by").is_null()


def _decided_by() -> pl.Expr:
    return pl.when(_is_named()).then("kept_named_by").otherwise(pl.lit(AUTOMATIC))


def _why() -> pl.Expr:
    """Detail text: the first criterion in which the kept face differs."""
    return (
        pl.when(_is_named())
        .then(pl.lit("named by the reviewers"))
        .when(pl.col("kept_size_px") != pl.col("size_px"))
        .then(pl.format("larger, {} px against {} px", "kept_size_px", "size_px"))
        .when(pl.col("kept_sharpness") != pl.col("sharpness"))
        .then(pl.format("sharper, {} against {}", pl.col("kept_sharpness").round(1), pl.col("sharpness").round(1)))
        .otherwise(pl.lit("alike in size and sharpness, the first by its id"))
    )


def duplicate_groups(faces: pl.DataFrame) -> pl.Series:
    """Group of faces that must be in the same split, named by its lowest face_id; null for a single face.

    Faces are connected by every kind of group from screening: exact, near, or across identities.
    """
    numbered = faces.select("face_id", component=pl.Series(components(faces, GROUPS), dtype=pl.Int64))
    least = pl.col("face_id").min().over("component")
    return numbered.select(pl.when(pl.len().over("component") > 1).then(least).alias("duplicate_group")).to_series()


def components(rows: pl.DataFrame, columns: Sequence[str]) -> NDArray[np.int64]:
    """Connected component of each row, numbered from 0; a null connects a row to nothing."""
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
    """Row numbers and value numbers of all rows with a value."""
    filled = pl.DataFrame({"value": values}).with_row_index("row").drop_nulls("value")
    ranks = filled["value"].rank("dense").cast(pl.Int64) - 1
    return filled["row"].cast(pl.Int64).to_numpy(), ranks.to_numpy()
