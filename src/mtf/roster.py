"""The roster, as people write it: `data/roster.csv`.

Columns: `identity` (a slug, which names folders and shards), `name`, one column per task's labels; optional are
`query` (what is searched for; the name where empty), `files` (for the folder source, separated by `;`), and, for a
task with `years`, `birth_date` and `pictured` (both YYYY or YYYY-MM-DD), from which an empty label is worked out.
Other columns are left unread.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import polars as pl

from mtf import tables
from mtf.errors import BadInput, bad_value, listed
from mtf.params import Params, Task

MAX_FILE_BYTES = 256 * 2**20
_DATE = re.compile(r"([0-9]{4})(?:-([0-9]{2})-([0-9]{2}))?")


def load(path: Path, params: Params) -> pl.DataFrame:
    """The roster as the table `tables.roster`, checked value by value.

    Raises BadInput: file, row (the header is row 1), column, the bad value and what is permitted.
    """
    rows = list(_rows(path, params))
    if not rows:
        raise BadInput(f"{path.name}: no identities; at least one row is needed below the header")
    table = tables.roster(params)
    return tables.check(table, tables.frame(table, rows), where=path.name, failures_to=tables.failures_path(path))


def _rows(path: Path, params: Params) -> Iterator[dict[str, str | None]]:
    seen: dict[str, int] = {}
    for number, row in _records(path, params):
        where = f"{path.name} row {number}"
        identity = row["identity"]
        if not re.fullmatch(tables.SLUG, identity) or len(identity) > 100:
            raise bad_value(
                f"{where} column identity", identity, "a-z, 0-9, and single - _ . between them; at most 100"
            )
        if identity in seen:
            raise bad_value(
                f"{where} column identity", identity, f"identities that differ (row {seen[identity]} has it)"
            )
        seen[identity] = number
        name = _text_within(row["name"], tables.MAX_NAME, where=f"{where} column name")
        if not name:
            raise bad_value(f"{where} column name", row["name"], "a name")
        yield {
            "identity": identity,
            "name": name,
            "query": _text_within(row.get("query", ""), tables.MAX_QUERY, where=f"{where} column query") or name,
            "files": row.get("files", "").strip() or None,
            **{column: _label(row, column, task, where=where) for column, task in params.attributes.items()},
        }


def _text_within(text: str, most: int, *, where: str) -> str:
    """`text` with single spaces. Raises BadInput where it is longer than `most` characters."""
    spaced = " ".join(text.split())
    if len(spaced) > most:
        raise bad_value(where, spaced, f"at most {most} characters; these are {len(spaced)}")
    return spaced


def _records(path: Path, params: Params) -> Iterator[tuple[int, dict[str, str]]]:
    """Rows as read, numbered from the header's 1; a byte order mark is ignored, as are empty lines."""
    text = _text(path)
    # Not `splitlines`, which also breaks at characters that a name may hold (U+0085, U+2028).
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        _check_header(path, header, params)
        for values in reader:
            if not any(value.strip() for value in values):
                continue
            if len(values) != len(header):
                counts = f"{len(values)} values where the header has {len(header)} columns"
                raise BadInput(f"{path.name} row {reader.line_num}: {counts}")
            yield reader.line_num, dict(zip(header, values, strict=True))
    except csv.Error as error:
        raise BadInput(f"{path.name} row {reader.line_num}: not readable as CSV: {error}") from None


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise BadInput(f"{path.name}: larger than {MAX_FILE_BYTES} bytes")
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}; `dvc pull` fetches it, `mtf new` begins one's own") from None
    except UnicodeDecodeError as error:
        raise BadInput(f"{path.name}: not UTF-8 at byte {error.start}; save it as UTF-8") from None


def _check_header(path: Path, header: list[str], params: Params) -> None:
    derived = {column for column, task in params.attributes.items() if task.years and "birth_date" in header}
    required = ["identity", "name", *(column for column in params.attributes if column not in derived)]
    if missing := [name for name in required if name not in header]:
        raise BadInput(f"{path.name} row 1: missing column {listed(missing)}; the header has {listed(header, 20)}")
    if repeated := {name for name in header if header.count(name) > 1}:
        raise BadInput(f"{path.name} row 1: column {listed(sorted(repeated))} stands there twice")


def _label(row: dict[str, str], column: str, task: Task, *, where: str) -> str:
    value = row.get(column, "").strip()
    if value in task.labels:
        return value
    if value or not task.years:
        raise bad_value(f"{where} column {column}", value, listed(task.labels, 20))
    years = _years_between(row, where=where)
    label = task.label_of_age(years)
    if label is None:
        raise bad_value(f"{where} column {column}", years, f"an age within {dict(task.years)}")
    return label


def _years_between(row: dict[str, str], *, where: str) -> int:
    """Age in whole years when pictured; with a bare year, as on that year's last day."""
    born = _date(row.get("birth_date", ""), where=f"{where} column birth_date", missing=(12, 31))
    pictured = _date(row.get("pictured", ""), where=f"{where} column pictured", missing=(12, 31))
    years = pictured[0] - born[0] - (pictured[1:] < born[1:])
    if years < 0:
        raise bad_value(f"{where} column pictured", row.get("pictured", ""), "a date after birth_date")
    return years


def _date(value: str, *, where: str, missing: tuple[int, int]) -> tuple[int, int, int]:
    """Year, month and day; `missing` are month and day of a bare year."""
    permitted = "YYYY or YYYY-MM-DD, a day of the calendar (needed where the label is empty)"
    match = _DATE.fullmatch(value.strip())
    if match is None:
        raise bad_value(where, value, permitted)
    year, month, day = match.groups()
    try:
        there = date(int(year), *((int(month), int(day)) if month else missing))
    except ValueError:
        raise bad_value(where, value, permitted) from None
    return there.year, there.month, there.day
