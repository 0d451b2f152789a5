"""CSV files: a strict reader for tables that people write, and a writer whose files are safe in a spreadsheet.

Reader: UTF-8 with or without a byte order mark, commas, line ends of any system. Rows are counted as a spreadsheet
shows them: the header is row 1, blank rows count but are skipped. Every error names the file, row, column, value and
what is permitted.

Writer: text that a spreadsheet would run as a formula gets an apostrophe before it, and the reader removes it. Line
breaks in text become spaces. Numbers stay numbers. Files are written atomically.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple

import polars as pl

from mtf.core import atomic_files
from mtf.core.errors import BadInput, bad_value, listed
from mtf.core.regular_files import check_regular

MAX_FILE_BYTES = 2**31
MAX_CELL_CHARS = 2**20

# Blanks, control characters and invisible characters (soft hyphen, zero width, direction marks, variation selectors,
# Hangul fillers, tags): spreadsheets, and people who paste from them, drop these before the first sign.
_INVISIBLE = (
    "\\s\x00-\x20\x7f-\xa0\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2000-\u200f\u2028-\u202f"
    "\u205f-\u206f\u3000\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U000e0000-\U000e0fff"
)
# The signs that begin a formula in Excel, LibreOffice and Google Sheets, with their full-width and small forms.
_SIGNS = r"=+\-@|%＝＋－＠｜％﹦﹢﹣﹫﹪"
FORMULA = rf"^[{_INVISIBLE}]*[{_SIGNS}]"
# Text that already begins with the guard gets another one: else the reader could not tell the two apart.
_GUARDED = rf"^'+[{_INVISIBLE}]*[{_SIGNS}]"
_TO_GUARD = re.compile(f"{FORMULA}|{_GUARDED}")
_TO_BARE = re.compile(_GUARDED)
# Control characters except the tab. A cell is one line, for spreadsheets and for tools that read line by line.
_BREAKS = "[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]+"
_TO_JOIN = re.compile(_BREAKS)
# Control characters that are no blanks for Python. Blanks (tab, line feed, form feed, U+0085, …) are permitted.
_REFUSED = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f]")


class Row(NamedTuple):
    """One row of a table.

    number: row number in a spreadsheet; the header is row 1.
    cells: column → text, with the blanks around it.
    file: the file's name, for messages.
    """

    number: int
    cells: Mapping[str, str]
    file: str

    @property
    def where(self) -> str:
        return f"{self.file} row {self.number}"

    def column(self, name: str) -> str:
        """Location of a cell, for a message: `roster.csv row 3 column age`."""
        return f"{self.where} column {name}"

    def text(self, name: str) -> str:
        """Text of a cell without the blanks around it; empty if the table has no such column."""
        return self.cells.get(name, "").strip()


@dataclass(frozen=True)
class CsvTable:
    """A table whose header has been read. Its rows are read while you iterate over it, once."""

    file: str
    header: tuple[str, ...]
    _rows: Iterator[Row]

    def __iter__(self) -> Iterator[Row]:
        return self._rows

    def requiring(self, columns: Iterable[str]) -> CsvTable:
        """Check that the header has all `columns`, and return the table. Raises BadInput."""
        if missing := [name for name in columns if name not in self.header]:
            raise BadInput(
                f"{self.file} row 1: missing column {listed(missing)}; the header has {listed(self.header, 20)}; "
                "a CSV split by commas is wanted"
            )
        return self

    def requiring_exactly(self, columns: Sequence[str]) -> CsvTable:
        """Check that the header is `columns`, in this order, and return the table. Raises BadInput."""
        if self.header != tuple(columns):
            raise BadInput(
                f"{self.file} row 1: the columns are {listed(self.header)}; "
                f"permitted: {listed(columns, len(columns))}, in this order"
            )
        return self


def read(path: Path, *, hint: str = "") -> CsvTable:
    """Read the table in the file at `path`, row by row. `hint` ends the message if there is no such file.

    Raises BadInput, at once or during iteration:

    - for a file that is not regular, larger than MAX_FILE_BYTES, not UTF-8 or not CSV;
    - for a column name that occurs twice;
    - for a row with more or fewer values than the header;
    - for a cell with a control character, or longer than MAX_CELL_CHARS.
    """
    lines = _lines_of(path, hint)
    return _table(lines, path.name)


def parse(data: bytes, name: str) -> CsvTable:
    """Read a table from bytes in memory, like `read`; `name` is the file's name in messages."""
    return _table(_decoded(io.BytesIO(data), name), name)


