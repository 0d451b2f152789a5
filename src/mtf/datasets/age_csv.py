"""AGE, GENDER AND ETHNICITY CSV (EFRS, section 3): 48×48 grey pictures of UTKFace, written as numbers."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np

from mtf.config import Task
from mtf.core import csv_files
from mtf.core.csv_files import Row
from mtf.core.errors import bad_value
from mtf.datasets import labelled, utkface
from mtf.datasets.labelled import DataSet

SIDE_PX = 48
OLDEST = 119
# EFRS, section 5.2: "I bin the different ages into decades".
YEARS = {f"{first}-{first + 9}": (first, first + 9) for first in range(0, OLDEST, 10)}
COLUMNS = ("age", "ethnicity", "gender", "img_name", "pixels")
DECADES = Task(column="decade", labels=list(YEARS), years=YEARS)


def load(path: Path, *, ages: Task = DECADES) -> tuple[DataSet, dict[str, bytes]]:
    """Data set and its pictures (file → PNG).

    `ages` is the task whose years group the ages; a row with an age outside all groups is left out and reported. The
    integers 0 to 4 of `ethnicity` are read as UTKFace defines them; EFRS guesses them from the pictures.

    Raises BadInput with row, column and value.
    """
    rows, numbers, pictures, skipped = [], [], {}, []
    for row in csv_files.read(path).requiring(COLUMNS):
        name = f"{row.number - 1:06}"
        file = f"{name}.png"
        age, ethnicity, gender = (
            _integer(row, column, greatest) for column, greatest in (("age", OLDEST), ("ethnicity", 4), ("gender", 1))
        )
        pixels = _pixels(row)
        group = ages.label_of_age(age)
        if group is None:
            skipped.append((file, labelled.OUTSIDE_GROUPS))
            continue
        pictures[file] = cv2.imencode(".png", pixels)[1].tobytes()
        labels = {"ethnicity": utkface.RACES[ethnicity], "gender": utkface.GENDERS[gender], ages.column: group}
        named = {"identity": f"age-{name}", "name": row.cells["img_name"] or file, "part": None}
        rows.append({"file": file, **named, **labels})
        numbers.append(row.number)
    attributes = {"ethnicity": utkface.RACES, "gender": utkface.GENDERS, ages.column: ages.labels}
    table = labelled.checked(rows, attributes, where=path.name, row_numbers=numbers)
    years = {ages.column: ages.years}
    found = DataSet("age-csv", utkface.LICENSE, utkface.CREATOR, table, attributes, skipped=skipped, years=years)
    return found, pictures


def _integer(row: Row, column: str, greatest: int) -> int:
    value = row.text(column)
    if not re.fullmatch("[0-9]{1,9}", value) or int(value) > greatest:
        raise bad_value(row.column(column), row.cells[column], f"0 to {greatest}")
    return int(value)


def _pixels(row: Row) -> np.ndarray:
    """Grey levels of a cell as a picture: (SIDE_PX, SIDE_PX), 0 to 255."""
    text, where = row.cells["pixels"], row.column("pixels")
    values = text.split()
    permitted = f"{SIDE_PX * SIDE_PX} grey levels from 0 to 255"
    if len(values) != SIDE_PX * SIDE_PX:
        raise bad_value(where, f"{len(values)} values", permitted)
    try:
        levels = np.array(values, dtype=np.int64)
    except ValueError:
        raise bad_value(where, text[:40], permitted) from None
    if levels.min() < 0 or levels.max() > 255:
        raise bad_value(where, int(levels.max() if levels.max() > 255 else levels.min()), permitted)
    return levels.astype(np.uint8).reshape(SIDE_PX, SIDE_PX)
