"""The roster, as people write it: `data/roster.csv`.

Columns: `identity` (a slug, which names folders and shards), `name`, one column per task's labels; optional are
`query` (what is searched for; the name where empty), `files` (for the folder source, separated by `;`), and, for a
task with `years`, `birth_date` and `pictured` (both YYYY or YYYY-MM-DD), from which an empty label is worked out.
Other columns are left unread.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import polars as pl

from mtf import schemas
from mtf.config import Params, Task
from mtf.core import csv_files
from mtf.core.csv_files import CsvTable, Row
from mtf.core.errors import BadInput, bad_value, listed

_NO_FILE = "`dvc pull` fetches it, `mtf new` begins one's own"
_DATE = re.compile(r"([0-9]{4})(?:-([0-9]{2})-([0-9]{2}))?")


def load(path: Path, params: Params) -> pl.DataFrame:
    """The roster as the table `tables.roster`, checked value by value.

    Raises BadInput: file, row (the header is row 1), column, the bad value and what is permitted.
    """
    numbered = dict(_people(path, params))
    if not numbered:
        raise BadInput(f"{path.name}: no identities; at least one row is needed below the header")
    table = schemas.roster(params)
    data = schemas.frame(table, numbered.values())
    return schemas.check(table, data, where=path.name, failures_to=schemas.failures_path(path), row_numbers=[*numbered])


def _people(path: Path, params: Params) -> Iterator[tuple[int, dict[str, str | None]]]:
    """The people with the rows that they stand in, as a spreadsheet shows them."""
    seen: dict[str, int] = {}
    for row in _checked(csv_files.read(path, hint=_NO_FILE), params):
        identity = row.cells["identity"]
        if not re.fullmatch(schemas.SLUG, identity) or len(identity) > 100:
            raise bad_value(row.column("identity"), identity, "a-z, 0-9, and single - _ . between them; at most 100")
        if identity in seen:
            raise bad_value(row.column("identity"), identity, f"identities that differ (row {seen[identity]} has it)")
        seen[identity] = row.number
        name = _text_within(row, "name", schemas.MAX_NAME)
        if not name:
            raise bad_value(row.column("name"), row.cells["name"], "a name")
        yield (
            row.number,
            {
                "identity": identity,
                "name": name,
                "query": _text_within(row, "query", schemas.MAX_QUERY) or name,
                "files": row.text("files") or None,
                **{column: _label(row, column, task) for column, task in params.attributes.items()},
            },
        )


def _text_within(row: Row, column: str, max_chars: int) -> str:
    """A cell with single spaces. Raises BadInput where it is longer than `max_chars` characters."""
    spaced = " ".join(row.text(column).split())
    if len(spaced) > max_chars:
        raise bad_value(row.column(column), spaced, f"at most {max_chars} characters; these are {len(spaced)}")
    return spaced


def _checked(table: CsvTable, params: Params) -> CsvTable:
    """`table`. Raises BadInput where a column that the tasks need is missing; a label with years may be worked out."""
    has_dates = "birth_date" in table.header
    labels = [column for column, task in params.attributes.items() if not (task.years and has_dates)]
    return table.requiring(["identity", "name", *labels])


def _label(row: Row, column: str, task: Task) -> str:
    value = row.text(column)
    if value in task.labels:
        return value
    if value or not task.years:
        raise bad_value(row.column(column), value, listed(task.labels, 20))
    years = _years_between(row)
    label = task.label_of_age(years)
    if label is None:
        raise bad_value(row.column(column), years, f"an age within {dict(task.years)}")
    return label


def _years_between(row: Row) -> int:
    """Age in whole years when pictured; with a bare year, as on that year's last day."""
    born = _date(row, "birth_date", missing=(12, 31))
    pictured = _date(row, "pictured", missing=(12, 31))
    years = pictured[0] - born[0] - (pictured[1:] < born[1:])
    if years < 0:
        raise bad_value(row.column("pictured"), row.text("pictured"), "a date after birth_date")
    return years


def _date(row: Row, column: str, *, missing: tuple[int, int]) -> tuple[int, int, int]:
    """Year, month and day; `missing` are month and day of a bare year."""
    permitted = "YYYY or YYYY-MM-DD, a day of the calendar (needed where the label is empty)"
    value = row.text(column)
    match = _DATE.fullmatch(value)
    if match is None:
        raise bad_value(row.column(column), value, permitted)
    year, month, day = match.groups()
    try:
        there = date(int(year), *((int(month), int(day)) if month else missing))
    except ValueError:
        raise bad_value(row.column(column), value, permitted) from None
    return there.year, there.month, there.day
