"""Reader and writer of the consent file, `data/consent.csv`: permissions that people on the roster gave themselves.

One row is one signed form. A person may have several: for other purposes, or renewed. Columns:

- subject: slug of the identity. Nothing else in the file says who it is.
- form, form_version: name and version of the form that was signed.
- scopes: purposes, separated by `;`, members of `ConsentScope`.
- given_on, valid_until, revoked_on: YYYY-MM-DD. Valid on the last day too; without valid_until until it is revoked. Not
  valid from revoked_on on.
- given_by: `self` or `guardian`.
- age: of the subject on that day, in whole years.
- reference: where the signed form is kept, such as the number of a file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pandera.polars as pa
import polars as pl

from mtf.core import csv_files
from mtf.core.csv_files import Row
from mtf.core.errors import bad_value, listed
from mtf.schemas import contract
from mtf.schemas.columns import column, holds, identity, one_of, table
from mtf.schemas.enums import SLUG, ConsentGiver, ConsentScope

COLUMNS = (
    "subject", "form", "form_version", "scopes", "given_on", "valid_until", "given_by", "age", "revoked_on",
    "reference",
)  # fmt: skip
DAYS = ("given_on", "valid_until", "revoked_on")
BETWEEN = ";"
MAX_TEXT_CHARS = 200
MAX_AGE = 130
_KEY = ("subject", "form", "form_version", "given_on")


def _short_text() -> pa.Column:
    return column(pl.String, pa.Check.str_length(min_value=1, max_value=MAX_TEXT_CHARS))


CONSENT = table(
    "consent",
    {
        "subject": identity(),
        "form": _short_text(),
        "form_version": _short_text(),
        "scopes": column(pl.List(pl.String)),
        "given_on": column(pl.Date),
        "valid_until": column(pl.Date, null=True),
        "given_by": column(pl.String, one_of(ConsentGiver)),
        "age": column(pl.Int32, pa.Check.in_range(0, MAX_AGE)),
        "revoked_on": column(pl.Date, null=True),
        "reference": _short_text(),
    },
    unique=list(_KEY),
    checks=[
        holds(
            pl.col("scopes").list.eval(pl.element().is_in(list(map(str, ConsentScope)))).list.all()
            & (pl.col("scopes").list.len() > 0),
            "scopes are known purposes, at least one",
        ),
        holds(pl.col("valid_until").is_null() | (pl.col("valid_until") >= pl.col("given_on")), "valid after given"),
        holds(pl.col("revoked_on").is_null() | (pl.col("revoked_on") >= pl.col("given_on")), "revoked after given"),
    ],
)


def load(path: Path) -> pl.DataFrame:
    """Read the file at `path` as the table CONSENT, in the file's order; no rows if it does not exist.

    Raises BadInput with file, row (the header is row 1), column, value and what is permitted.
    """
    if not path.is_file():
        return contract.frame(CONSENT, [])
    numbered = dict(_rows(path))
    data = contract.frame(CONSENT, numbered.values())
    failures = contract.failures_path(path)
    return contract.check(CONSENT, data, where=path.name, failures_to=failures, row_numbers=[*numbered])


def write(path: Path, consents: pl.DataFrame) -> None:
    """Check the table CONSENT and write it to `path`, atomically. Raises ContractViolated."""
    checked = contract.check(CONSENT, contract.frame(CONSENT, consents), where=path.name)
    text = checked.with_columns(pl.col("scopes").list.join(BETWEEN), pl.col(pl.Date).dt.strftime("%Y-%m-%d"))
    csv_files.write(path, text.select(COLUMNS))


def _rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (row number in a spreadsheet, values) for each consent."""
    seen: dict[tuple[Any, ...], int] = {}
    for row in csv_files.read(path).requiring_exactly(COLUMNS):
        values = values_of(row)
        key = tuple(values[name] for name in _KEY)
        if key in seen:
            permitted = f"one row for each form, version and day of a subject (row {seen[key]} is the same)"
            raise bad_value(row.column("subject"), values["subject"], permitted)
        seen[key] = row.number
        yield row.number, values


def values_of(row: Row) -> dict[str, Any]:
    """Values of a row of the file, as the table CONSENT has them. Raises BadInput."""
    subject = row.text("subject")
    if not re.fullmatch(SLUG, subject) or len(subject) > 100:
        raise bad_value(row.column("subject"), subject, "the slug of an identity, as on the roster")
    given_on = _day(row, "given_on")
    if given_on is None:
        raise bad_value(row.column("given_on"), "", "a day of the calendar, YYYY-MM-DD")
    given_by = row.text("given_by")
    if given_by not in tuple(ConsentGiver):
        raise bad_value(row.column("given_by"), given_by, listed(ConsentGiver))
    return {
        "subject": subject,
        **{name: _text(row, name) for name in ("form", "form_version")},
        "scopes": scopes_of(row.text("scopes"), row.column("scopes")),
        "given_on": given_on,
        "valid_until": _day(row, "valid_until", not_before=given_on),
        "given_by": given_by,
        "age": _age(row),
        "revoked_on": _day(row, "revoked_on", not_before=given_on),
        "reference": _reference(row),
    }


def scopes_of(text: str, where: str) -> list[str]:
    """Purposes in `text`, separated by `;`, in the order of `ConsentScope`. Raises BadInput."""
    named = [part.strip() for part in text.split(BETWEEN) if part.strip()]
    unknown = next((name for name in named if name not in tuple(ConsentScope)), None)
    if unknown is not None or not named:
        permitted = f"one or more of {listed(ConsentScope)}, separated by {BETWEEN}"
        raise bad_value(where, unknown or text, permitted)
    return [str(scope) for scope in ConsentScope if scope in named]


def _day(row: Row, column: str, *, not_before: date | None = None) -> date | None:
    """Date in a cell, None if it is empty. Raises BadInput."""
    value = row.text(column)
    if not value:
        return None
    try:
        day = date.fromisoformat(value) if re.fullmatch(r"\d{4}-\d{2}-\d{2}", value, re.ASCII) else None
    except ValueError:
        day = None
    if day is None:
        raise bad_value(row.column(column), value, "a day of the calendar, YYYY-MM-DD")
    if not_before is not None and day < not_before:
        raise bad_value(row.column(column), value, f"a day from given_on ({not_before}) on, or nothing")
    return day


def _age(row: Row) -> int:
    value = row.text("age")
    if not re.fullmatch(r"\d{1,3}", value, re.ASCII) or int(value) > MAX_AGE:
        raise bad_value(row.column("age"), value, f"the subject's age in years on that day, 0 to {MAX_AGE}")
    return int(value)


def _text(row: Row, column: str) -> str:
    value = " ".join(row.text(column).split())
    if not value or len(value) > MAX_TEXT_CHARS:
        raise bad_value(row.column(column), value, f"1 to {MAX_TEXT_CHARS} characters")
    return value


def _reference(row: Row) -> str:
    """Reference of the signed form. An e-mail address is refused: the file says nothing of a person but the slug."""
    value = _text(row, "reference")
    if "@" in value:
        raise bad_value(row.column("reference"), value, "where the signed form is kept, without a person's address")
    return value
