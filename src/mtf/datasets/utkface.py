"""UTKFace (Zhang et al. 2017): labels in the file names, `[age]_[gender]_[race]_[date].jpg`, in three parts."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mtf.config import Task
from mtf.core.counts import number
from mtf.core.picture_names import is_picture
from mtf.core.slugs import slug
from mtf.datasets import labelled
from mtf.datasets.labelled import DataSet

# "For non-commercial research purposes only"; the copyright of the pictures stays with their owners.
LICENSE = "LicenseRef-UTKFace"
CREATOR = "Zhifei Zhang, Yang Song and Hairong Qi"
OLDEST = 150
GENDERS = ["Male", "Female"]
RACES = ["White", "Black", "Asian", "Indian", "Others"]
# Das et al., section 4.1.
YEARS = {
    "Baby": (0, 3),
    "Child": (4, 12),
    "Teenager": (13, 19),
    "Young": (20, 30),
    "Adult": (31, 45),
    "Middle": (46, 60),
    "Senior": (61, 150),
}
AGES = Task(column="age", labels=list(YEARS), years=YEARS)
# Some published copies have a blank at the end, or the ending twice.
_ENDINGS = r"(?:\.jpe?g\.chip)?(?:\.jpe?g)+"
_NAME = re.compile(rf"^(\d{{1,3}})_([01])_([0-4])_(\d+){_ENDINGS}$", re.IGNORECASE | re.ASCII)
_NO_RACE = re.compile(rf"^\d{{1,3}}_[01]_+\d{{5,}}{_ENDINGS}$", re.IGNORECASE | re.ASCII)
_USUAL = re.compile(r"[^.\s]*(?:\.jpe?g\.chip)?\.jpe?g", re.IGNORECASE | re.ASCII)
_PART = re.compile(r"part[_ ]?(?P<part>[123]|III|II|I)(?=/|$)", re.IGNORECASE)
_ROMAN = {"I": "1", "II": "2", "III": "3"}


def load(files: Sequence[str], *, ages: Task = AGES) -> DataSet:
    """UTKFace from its file names, relative to its folder; `ages` is the task whose years group the ages.

    Files without a race in their name, or with an age outside all groups, are left out and reported.
    """
    rows, skipped, mended = [], [], 0
    for file in sorted(files):
        name = file.rpartition("/")[2].strip()
        if match := _NAME.match(name):
            age, gender, race = (int(number) for number in match.groups()[:3])
            group = ages.label_of_age(min(age, OLDEST))
            if group is None:
                skipped.append((file, labelled.OUTSIDE_GROUPS))
            else:
                labels = {"race": RACES[race], "gender": GENDERS[gender], ages.column: group}
                rows.append(_picture(file) | labels)
                mended += not _USUAL.fullmatch(file.rpartition("/")[2])
        elif is_picture(name):
            why = "no race in its name" if _NO_RACE.match(name) else "a name that is not AGE_GENDER_RACE_DATE.jpg"
            skipped.append((file, why))
    attributes = {"race": RACES, "gender": GENDERS, ages.column: ages.labels}
    pictures = labelled.checked(rows, attributes, where="UTKFace")
    years = {ages.column: ages.years}
    repairs = [f"{number(mended, 'name')} with a blank around it or a doubled ending: read"] if mended else []
    return DataSet("utkface", LICENSE, CREATOR, pictures, attributes, repairs, skipped, years)


def is_in_the_wild(data_set: DataSet) -> bool:
    """True for the published parts with uncropped pictures; false for the aligned crops, whose names contain `chip`."""
    parts, files = data_set.pictures["part"], data_set.pictures["file"]
    return data_set.name == "utkface" and parts.is_not_null().any() and not files.str.contains(r"(?i)\.chip\.").any()


def _picture(file: str) -> dict[str, str | None]:
    part = _PART.search(file.rpartition("/")[0])
    person = slug(f"utkface-{file.rpartition('.')[0]}")
    number = _ROMAN.get(part["part"].upper(), part["part"]) if part else None
    return {"file": file, "identity": person, "name": person, "part": number}
