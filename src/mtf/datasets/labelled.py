"""A published data set once it has been read: pictures, their labels, and the terms they stand under."""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandera.polars as pa
import polars as pl

from mtf import tables
from mtf.errors import BadInput, listed

MAX_CSV_BYTES = 512 * 2**20
OUTSIDE_GROUPS = "an age that no group holds"


@dataclass(frozen=True)
class DataSet:
    """`pictures`: one row per picture with the columns file, identity, name, part (of a published division, or
    null) and one per attribute. `attributes`: column → permitted labels; `years`: column → label → first and last age,
    for groups of ages. `license` is an SPDX identifier or LicenseRef-…; `repairs` says what was mended, `skipped`
    (file, why) what was left out.
    """

    name: str
    license: str
    creator: str
    pictures: pl.DataFrame
    attributes: Mapping[str, Sequence[str]]
    repairs: Sequence[str] = field(default=())
    skipped: Sequence[tuple[str, str]] = field(default=())
    years: Mapping[str, Mapping[str, tuple[int, int]]] = field(default_factory=dict)

    @property
    def has_one_picture_each(self) -> bool:
        """Whether every identity is a single picture, as where a data set names nobody."""
        return self.pictures["identity"].is_unique().all()

    def told(self) -> list[str]:
        """What a person should know of this import, a line each."""
        lines = [f"{self.name}: {self.pictures.height} pictures, {self.license} ({self.creator})", *self.repairs]
        reasons = sorted({why for _, why in self.skipped})
        return lines + [f"left out, {why}: {sum(each == why for _, each in self.skipped)}" for why in reasons]


def contract(attributes: Mapping[str, Sequence[str]]) -> tables.Table:
    """What every data set keeps: unique files, and only its published labels."""
    columns = {
        "file": pa.Column(pl.String, unique=True),
        "identity": pa.Column(pl.String, pa.Check.str_matches(tables.SLUG)),
        "name": pa.Column(pl.String, pa.Check.str_length(min_value=1)),
        "part": pa.Column(pl.String, nullable=True),
        **{column: pa.Column(pl.String, pa.Check.isin(list(labels))) for column, labels in attributes.items()},
    }
    return tables.Table("labelled", pa.DataFrameSchema(columns, strict=True, name="labelled"))


def checked(
    pictures: Sequence[Mapping[str, Any]], attributes: Mapping[str, Sequence[str]], *, where: str
) -> pl.DataFrame:
    """The pictures as a table that keeps the contract. Raises ContractViolated, naming the first bad labels."""
    table = contract(attributes)
    return tables.check(table, tables.frame(table, pictures), where=where)


def rows_of_csv(path: Path, columns: Sequence[str]) -> Iterator[dict[str, str]]:
    """The rows of a CSV file that has at least `columns`, one after another: pictures as text are large.

    Raises BadInput, naming file and row.
    """
    csv.field_size_limit(2**20)
    number = 1
    try:
        if path.stat().st_size > MAX_CSV_BYTES:
            raise BadInput(f"{path.name}: larger than {MAX_CSV_BYTES} bytes")
        with path.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.DictReader(lines, strict=True)
            if missing := [name for name in columns if name not in (reader.fieldnames or [])]:
                raise BadInput(
                    f"{path.name} row 1: missing column {listed(missing)}; the header has {reader.fieldnames}"
                )
            for number, row in enumerate(reader, 2):
                if None in row or None in row.values():
                    raise BadInput(f"{path.name} row {number}: not as many values as the header has columns")
                yield row
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BadInput(f"{path.name}: not UTF-8, at row {number} or soon after it") from None
    except csv.Error as error:
        raise BadInput(f"{path.name} row {number + 1}: not readable as CSV: {error}") from None


def slug(text: str) -> str:
    """A name as an identity: a-z, 0-9 and single dashes; `person` where nothing is left of it."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii").lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:100].strip("-") or "person"
