"""Reader of the roster file, `data/roster.csv`: the people of the data set.

Columns:

- `identity`: a slug, which names folders and shards.
- `name`.
- One column for each task, with its labels.
- `query` (optional): search text; the name if empty.
- `files` (optional): names for the folder source, separated by `;`.
- `birth_date`, `pictured` (optional, for a task with `years`): YYYY or YYYY-MM-DD; an empty label is derived from them.

Other columns are ignored.
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

_NO_FILE = "`dvc pull` fetches it, `mtf new DIR` begins a project of your own"
_DATE = re.compile(r"([0-9]{4})(?:-([0-9]{2})-([0-9]{2}))?")


def load(path: Path, params: Params) -> pl.DataFrame:
    """Read the roster as the table `schemas.roster`, checked value by value.

    Raises BadInput with file, row (the header is row 1), column, value and what is permitted.
    """
    numbered = dict(_people(path, params))
    if not numbered:
        raise BadInput(f"{path.name}: no identities; at least one row is needed below the header")
    table = schemas.roster(params)
    data = schemas.frame(table, numbered.values())
    return schemas.check(table, data, where=path.name, failures_to=schemas.failures_path(path), row_numbers=[*numbered])


def _people(path: Path, params: Params) -> Iterator[tuple[int, dict[str, str | None]]]:
    """Yield (row number in a spreadsheet, values) for each person."""
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
    """Text of a cell with single spaces. Raises BadInput if it is longer than `max_chars` characters."""
    spaced = " ".join(row.text(column).split())
    if len(spaced) > max_chars:
        raise bad_value(row.column(column), spaced, f"at most {max_chars} characters; these are {len(spaced)}")
    return spaced


def _checked(table: CsvTable, params: Params) -> CsvTable:
    """Check that `table` has the columns of the tasks; a label that can be derived from dates may be missing.

    Raises BadInput.
    """
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
    """Age in whole years on the date of the picture. A bare year counts as its last day."""
    born = _date(row, "birth_date", missing=(12, 31))
    pictured = _date(row, "pictured", missing=(12, 31))
    years = pictured[0] - born[0] - (pictured[1:] < born[1:])
    if years < 0:
        raise bad_value(row.column("pictured"), row.text("pictured"), "a date after birth_date")
    return years


def _date(row: Row, column: str, *, missing: tuple[int, int]) -> tuple[int, int, int]:
    """Year, month and day of a cell; `missing` is the month and day of a bare year. Raises BadInput."""
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
