"""Contract of a table: a pandera schema, checked when the table is read and when it is written."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import pandera.polars as pa
import polars as pl
from pandera.api.polars.types import PolarsData
from pandera.backends.polars.register import register_polars_backends
from pandera.errors import SchemaErrors

from mtf.core.atomic_files import replacing
from mtf.core.errors import BadInput, GateFailed, listed, shortened

MAX_LISTED_FAILURES = 10
ROWS_PER_GROUP = 122_880
"""Rows of each row group of a Parquet file that `sink` writes: always the same bytes for the same rows."""
Rows = TypeVar("Rows", pl.DataFrame, pl.LazyFrame)


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

    @cached_property
    def dtypes(self) -> dict[str, pl.DataType]:
        return {name: column.dtype.type for name, column in self.schema.columns.items()}

    @cached_property
    def conditions(self) -> list[pl.Expr] | None:
        """Expressions of one value each, which are all true if a table keeps the checks of its columns and rows.

        None if the schema has anything besides checks by expressions and what `_is_kept` looks at.
        """
        schema, columns = self.schema, self.schema.columns
        is_usual = schema.strict is True and not (schema.coerce or schema.ordered or schema.parsers or schema.dtype)
        if not is_usual or any(each.coerce or each.unique or each.regex or each.parsers for each in columns.values()):
            return None
        register_polars_backends()
        checks = [("*", check) for check in schema.checks or ()]
        checks += [(name, check) for name, column in columns.items() for check in column.checks]
        found = [_condition(check, name) for name, check in checks]
        usual = [each for each in found if each is not None]
        return [each.alias(str(number)) for number, each in enumerate(usual)] if len(usual) == len(found) else None


class _ExpressionOfCheck:
    """Stand-in for the table in a check: what the check would select from it."""

    @staticmethod
    def select(expression: pl.Expr) -> pl.Expr:
        return expression


def _condition(check: pa.Check, name: str) -> pl.Expr | None:
    """Expression that is true if column `name` keeps a check; None if the check is not made of one expression."""
    if check.element_wise or check.groupby is not None:
        return None
    name_of_rule = check.registry_name or ""
    rule = check.get_builtin_check_fn(name_of_rule) if check.is_builtin_check(name_of_rule) else check._check_fn
    try:
        holds = rule(PolarsData(_ExpressionOfCheck(), name), **check._check_kwargs)  # ty: ignore[invalid-argument-type]
    except (AttributeError, TypeError, LookupError):
        return None
    if not isinstance(holds, pl.Expr):
        return None
    return (holds | holds.is_null() if check.ignore_na else holds.fill_null(False)).all()


def frame(table: Table, rows: Iterable[Mapping[str, Any]] | pl.DataFrame) -> pl.DataFrame:
    """Data frame of `rows` with the table's columns, order and types; not yet checked."""
    if isinstance(rows, pl.DataFrame):
        if list(rows.schema.items()) == list(table.dtypes.items()):
            return rows
        return rows.select(_typed(table, rows.columns))
    return pl.DataFrame(list(rows), schema=table.dtypes, orient="row")


def _typed(table: Table, there: Sequence[str]) -> list[pl.Expr]:
    return [_column(table, name, there).cast(dtype) for name, dtype in table.dtypes.items()]


def _with_new_columns(table: Table, there: Sequence[str]) -> list[pl.Expr]:
    """Columns `there`, and the nullable ones of the table: one of an older version stays readable."""
    known = [name for name, column in table.schema.columns.items() if column.nullable or name in there]
    return [_column(table, name, there) for name in [*known, *(name for name in there if name not in known)]]


def _column(table: Table, name: str, there: Sequence[str]) -> pl.Expr:
    """Column of that name; empty if it is not `there` and may lack values."""
    is_new = name not in there and table.schema.columns[name].nullable
    return pl.lit(None, table.dtypes[name]).alias(name) if is_new else pl.col(name)


