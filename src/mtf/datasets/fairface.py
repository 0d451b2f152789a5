"""FairFace (Kärkkäinen and Joo, WACV 2021): 7 races, 2 genders, 9 age groups; each picture another person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

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
# A spreadsheet took two age groups for dates.
DATES = {"03-Sep": "3-9", "3-Sep": "3-9", "Sep-03": "3-9", "Oct-19": "10-19", "19-Oct": "10-19"}


def read_labels(path: Path) -> list[dict[str, str | None]]:
    """The rows of FairFace's label file, as they stand there."""
    rows = labelled.rows_of_csv(path, ["file", *ATTRIBUTES])
    return [_picture(row) for row in rows]


def repaired(rows: Sequence[Mapping[str, str | None]]) -> tuple[list[dict[str, str | None]], list[str]]:
    """The rows with their age groups restored, and a line on each kind of repair."""
    counts = Counter(row["age"] for row in rows if row["age"] in DATES)
    mended = [{**row, "age": DATES.get(row["age"] or "", row["age"])} for row in rows]
    said = [f"age {date!r} is {DATES[str(date)]!r}, mended in {count} rows" for date, count in sorted(counts.items())]
    return mended, said


def load(path: Path) -> DataSet:
    """FairFace from its label file, its spreadsheet damage repaired.

    Raises ContractViolated for a label that is neither published nor such damage.
    """
    rows, repairs = repaired(read_labels(path))
    pictures = labelled.checked(rows, ATTRIBUTES, where=path.name)
    return DataSet("fairface", LICENSE, CREATOR, pictures, ATTRIBUTES, repairs=repairs, years={"age": YEARS})


def _picture(row: Mapping[str, str]) -> dict[str, str | None]:
    folder, _, file = row["file"].rpartition("/")
    person = labelled.slug(f"fairface-{folder}-{file.rpartition('.')[0]}")
    return {
        "file": row["file"],
        "identity": person,
        "name": person,
        "part": folder or None,
        **{column: row[column] for column in ATTRIBUTES},
    }
