"""Roster of a new project, from a CSV file of people: slugs, tasks with their labels, and columns that are not read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from mtf.config import IDENTITY
from mtf.core import csv_files
from mtf.core.errors import BadInput, listed, shortened
from mtf.core.slugs import slug

# MTF, section 3.3.
PAPER_TASKS = {
    "race": ["Asian (Chinese/Korean)", "Asian (Indian)", "Black", "White"],
    "gender": ["Males", "Females"],
    "age": ["Young", "Old"],
}
PAPER_YEARS = {"Young": [18, 49], "Old": [50, 120]}
# Columns of a roster besides the tasks: see `mtf.schemas.roster_file`.
READ_COLUMNS = (IDENTITY, "name", "query", "files", "birth_date", "pictured")


@dataclass(frozen=True)
class OwnRoster:
    """Roster of a new project.

    table: header and rows; a missing `identity` column is filled with slugs of the names.
    file: name of the file it was read from; None for an empty roster to fill in.
    """

    table: list[list[str]]
    file: str | None = None

    @property
    def header(self) -> list[str]:
        return self.table[0]

    @property
    def people(self) -> int:
        return len(self.table) - 1

    def column(self, name: str) -> list[str]:
        """Cells of a column, without the blanks around them; empty without such a column."""
        if name not in self.header:
            return []
        place = self.header.index(name)
        return [row[place].strip() for row in self.table[1:] if len(row) > place]

    def tasks(self) -> dict[str, dict[str, Any]]:
        """Tasks of the roster as params.yaml has them, with its labels, else the paper's."""
        found: dict[str, dict[str, Any]] = {"recognition": {"column": IDENTITY}}
        for name in PAPER_TASKS:
            if name in self.header or (name == "age" and "birth_date" in self.header):
                labels = self._labels(name)
                found[name] = {"column": name, "labels": labels}
                if name == "age" and set(PAPER_YEARS) <= set(labels):
                    found[name]["years"] = PAPER_YEARS
        return found

    def _labels(self, name: str) -> list[str]:
        found = sorted(set(self.column(name)) - {""})
        if set(found) <= set(PAPER_TASKS[name]):
            return PAPER_TASKS[name]
        if len(found) == 1:
            raise BadInput(
                f"{self.file}: column {name}: {shortened(found[0])} alone; a task needs two labels: remove the column "
                "for now"
            )
        return found


EMPTY = OwnRoster([[IDENTITY, "name", *PAPER_TASKS, "query"]])
"""Roster to fill in."""


def read(path: Path) -> OwnRoster:
    """Roster from a CSV file with at least the column `name`. Raises BadInput."""
    given = csv_files.read(path)
    # A column without a name cannot be used.
    header = [name for name in given.header if name]
    rows = list(given)
    if not rows or "name" not in header:
        raise BadInput(f"{path.name} row 1: needs a header with the column name, and rows below it")
    if IDENTITY in header:
        return OwnRoster([header, *([row.cells[name] for name in header] for row in rows)], path.name)
    table = [[IDENTITY, *header]]
    table += [[slug(row.cells["name"]), *(row.cells[name] for name in header)] for row in rows]
    return OwnRoster(table, path.name)


def unread_columns(header: Iterable[str], tasks: Iterable[str]) -> str | None:
    """Message that names the columns that neither the crawl nor a task reads; None if there are none.

    header: columns of a roster. tasks: columns of the tasks.
    """
    read = [*READ_COLUMNS, *tasks]
    unread = [name for name in header if name and name not in read]
    if not unread:
        return None
    meant = {name: get_close_matches(name, [*read, *PAPER_TASKS], n=1) for name in unread}
    named = [f"{name} (is {near[0]} meant?)" if near else name for name, near in meant.items()]
    return f"not read: {listed(named, 20)}; a column with labels needs a task in params.yaml"
