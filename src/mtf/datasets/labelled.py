"""A published data set once it has been read: pictures, their labels, and the terms they stand under.

Buckets of pictures, the unit of work where a data set names nobody: they stand in the column `identity`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandera.polars as pa
import polars as pl

from mtf import schemas

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


def contract(attributes: Mapping[str, Sequence[str]]) -> schemas.Table:
    """What every data set keeps: unique files, and only its published labels."""
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
    """The pictures as a table that keeps the contract. Raises ContractViolated, naming the first bad labels;
    `row_numbers` are the pictures' rows in the file `where`, as a spreadsheet shows them.
    """
    table = contract(attributes)
    return schemas.check(table, schemas.frame(table, pictures), where=where, row_numbers=row_numbers)


def slug(text: str) -> str:
    """A name as an identity: a-z, 0-9 and single dashes; `person` where nothing is left of it."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii").lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:100].strip("-") or "person"


# Pictures per bucket, and so per shard.
SIZE = 500


def bucket_names(data_set: str) -> pl.Expr:
    """The bucket of each row: `fairface-0`, `fairface-1`, …"""
    return pl.format(f"{data_set}-{{}}", pl.int_range(pl.len()) // SIZE)


def buckets_are_identities(splits: pl.DataFrame) -> bool:
    """Whether the column `identity` of `splits` names people, and not the buckets of the data set that decided."""
    bucket = pl.col("identity").str.strip_prefix(pl.col("decided_by")).str.contains(r"^-\d+$")
    return not splits.select(bucket.fill_null(value=False).all()).item()
