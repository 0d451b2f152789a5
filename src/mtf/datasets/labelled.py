"""Labelled data set: pictures, labels, license and creator of a published data set after reading.

A data set without identities is processed in buckets of pictures, whose names are in the column `identity`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandera.polars as pa
import polars as pl

from mtf import schemas

OUTSIDE_GROUPS = "an age outside all groups"


@dataclass(frozen=True)
class DataSet:
    """Published data set as read.

    name: short name.
    license: SPDX identifier or LicenseRef-….
    creator: creator for credits.
    pictures: one row per picture: file, identity, name, part (of the published division, or null), and one column per
        attribute.
    attributes: column → permitted labels.
    repairs: one line of text per kind of repair.
    skipped: (file, reason) of each file left out.
    years: column → label → first and last age, for age groups.
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
        """True if every identity has a single picture, as in a data set without identities."""
        return self.pictures["identity"].is_unique().all()

    def summary(self) -> list[str]:
        """Summary of the import for the user, one line of text each."""
        lines = [f"{self.name}: {self.pictures.height} pictures, {self.license} ({self.creator})", *self.repairs]
        reasons = sorted({why for _, why in self.skipped})
        return lines + [f"left out, {why}: {sum(each == why for _, each in self.skipped)}" for why in reasons]


def contract(attributes: Mapping[str, Sequence[str]]) -> schemas.Table:
    """Contract of every data set: unique files, and published labels only."""
    columns = {
        "file": pa.Column(pl.String, unique=True),
        "identity": pa.Column(pl.String, pa.Check.str_matches(schemas.SLUG)),
        "name": pa.Column(pl.String, pa.Check.str_length(min_value=1)),
        "part": pa.Column(pl.String, nullable=True),
        **{column: pa.Column(pl.String, pa.Check.isin(list(labels))) for column, labels in attributes.items()},
    }
    return schemas.Table("labelled", pa.DataFrameSchema(columns, strict=True, name="labelled"))


def checked(
    pictures: Sequence[Mapping[str, Any]],
    attributes: Mapping[str, Sequence[str]],
    *,
    where: str,
    row_numbers: Sequence[int] | None = None,
) -> pl.DataFrame:
    """Pictures as a table that meets the contract; raises ContractViolated with the first bad labels.

    `row_numbers` are the pictures' rows in the file `where`, as in a spreadsheet.
    """
    table = contract(attributes)
    return schemas.check(table, schemas.frame(table, pictures), where=where, row_numbers=row_numbers)


def unchecked(pictures: Sequence[Mapping[str, Any]], attributes: Mapping[str, Sequence[str]]) -> pl.DataFrame:
    """Pictures as a table of the same columns, whose labels may be missing; for sets that nothing is trained on."""
    columns = ["file", "identity", "name", "part", *attributes]
    return pl.DataFrame(pictures, schema=dict.fromkeys(columns, pl.String))


# Pictures per bucket, and so per shard.
SIZE = 500


def bucket_names(data_set: str) -> pl.Expr:
    """Bucket of each row: `fairface-0`, `fairface-1`, …"""
    return pl.format(f"{data_set}-{{}}", pl.int_range(pl.len()) // SIZE)


def identities_are_people(splits: pl.DataFrame) -> bool:
    """True if the column `identity` of `splits` has people, not buckets of the data set in `decided_by`."""
    bucket = pl.col("identity").str.strip_prefix(pl.col("decided_by")).str.contains(r"^-\d+$")
    return not splits.select(bucket.fill_null(value=False).all()).item()
