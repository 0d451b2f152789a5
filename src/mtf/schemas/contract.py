"""Contract of a table: a pandera schema, checked when the table is read and when it is written."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandera.polars as pa
import polars as pl
from pandera.backends.polars.register import register_polars_backends
from pandera.errors import SchemaErrors

from mtf.core.atomic_files import replacing
from mtf.core.errors import BadInput, GateFailed, listed, shortened

MAX_LISTED_FAILURES = 10


class ContractViolated(GateFailed):
    """A table breaks its contract.

    failures: all failing cases, with the columns column, check, failure_case and index.
    """

    def __init__(self, message: str, failures: pl.DataFrame) -> None:
        super().__init__(message)
        self.failures = failures


@dataclass(frozen=True)
class Table:
    """A table's name and schema."""

    name: str
    schema: pa.DataFrameSchema

    @property
    def dtypes(self) -> dict[str, pl.DataType]:
        return {name: column.dtype.type for name, column in self.schema.columns.items()}


def frame(table: Table, rows: Iterable[Mapping[str, Any]] | pl.DataFrame) -> pl.DataFrame:
    """Data frame of `rows` with the table's columns, order and types; not yet checked."""
    if isinstance(rows, pl.DataFrame):
        whole = _with_new_columns(table, rows)
        return whole.select(pl.col(name).cast(dtype) for name, dtype in table.dtypes.items())
    return pl.DataFrame(list(rows), schema=table.dtypes, orient="row")


def _with_new_columns(table: Table, data: pl.DataFrame) -> pl.DataFrame:
    """`data` with the nullable columns that it lacks, empty: a table of an older version stays readable."""
    nullable = [name for name, column in table.schema.columns.items() if column.nullable and name not in data.columns]
    if not nullable:
        return data
    added = data.with_columns(pl.lit(None, table.dtypes[name]).alias(name) for name in nullable)
    in_order = [name for name in table.dtypes if name in added.columns]
    return added.select(*in_order, *(name for name in added.columns if name not in table.dtypes))


def check(
    table: Table,
    data: pl.DataFrame,
    *,
    where: str,
    failures_to: Path | None = None,
    row_numbers: Sequence[int] | None = None,
) -> pl.DataFrame:
    """Check `data` against the contract of `table`, and return it.

    where: the table's file, for the message.
    failures_to: file for all failing cases (JSON lines).
    row_numbers: of a file that people wrote, the row numbers in a spreadsheet; without them rows count from 0.

    Raises ContractViolated with the first failing cases in its message.
    """
    try:
        if not _is_kept(table.schema, data):
            table.schema.validate(data, lazy=True)
    except SchemaErrors as error:
        failures = error.failure_cases.select("column", "check", "failure_case", "index")
        if row_numbers is not None:
            failures = failures.with_columns(
                pl.Series(row_numbers, dtype=pl.Int32).gather(failures["index"]).alias("index")
            )
        raise _violated(where, failures, failures_to) from None
    if failures_to is not None:
        # The failures that an earlier run wrote are fixed.
        failures_to.unlink(missing_ok=True)
    return data


def _is_kept(schema: pa.DataFrameSchema, data: pl.DataFrame) -> bool:
    """True if a quick look finds no failing case; False leaves it to `validate` to say.

    `validate` asks some queries about each column: for a small table, they are nearly all of the time.
    """
    is_usual = schema.strict is True and not (schema.coerce or schema.ordered or schema.parsers or schema.dtype)
    if not is_usual or set(data.columns) != set(schema.columns):
        return False
    for name, column in schema.columns.items():
        is_usual = not (column.coerce or column.unique or column.regex or column.parsers)
        if not is_usual or data.schema[name] != column.dtype.type or not _is_filled(data[name], column):
            return False
    if schema.unique and data.select(schema.unique).is_duplicated().any():
        return False
    register_polars_backends()
    lazy = data.lazy()
    checks = [(None, check) for check in schema.checks or ()]
    checks += [(name, check) for name, column in schema.columns.items() for check in column.checks]
    try:
        passed = pl.collect_all([check(lazy, name).check_passed for name, check in checks])
    except pl.exceptions.PolarsError:
        return False
    return all(frame.item() for frame in passed)


def _is_filled(values: pl.Series, column: pa.Column) -> bool:
    """True if there is no missing value, or if the column may have some."""
    if column.nullable:
        return True
    return not values.null_count() and not (values.dtype.is_float() and values.is_nan().any())


def check_refers(
    child: pl.DataFrame, parent: pl.DataFrame, *, on: list[str], where: str, failures_to: Path | None = None
) -> None:
    """Check a foreign key: every row of `child` has a row in `parent` with equal columns `on`.

    Raises ContractViolated; `failures_to` as for `check`.
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
    """Read and check a Parquet table.

    Raises BadInput if it is missing or unreadable, ContractViolated if it breaks its contract.
    """
    if not path.is_file():
        raise BadInput(f"{path}: no such table; run the stage that makes it (`dvc repro`)")
    try:
        data = pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = shortened(str(error).splitlines()[0])
        raise BadInput(f"{path}: no readable table ({reason}); make it again (`dvc repro --force`)") from None
    return check(table, _with_new_columns(table, data), where=str(path), failures_to=failures_path(path))


def write(table: Table, rows: Iterable[Mapping[str, Any]] | pl.DataFrame, path: Path) -> pl.DataFrame:
    """Check a table and write it as Parquet, atomically."""
    data = check(table, frame(table, rows), where=str(path), failures_to=failures_path(path))
    with replacing(path) as beside:
        data.write_parquet(beside)
    return data


def failures_path(path: Path) -> Path:
    """File for all failing cases of the table at `path`.

    It lies beside the stage's folder, not in it: a failed run leaves nothing for DVC to version.
    """
    return path.parent.with_name(f"{path.parent.name}.{path.stem}.failures.jsonl")


def _violated(where: str, failures: pl.DataFrame, failures_to: Path | None) -> ContractViolated:
    lines = [_failure_line(row) for row in failures.head(MAX_LISTED_FAILURES).iter_rows(named=True)]
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
    """Failing case of a check on whole rows, shortened to the ids of the row; any other case unchanged."""
    if failure_case is None or not failure_case.startswith("{"):
        return failure_case
    row = json.loads(failure_case)
    ids = [str(row[name]) for name in ("identity", "face_id", "image_id", "url") if row.get(name) is not None]
    return " ".join(ids[:2]) or failure_case