def check(
    table: Table,
    data: Rows,
    *,
    where: str,
    failures_to: Path | None = None,
    row_numbers: Sequence[int] | None = None,
) -> Rows:
    """Check `data` against the contract of `table`, and return it.

    A lazy frame is read once for each check, with the columns that the check needs; whole only to say what fails.

    where: the table's file, for the message.
    failures_to: file for all failing cases (JSON lines).
    row_numbers: of a file that people wrote, the row numbers in a spreadsheet; without them rows count from 0.

    Raises ContractViolated with the first failing cases in its message.
    """
    try:
        if not _is_kept(table, data):
            table.schema.validate(data.lazy().collect(), lazy=True)
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


def _is_kept(table: Table, data: pl.DataFrame | pl.LazyFrame) -> bool:
    """True if a quick look finds no failing case; False leaves it to `validate` to say.

    `validate` asks some queries about each column: for a small table, they are nearly all of the time.
    """
    dtypes = data.lazy().collect_schema()
    if table.conditions is None or dict(dtypes) != table.dtypes:
        return False
    filled, unique = _are_filled(table.schema, dtypes), _is_unique(table.schema)
    asked = [filled.alias("filled"), unique.alias("unique"), *table.conditions]
    try:
        if isinstance(data, pl.DataFrame):
            return all(data.select(asked).row(0))
        # One after the other, and not streamed: groups take twice the memory in the streaming engine.
        return all(data.select(each).collect(engine="in-memory").item() for each in asked)
    except pl.exceptions.PolarsError:
        return False


def _are_filled(schema: pa.DataFrameSchema, dtypes: pl.Schema) -> pl.Expr:
    """True if no column lacks a value that must have one."""
    filled = [name for name, column in schema.columns.items() if not column.nullable]
    no_nan = [~pl.col(name).is_nan().any() for name in filled if dtypes[name].is_float()]
    return pl.all_horizontal(pl.lit(True), *(pl.col(name).null_count() == 0 for name in filled), *no_nan)


def _is_unique(schema: pa.DataFrameSchema) -> pl.Expr:
    """False for equal rows, and by a rare chance for others: hashes take less memory."""
    return ~pl.struct(schema.unique).hash().is_duplicated().any() if schema.unique else pl.lit(True)


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
    with _readable(path):
        data = pl.read_parquet(path)
    whole = data.select(_with_new_columns(table, data.columns))
    return check(table, whole, where=str(path), failures_to=failures_path(path))


def scan(table: Table, path: Path) -> pl.LazyFrame:
    """Check a Parquet table, and return its rows as a lazy frame: for tables larger than memory. Raises as `read`."""
    with _readable(path):
        data = pl.scan_parquet(path)
        whole = data.select(_with_new_columns(table, data.collect_schema().names()))
        return check(table, whole, where=str(path), failures_to=failures_path(path))


@contextmanager
def _readable(path: Path) -> Generator[None]:
    if not path.is_file():
        raise BadInput(f"{path}: no such table; run the stage that makes it (`dvc repro`)")
    try:
        yield
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = shortened(str(error).splitlines()[0])
        raise BadInput(f"{path}: no readable table ({reason}); make it again (`dvc repro --force`)") from None


def write(table: Table, rows: Iterable[Mapping[str, Any]] | pl.DataFrame, path: Path) -> pl.DataFrame:
    """Check a table and write it as Parquet, atomically."""
    data = check(table, frame(table, rows), where=str(path), failures_to=failures_path(path))
    with replacing(path) as beside:
        data.write_parquet(beside)
    return data


def sink(table: Table, rows: pl.LazyFrame, path: Path) -> pl.LazyFrame:
    """Write a table as `write` does, without holding it in memory, and return it as a lazy frame."""
    with replacing(path) as beside:
        typed = rows.select(_typed(table, rows.collect_schema().names()))
        typed.sink_parquet(beside, row_group_size=ROWS_PER_GROUP)
        check(table, pl.scan_parquet(beside), where=str(path), failures_to=failures_path(path))
    return pl.scan_parquet(path)


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
