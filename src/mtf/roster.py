"""The roster, as people write it: `data/roster.csv`.

Columns: `identity` (a slug, which names folders and shards), `name`, one column per task's labels; optional are
`query` (what is searched for; the name where empty), `page_url`, `files` (for the folder source, separated by
`;`), and, for a task with `years`, `birth_date` and `pictured` (both YYYY or YYYY-MM-DD), from which an empty
label is worked out.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from mtf import tables
from mtf.errors import BadInput, bad_value, listed
from mtf.params import Params, Task

OPTIONAL = ("query", "page_url", "files", "birth_date", "pictured")
MAX_FILE_BYTES = 256 * 2**20
_DATE = re.compile(r"^(\d{4})(?:-(\d{2})-(\d{2}))?$")


def load(path: Path, params: Params) -> pl.DataFrame:
    """The roster as the table `tables.roster`, checked value by value.

    Raises BadInput: file, row (the header is row 1), column, the bad value and what is permitted.
    """
    rows = list(_rows(path, params))
    if not rows:
        raise BadInput(f"{path.name}: no identities; at least one row is needed below the header")
    return tables.check(tables.roster(params), tables.frame(tables.roster(params), rows), where=path.name)


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
        if not row["name"].strip():
            raise bad_value(f"{where} column name", row["name"], "a name")
        yield {
            "identity": identity,
            "name": _one_spaced(row["name"]),
            "query": _one_spaced(row.get("query", "")) or _one_spaced(row["name"]),
            "page_url": row.get("page_url", "").strip() or None,
            "files": row.get("files", "").strip() or None,
            **{column: _label(row, column, task, where=where) for column, task in params.attributes.items()},
        }


def _one_spaced(text: str) -> str:
    return " ".join(text.split())


def _records(path: Path, params: Params) -> Iterator[tuple[int, dict[str, str]]]:
    """Rows as read, numbered from the header's 1; a byte order mark is ignored, as are empty lines."""
    text = _text(path)
    reader = csv.reader(text.splitlines(keepends=True), strict=True)
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
    match = _DATE.match(value.strip())
    if match is None:
        raise bad_value(where, value, "YYYY or YYYY-MM-DD (needed where the label is empty)")
    year, month, day = match.groups()
    return (int(year), int(month), int(day)) if month else (int(year), *missing)
