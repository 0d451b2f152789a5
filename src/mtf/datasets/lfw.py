"""Labeled Faces in the Wild, and other folders with one folder per person: `Name/Name_0001.jpg`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mtf.core.errors import BadInput
from mtf.core.picture_names import is_picture
from mtf.core.slugs import slug
from mtf.datasets import labelled
from mtf.datasets.labelled import DataSet
from mtf.rights.licenses import catalogue

# Pictures from news pages; their publisher states no license for them.
LICENSE = "LicenseRef-LFW"
CREATOR = "Gary B. Huang, Manu Ramesh, Tamara Berg and Erik Learned-Miller"
_LFW = re.compile(r"^(?P<person>[^/]+)/(?P=person)_\d{4}\.jpg$")
NO_PICTURE = "a name with no ending of a picture that is read"


def load(files: Sequence[str]) -> DataSet:
    """LFW from its file names; a folder above those of the people (`lfw/`) is ignored, other files are reported."""
    pictures = [file for file in files if is_picture(file)]
    fitting = {file for file in pictures if _LFW.match("/".join(file.split("/")[-2:]))}
    skipped = [(file, "a name that is not Name/Name_0001.jpg") for file in pictures if file not in fitting]
    return _by_person("lfw", LICENSE, CREATOR, sorted(fitting), skipped)


def load_folder(files: Sequence[str], *, license_id: str | None, creator: str) -> DataSet:
    """Data set from a plain folder: each picture belongs to the person its folder is named after; pictures outside are
    skipped.
    """
    pictures = [file for file in files if is_picture(file)]
    skipped = [(file, NO_PICTURE) for file in files if "/" in file and not is_picture(file)]
    skipped += [(file, "no folder that names a person") for file in pictures if "/" not in file]
    return _by_person("folder", license_id or catalogue.UNSTATED, creator, [f for f in pictures if "/" in f], skipped)


def _by_person(
    name: str, license_id: str, creator: str, files: Sequence[str], skipped: Sequence[tuple[str, str]]
) -> DataSet:
    if not files:
        raise BadInput(f"{name}: no picture in a folder named after a person; permitted: Name/picture.jpg")
    people: dict[str, str] = {}
    rows = []
    for file in sorted(files):
        person = file.split("/")[-2]
        identity = slug(person)
        if people.setdefault(identity, person) != person:
            folders = f"{people[identity]!r} and {person!r}"
            raise BadInput(f"{name}: the folders {folders} both give the identity {identity!r}; rename one of them")
        rows.append({"file": file, "identity": identity, "name": person.replace("_", " "), "part": None})
    return DataSet(name, license_id, creator, labelled.checked(rows, {}, where=name), {}, skipped=skipped)
