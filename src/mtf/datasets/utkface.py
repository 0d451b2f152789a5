"""UTKFace (Zhang et al. 2017): labels in the file names, `[age]_[gender]_[race]_[date].jpg`, in three parts."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mtf.datasets import labelled
from mtf.datasets.labelled import DataSet

# "For non-commercial research purposes only"; the copyright of the pictures stays with their owners.
LICENSE = "LicenseRef-UTKFace-Non-Commercial-Research"
CREATOR = "Zhifei Zhang, Yang Song and Hairong Qi"
GENDERS = ["Male", "Female"]
RACES = ["White", "Black", "Asian", "Indian", "Others"]
# Das et al., section 4.1.
AGES = {
    "Baby": (0, 3),
    "Child": (4, 12),
    "Teenager": (13, 19),
    "Young": (20, 30),
    "Adult": (31, 45),
    "Middle": (46, 60),
    "Senior": (61, 150),
}
ATTRIBUTES = {"race": RACES, "gender": GENDERS, "age": list(AGES)}
_NAME = re.compile(r"^(\d{1,3})_([01])_([0-4])_(\d+)(?:\.jpe?g\.chip)?\.jpe?g$", re.IGNORECASE | re.ASCII)
_NO_RACE = re.compile(r"^\d{1,3}_[01]_+\d{5,}(?:\.jpe?g\.chip)?\.jpe?g$", re.IGNORECASE | re.ASCII)
_PART = re.compile(r"part[_ ]?(?P<part>[123]|III|II|I)(?=/|$)", re.IGNORECASE)
_ROMAN = {"I": "1", "II": "2", "III": "3"}


def load(files: Sequence[str]) -> DataSet:
    """UTKFace from its files' names, relative to its folder. Files that say no race are left out and reported."""
    rows, skipped = [], []
    for file in sorted(files):
        name = file.rpartition("/")[2]
        if match := _NAME.match(name):
            rows.append(_picture(file, *match.groups()[:3]))
        elif name.lower().endswith((".jpg", ".jpeg", ".png")):
            why = "no race in its name" if _NO_RACE.match(name) else "a name that is not AGE_GENDER_RACE_DATE.jpg"
            skipped.append((file, why))
    pictures = labelled.checked(rows, ATTRIBUTES, where="UTKFace")
    return DataSet("utkface", LICENSE, CREATOR, pictures, ATTRIBUTES, skipped=skipped)


def age_group(age: int) -> str:
    return next(group for group, (first, last) in AGES.items() if first <= age <= last)


def _picture(file: str, age: str, gender: str, race: str) -> dict[str, str | None]:
    part = _PART.search(file.rpartition("/")[0])
    person = labelled.slug(f"utkface-{file.rpartition('.')[0]}")
    return {
        "file": file,
        "identity": person,
        "name": person,
        "part": _ROMAN.get(part["part"].upper(), part["part"]) if part else None,
        "race": RACES[int(race)],
        "gender": GENDERS[int(gender)],
        "age": age_group(min(int(age), 150)),
    }
