"""Columns of the tables that the stages wrote. A stage checks its table: here it is enough that they are there."""

from __future__ import annotations

import polars as pl

from mtf.errors import BadInput, listed
from mtf.workspace import Workspace


def table(workspace: Workspace, stage: str, name: str, columns: list[str]) -> pl.LazyFrame:
    """Raises BadInput for a table that is missing, not readable as one, or without one of `columns`."""
    path = workspace.table(stage, name)
    if not path.is_file():
        raise BadInput(f"{workspace.relative(path)}: no such table; run the stage that makes it (`dvc repro`)")
    lazy = pl.scan_parquet(path)
    try:
        missing = [column for column in columns if column not in lazy.collect_schema()]
    except (pl.exceptions.PolarsError, OSError) as error:
        raise BadInput(f"{workspace.relative(path)}: not readable as a table: {first_line(error)}") from None
    if missing:
        raise BadInput(f"{workspace.relative(path)}: missing column {listed(missing)}; run its stage again")
    return lazy.select(columns)


def first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
