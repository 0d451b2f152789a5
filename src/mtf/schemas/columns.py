"""Columns and checks that several tables share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandera.polars as pa
import polars as pl

from mtf.config import Params
from mtf.schemas.contract import Table
from mtf.schemas.enums import SLUG


def column(dtype: Any, *checks: pa.Check, null: bool = False) -> pa.Column:
    return pa.Column(dtype, list(checks), nullable=null)


def one_of(values: Iterable[str]) -> pa.Check:
    return pa.Check.isin([str(value) for value in values])


def matches(pattern: str) -> pa.Check:
    return pa.Check.str_matches(pattern)


def holds(expression: pl.Expr, error: str) -> pa.Check:
    """Check on the columns of a row, or on groups of rows by `over`. `error` names the check in messages."""
    return pa.Check(lambda data: data.lazyframe.select(expression), name=error, error=error)


def identity() -> pa.Column:
    return column(pl.String, matches(SLUG), pa.Check.str_length(max_value=100))


def text(*, null: bool = True) -> pa.Column:
    return column(pl.String, null=null)


def at_least(dtype: Any, least: float, *, null: bool = False) -> pa.Column:
    return column(dtype, pa.Check.ge(least), null=null)


def table(name: str, columns: Mapping[str, pa.Column], *, unique: list[str], checks: Sequence[pa.Check] = ()) -> Table:
    schema = pa.DataFrameSchema(dict(columns), checks=list(checks), unique=unique, strict=True, name=name)
    return Table(name, schema)


def labels(params: Params) -> dict[str, pa.Column]:
    return {name: column(pl.String, one_of(task.labels)) for name, task in params.attributes.items()}


def one_label_per_identity(params: Params) -> list[pa.Check]:
    """Checks that a task marked `per_identity` has one label in all rows of a person."""
    return [
        holds(
            pl.col(name).n_unique().over("identity") == 1,
            f"one {name} per identity (tasks.{name}.per_identity)",
        )
        for name, task in params.attributes.items()
        if task.per_identity
    ]


# Keys of a picture and of a face, in every table.
IMAGE = ["identity", "image_id"]
FACE = ["identity", "face_id"]
BOX = {
    "x": at_least(pl.Int32, 0),
    "y": at_least(pl.Int32, 0),
    "width": at_least(pl.Int32, 1),
    "height": at_least(pl.Int32, 1),
}
CROP_PLACE = {"offset": at_least(pl.Int64, 0), "size_bytes": at_least(pl.Int64, 1)}