def read_leniently(data: bytes) -> Iterator[Row]:
    """Read the rows of a table as far as possible, for searches that a broken row must not stop.

    Missing cells become empty, surplus cells are dropped, bytes that are not UTF-8 are replaced.
    """
    text = io.StringIO(data.decode("utf-8-sig", errors="replace"), newline="")
    csv.field_size_limit(MAX_CELL_CHARS)
    reader = csv.reader(text)
    header: list[str] | None = None
    number = 0
    while True:
        number += 1
        try:
            values = next(reader)
        except StopIteration:
            return
        except csv.Error:
            continue
        if header is None:
            header = [name.strip() for name in values]
            continue
        cells = dict.fromkeys(header, "") | dict(zip(header, map(_bare, values), strict=False))
        if any(values):
            yield Row(number, cells, "")


def _lines_of(path: Path, hint: str) -> Iterator[str]:
    try:
        check_regular(path, MAX_FILE_BYTES)
        with path.open("rb") as file:
            yield from _decoded(file, path.name)
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}{hint and f'; {hint}'}") from None


def _decoded(file: IO[bytes], name: str) -> Iterator[str]:
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    try:
        yield from text
    except UnicodeDecodeError:
        place = _first_not_utf8(file)
        raise BadInput(f"{name}: not UTF-8 at byte {place}; save it as UTF-8") from None


def _first_not_utf8(file: IO[bytes]) -> int:
    """Offset in the file of the first byte that is not UTF-8; the offset in the error counts from the last chunk."""
    file.seek(0)
    place = 0
    for line in file:
        try:
            line.decode("utf-8")
        except UnicodeDecodeError as error:
            return place + error.start
        place += len(line)
    return place


def _table(lines: Iterator[str], name: str) -> CsvTable:
    records = _records(lines, name)
    _, values = next(records, (1, []))
    header = tuple(value.strip() for value in values)
    if repeated := sorted({column for column in header if column and header.count(column) > 1}):
        raise BadInput(f"{name} row 1: column {listed(repeated)} stands there twice; each name may stand once")
    for column in header:
        _check_text(f"{name} row 1", column)
    return CsvTable(name, header, _rows(records, header, name))


def _records(lines: Iterator[str], name: str) -> Iterator[tuple[int, list[str]]]:
    csv.field_size_limit(MAX_CELL_CHARS)
    number = 0
    try:
        for number, values in enumerate(csv.reader(lines, strict=True), 1):
            yield number, values
    except csv.Error as error:
        raise BadInput(f"{name} row {number + 1}: not readable as CSV: {error}") from None


def _rows(records: Iterator[tuple[int, list[str]]], header: Sequence[str], name: str) -> Iterator[Row]:
    for number, values in records:
        if not any(value.strip() for value in values):
            continue
        if len(values) != len(header):
            counts = f"{len(values)} values where the header has {len(header)} columns"
            raise BadInput(f"{name} row {number}: {counts}; quote a value that holds a comma")
        row = Row(number, dict(zip(header, map(_bare, values), strict=True)), name)
        for column, value in row.cells.items():
            _check_text(row.column(column), value)
        yield row


def _check_text(where: str, value: str) -> None:
    if _REFUSED.search(value):
        raise bad_value(where, value, "text without control characters")


def _bare(text: str) -> str:
    """Text without the writer's guard."""
    return text[1:] if text.startswith("'") and _TO_BARE.match(text) else text


def write(path: Path, rows: pl.DataFrame | Iterable[Sequence[Any]]) -> None:
    """Write a data frame, or rows whose first one is the header, atomically. None becomes an empty cell."""
    with atomic_files.replacing(path) as beside:
        if isinstance(rows, pl.DataFrame):
            _guarded_frame(rows).write_csv(beside)
        else:
            beside.write_text(text_of(rows), encoding="utf-8", newline="")


def text_of(rows: pl.DataFrame | Iterable[Sequence[Any]]) -> str:
    """Text of the file that `write` writes."""
    if isinstance(rows, pl.DataFrame):
        return _guarded_frame(rows).write_csv()
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([guarded(value) for value in row] for row in rows)
    return text.getvalue()


def guarded(value: Any) -> Any:
    """Text on one line, with an apostrophe before it if a spreadsheet would run it; other values unchanged."""
    if not isinstance(value, str):
        return value
    one_line = _TO_JOIN.sub(" ", value)
    return f"'{one_line}" if _TO_GUARD.match(value) else one_line


def _guarded_frame(data: pl.DataFrame) -> pl.DataFrame:
    return data.with_columns(_guarded_column(name) for name, dtype in data.schema.items() if dtype == pl.String)


def _guarded_column(name: str) -> pl.Expr:
    text = pl.col(name)
    one_line = text.str.replace_all(_BREAKS, " ")
    runs = text.str.contains(FORMULA) | text.str.contains(_GUARDED)
    return pl.when(runs).then(pl.concat_str(pl.lit("'"), one_line)).otherwise(one_line).alias(name)
