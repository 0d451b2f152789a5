"""A table and its rules: checked where a stage reads it and where it writes it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandera.polars as pa
import polars as pl
from pandera.errors import SchemaErrors

from mtf.core.atomic_files import replacing
from mtf.core.errors import BadInput, GateFailed, listed, shortened

SHOWN_FAILURES = 10


class ContractViolated(GateFailed):
    """A table breaks its contract. `failures` has all failing cases: column, check, failure_case, index."""

    def __init__(self, message: str, failures: pl.DataFrame) -> None:
        super().__init__(message)
        self.failures = failures


@dataclass(frozen=True)
class Table:
    name: str
    schema: pa.DataFrameSchema

    @property
    def dtypes(self) -> dict[str, pl.DataType]:
        return {name: column.dtype.type for name, column in self.schema.columns.items()}


def frame(table: Table, rows: Iterable[Mapping[str, Any]] | pl.DataFrame) -> pl.DataFrame:
    """Rows as a data frame with the table's columns, order and types; not yet checked."""
    if isinstance(rows, pl.DataFrame):
        return rows.select(pl.col(name).cast(dtype) for name, dtype in table.dtypes.items())
    return pl.DataFrame(list(rows), schema=table.dtypes, orient="row")


def check(
    table: Table,
    data: pl.DataFrame,
    *,
    where: str,
    failures_to: Path | None = None,
    row_numbers: Sequence[int] | None = None,
) -> pl.DataFrame:
    """`data`, if it keeps the contract of `table`.

    Raises ContractViolated with the first failing cases in its message; all of them are written to `failures_to`
    (JSON lines) where that is given. `where` names the table's file; `row_numbers` are the rows there, as a spreadsheet
    shows them, where people wrote it. Without them rows count from 0, as in a data frame.
    """
    try:
        table.schema.validate(data, lazy=True)
    except SchemaErrors as error:
        failures = error.failure_cases.select("column", "check", "failure_case", "index")
        if row_numbers is not None:
            failures = failures.with_columns(
                pl.Series(row_numbers, dtype=pl.Int32).gather(failures["index"]).alias("index")
            )
        raise _violated(where, failures, failures_to) from None
    if failures_to is not None:
        # What an earlier run wrote there has been mended.
        failures_to.unlink(missing_ok=True)
    return data


def check_refers(
    child: pl.DataFrame, parent: pl.DataFrame, *, on: list[str], where: str, failures_to: Path | None = None
) -> None:
    """Foreign keys: every row of `child` has a row in `parent` with the same `on`.

    Raises ContractViolated; `failures_to` is as for `check`.
    """
    orphans = child.with_row_index("index").join(parent, on=on, how="anti").sort("index")
    if orphans.is_empty():
        return
    failures = orphans.select(
        column=pl.lit("+".join(on)),
        check=pl.lit("refers_to_parent"),
        failure_case=pl.concat_str(on, separator=" "),
        index=pl.col("index").cast(pl.Int32),
    )
    raise _violated(where, failures, failures_to)


def read(table: Table, path: Path) -> pl.DataFrame:
    """A Parquet table, checked. Raises BadInput where there is none or it cannot be read, ContractViolated where it
    breaks its contract.
    """
    if not path.is_file():
        raise BadInput(f"{path}: no such table; run the stage that makes it (`dvc repro`)")
    try:
        data = pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = shortened(str(error).splitlines()[0])
        raise BadInput(f"{path}: no readable table ({reason}); make it again (`dvc repro --force`)") from None
    return check(table, data, where=str(path), failures_to=failures_path(path))


def write(table: Table, rows: Iterable[Mapping[str, Any]] | pl.DataFrame, path: Path) -> pl.DataFrame:
    """Check and write a table as Parquet, whole or not at all."""
    data = check(table, frame(table, rows), where=str(path), failures_to=failures_path(path))
    with replacing(path) as beside:
        data.write_parquet(beside)
    return data


def failures_path(path: Path) -> Path:
    """Where all cases are written in which the table at `path` breaks its contract.

    Beside the stage's folder, not in it: a failed run leaves nothing for DVC to version.
    """
    return path.parent.with_name(f"{path.parent.name}.{path.stem}.failures.jsonl")


def _violated(where: str, failures: pl.DataFrame, failures_to: Path | None) -> ContractViolated:
    lines = [_failure_line(row) for row in failures.head(SHOWN_FAILURES).iter_rows(named=True)]
    rules = listed(failures["check"].unique(maintain_order=True).to_list())
    message = f"{where}: {failures.height} cases break the contract ({rules}); the first:\n" + "\n".join(lines)
    if failures_to is not None:
        with replacing(failures_to) as beside:
            failures.write_ndjson(beside)
        message += f"\n  all of them: {failures_to}"
    return ContractViolated(message, failures)


def _failure_line(row: Mapping[str, Any]) -> str:
    place = "" if row["index"] is None else f" row {row['index']}"
    return f"  {row['column'] or 'table'}{place}: {row['check']}: {_without_the_rest(row['failure_case'])}"[:300]


def _without_the_rest(failure_case: str | None) -> str | None:
    """A rule over a whole row fails with all of it: shown by what names the row, its ids."""
    if failure_case is None or not failure_case.startswith("{"):
        return failure_case
    row = json.loads(failure_case)
    ids = [str(row[name]) for name in ("identity", "face_id", "image_id", "url") if row.get(name) is not None]
    return " ".join(ids[:2]) or failure_case
