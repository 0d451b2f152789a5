"""The AGE, GENDER AND ETHNICITY CSV (EFRS, section 3): 48×48 grey pictures of UTKFace, written out as numbers."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from mtf.datasets import labelled, utkface
from mtf.datasets.labelled import DataSet
from mtf.errors import bad_value

SIDE_PX = 48
# EFRS reads off the pictures what the integers 0 to 4 stand for; UTKFace, whose they are, says it.
ATTRIBUTES = {
    "ethnicity": utkface.RACES,
    "gender": utkface.GENDERS,
    "decade": [f"{first}-{first + 9}" for first in range(0, 120, 10)],
}


def load(path: Path) -> tuple[DataSet, dict[str, bytes]]:
    """The data set and its pictures (file → PNG). Raises BadInput, naming row, column and value."""
    rows, pictures = [], {}
    for number, row in enumerate(labelled.rows_of_csv(path, ["age", "ethnicity", "gender", "img_name", "pixels"]), 2):
        where = f"{path.name} row {number}"
        age, ethnicity, gender = (
            _integer(row[name], most, f"{where} column {name}")
            for name, most in (("age", 119), ("ethnicity", 4), ("gender", 1))
        )
        file = f"{number - 1:06}.png"
        pictures[file] = cv2.imencode(".png", _pixels(row["pixels"], f"{where} column pixels"))[1].tobytes()
        rows.append(
            {
                "file": file,
                "identity": f"age-{number - 1:06}",
                "name": row["img_name"] or file,
                "part": None,
                "ethnicity": utkface.RACES[ethnicity],
                "gender": utkface.GENDERS[gender],
                "decade": ATTRIBUTES["decade"][age // 10],
            }
        )
    table = labelled.checked(rows, ATTRIBUTES, where=path.name)
    return DataSet("age-csv", utkface.LICENSE, utkface.CREATOR, table, ATTRIBUTES), pictures


def _integer(value: str, most: int, where: str) -> int:
    if not value.strip().isascii() or not value.strip().isdigit() or int(value) > most:
        raise bad_value(where, value, f"0 to {most}")
    return int(value)


def _pixels(text: str, where: str) -> np.ndarray:
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
