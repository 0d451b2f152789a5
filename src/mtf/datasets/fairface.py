"""FairFace (Kärkkäinen and Joo, WACV 2021): 7 races, 2 genders, 9 age groups; each picture shows a different person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from mtf.core import csv_files
from mtf.core.csv_files import Row
from mtf.core.errors import bad_value, listed
from mtf.core.slugs import slug
from mtf.datasets import labelled
from mtf.datasets.labelled import DataSet

LICENSE = "CC-BY-4.0"
CREATOR = "Kimmo Kärkkäinen and Jungseock Joo"
ATTRIBUTES = {
    "race": ["White", "Black", "Latino_Hispanic", "East Asian", "Southeast Asian", "Indian", "Middle Eastern"],
    "gender": ["Male", "Female"],
    "age": ["0-2", "3-9", "10-19", "20-29", "30-39", "40-49", "50-59", "60-69", "more than 70"],
}
YEARS = {
    **{"0-2": (0, 2), "3-9": (3, 9)},
    **{f"{first}-{first + 9}": (first, first + 9) for first in range(10, 70, 10)},
    "more than 70": (70, 150),
}
NO_PICTURE = "a label whose picture is not there"
# A spreadsheet took two age groups for dates.
DATES = {"03-Sep": "3-9", "3-Sep": "3-9", "Sep-03": "3-9", "Oct-19": "10-19", "19-Oct": "10-19"}


def read_labels(path: Path) -> dict[int, dict[str, str | None]]:
    """Rows of FairFace's label file, unchanged, by row number as in a spreadsheet."""
    return {row.number: _picture(row) for row in csv_files.read(path).requiring(["file", *ATTRIBUTES])}


def repaired(rows: Sequence[Mapping[str, str | None]]) -> tuple[list[dict[str, str | None]], list[str]]:
    """Rows with their age groups restored, and one line of text per kind of repair."""
    counts = Counter(row["age"] for row in rows if row["age"] in DATES)
    restored = [{**row, "age": DATES.get(row["age"] or "", row["age"])} for row in rows]
    repairs = [
        f"age {date!r} is {DATES[str(date)]!r}, corrected in {count} row{'s' * (count != 1)}"
        for date, count in sorted(counts.items())
    ]
    return restored, repairs


def load(path: Path, *, files: Collection[str] | None = None) -> DataSet:
    """FairFace from its label file, with the damage of a spreadsheet repaired.

    `files` are the pictures that exist; a row that names none of them is left out and reported.

    Raises ContractViolated for a label that is neither published nor such damage, and BadInput if no row names an
    existing picture.
    """
    unread = [name for name in csv_files.read(path).header if name and name not in ("file", *ATTRIBUTES)]
    numbered = read_labels(path)
    existing = None if files is None else frozenset(files)
    skipped = [str(row["file"]) for row in numbered.values() if existing is not None and row["file"] not in existing]
    if skipped and len(skipped) == len(numbered):
        raise bad_value(f"{path.name} column file", skipped[0], "a picture's name in the data set's folder")
    numbered = {number: row for number, row in numbered.items() if existing is None or row["file"] in existing}
    rows, repairs = repaired([*numbered.values()])
    pictures = labelled.checked(rows, ATTRIBUTES, where=path.name, row_numbers=[*numbered])
    return DataSet(
        "fairface",
        LICENSE,
        CREATOR,
        pictures,
        ATTRIBUTES,
        repairs=[*repairs, *([f"{path.name}: not read: {listed(unread)}"] if unread else [])],
        skipped=[(file, NO_PICTURE) for file in skipped],
        years={"age": YEARS},
    )


def _picture(row: Row) -> dict[str, str | None]:
    # Windows writes the same file with backslashes.
    path = row.text("file").replace("\\", "/")
    folder, _, file = path.rpartition("/")
    person = slug(f"fairface-{folder}-{file.rpartition('.')[0]}")
    return {
        "file": path,
        "identity": person,
        "name": person,
        "part": folder or None,
        **{column: row.cells[column] for column in ATTRIBUTES},
    }
