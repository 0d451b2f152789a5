"""Folder of pictures with labels, in a CSV file or in the names of its folders: `Female/Young_Indian/0001.jpg`.

The second form is that of challenge sets with a folder for each category, such as BEFA's 56 of gender, age and race.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from mtf.core import csv_files
from mtf.core.errors import BadInput, bad_value, listed
from mtf.core.picture_names import is_picture
from mtf.core.slugs import slug
from mtf.datasets import labelled
from mtf.datasets.labelled import DataSet
from mtf.rights.licenses import catalogue

NAME = "labelled-folder"
FILE = "file"
PERSON = "identity"
# Columns of the table that is made of the folder.
RESERVED = frozenset({"name", "part", "face_id", "image_id", "offset", "size_bytes", "person"})
NO_LABEL = "no label in the names of its folders"
NO_PICTURE = "a label whose picture is not there"
_PARTS = re.compile(r"[_\-×, ]+")


def by_folder_names(files: Sequence[str], labels: Mapping[str, Sequence[str]]) -> DataSet:
    """Data set of `files`, whose labels are the names of the folders above them, or parts of these names.

    `labels`: column → the labels that may occur, in any case of letters. A picture may lack the label of a column.

    Raises BadInput if a name can be the label of two columns, if a picture has two labels of one column, or if no
    picture has any.
    """
    columns = _columns_of(labels)
    rows, skipped = [], []
    for file in sorted(filter(is_picture, files)):
        found = _labels_of(file, columns)
        if found:
            rows.append(_row(file, None) | dict.fromkeys(labels) | found)
        else:
            skipped.append((file, NO_LABEL))
    if not rows:
        names = listed((name for values in labels.values() for name in values), 12)
        raise BadInput(
            f"no picture below a folder with a label in its name; permitted: folders named {names}, such as "
            f"Female/Young/1.jpg; or name the labels in a CSV file with --labels"
        )
    return _data_set(rows, labels, skipped)


def from_csv(path: Path, files: Sequence[str]) -> DataSet:
    """Data set of the rows of a CSV file: `file`, optionally `identity`, and a column for each attribute.

    A row without a picture among `files` is left out and reported. Raises BadInput with row and column.
    """
    table = csv_files.read(path)
    columns = [name for name in table.header if name and name not in (FILE, PERSON)]
    if not columns:
        raise BadInput(f"{path.name}: no column of labels beside {FILE}; permitted: {FILE}, and a column per attribute")
    if taken := sorted(set(columns) & RESERVED):
        raise bad_value(f"{path.name}: column", taken[0], f"names other than {', '.join(sorted(RESERVED))}")
    existing, rows, skipped = set(files), [], []
    for row in table.requiring([FILE]):
        file = row.text(FILE).replace("\\", "/")
        if file not in existing:
            skipped.append((file, NO_PICTURE))
            continue
        labels = {column: row.text(column) or None for column in columns}
        rows.append(_row(file, row.text(PERSON) or None) | labels)
    if not rows:
        raise bad_value(
            f"{path.name} column {FILE}", skipped[0][0] if skipped else None, "a picture's path in the folder"
        )
    attributes = {column: sorted({label for row in rows if (label := row[column])}) for column in columns}
    return _data_set(rows, attributes, skipped)


def _row(file: str, person: str | None) -> dict[str, str | None]:
    name = person or file.rpartition(".")[0]
    return {"file": file, "identity": slug(name), "name": name, "part": None}


def _data_set(
    rows: Sequence[Mapping[str, str | None]],
    attributes: Mapping[str, Sequence[str]],
    skipped: Sequence[tuple[str, str]],
) -> DataSet:
    pictures = labelled.unchecked(rows, attributes)
    return DataSet(NAME, catalogue.UNSTATED, "unknown", pictures, attributes, skipped=skipped)


def _columns_of(labels: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, str]]:
    """Label in small letters → its column, and the label as written."""
    found: dict[str, tuple[str, str]] = {}
    for column, values in labels.items():
        for label in values:
            other, _ = found.setdefault(label.casefold(), (column, label))
            if other != column:
                raise BadInput(f"the label {label!r} is one of {other} and of {column}; name the labels in a CSV file")
    return found


def _labels_of(file: str, columns: Mapping[str, tuple[str, str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in _names(file):
        if name not in columns:
            continue
        column, label = columns[name]
        if found.setdefault(column, label) != label:
            raise BadInput(f"{file}: its folders name two labels of {column}: {found[column]} and {label}")
    return found


def _names(file: str) -> Iterator[str]:
    """Names of the folders above a file, whole and in their parts, in small letters."""
    for folder in file.split("/")[:-1]:
        yield folder.casefold()
        yield from _PARTS.split(folder.casefold())
