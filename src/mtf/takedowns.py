"""`data/takedowns.csv`: what people asked to have taken down. Nothing named here is fetched, kept or released.

Columns: added_at (YYYY-MM-DD, or with a time in ISO 8601), kind, value, reason, requested_by, reference. `value` is,
by kind: an identity's slug; the address of a page, with all pictures found on it; the address of a picture; an
image_id (sha256 of the file); a perceptual hash (16 hexadecimal digits), for pictures that look the same.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from pathlib import Path

import polars as pl

from mtf import tables
from mtf.addresses import address_key, among
from mtf.errors import BadInput, bad_value, listed

COLUMNS = ("added_at", "kind", "value", "reason", "requested_by", "reference")
_CONTENT_HASH = r"^[0-9a-f]{16}$"


class Kind(StrEnum):
    IDENTITY = "identity"
    PAGE = "page"
    PICTURE = "picture"
    IMAGE_ID = "image_id"
    CONTENT_HASH = "content_hash"


_VALUES = {
    Kind.IDENTITY: (tables.SLUG, "an identity's slug"),
    Kind.PAGE: (r"^https?://\S+$", "an http(s) address"),
    Kind.PICTURE: (r"^(?:https?://|file:)\S+$", "an http(s) address, or file:PATH as in the table of fetches"),
    Kind.IMAGE_ID: (tables.SHA256, "64 hexadecimal digits"),
    Kind.CONTENT_HASH: (_CONTENT_HASH, "16 hexadecimal digits"),
}


@dataclass(frozen=True)
class Takedown:
    """One request, one row."""

    added_at: str
    kind: Kind
    value: str
    reason: str
    requested_by: str
    reference: str


@dataclass(frozen=True)
class Takedowns:
    """All requests. The predicates answer with the first request that matches, or None."""

    records: tuple[Takedown, ...] = ()

    def of_identity(self, identity: str) -> Takedown | None:
        return self._by_value[Kind.IDENTITY].get(identity)

    def of_page(self, page_url: str | None) -> Takedown | None:
        return self._of_address(Kind.PAGE, page_url)

    def of_picture(self, url: str) -> Takedown | None:
        return self._of_address(Kind.PICTURE, url)

    def of_image(self, image_id: str | None) -> Takedown | None:
        return self._by_value[Kind.IMAGE_ID].get(image_id or "")

    def of_address(self, *, identity: str, url: str, page_url: str | None) -> Takedown | None:
        """What forbids to fetch `url` at all."""
        return self.of_identity(identity) or self.of_picture(url) or self.of_page(page_url)

    def _of_address(self, kind: Kind, url: str | None) -> Takedown | None:
        requests = self._by_value[kind]
        return requests.get(address_key(url)) if requests and url else None

    @property
    def content_hashes(self) -> frozenset[int]:
        """Perceptual hashes, 64 bits each."""
        return frozenset(int(value, 16) for value in self._by_value[Kind.CONTENT_HASH])

    @cached_property
    def _by_value(self) -> dict[Kind, dict[str, Takedown]]:
        found: dict[Kind, dict[str, Takedown]] = {kind: {} for kind in Kind}
        for record in self.records:
            found[record.kind].setdefault(_key(record.kind, record.value), record)
        return found


def named_by_address(pictures: pl.LazyFrame, takedowns: Takedowns, kind: Kind, column: str) -> pl.LazyFrame:
    """The rows of `pictures` whose address in `column` a request of `kind` (page or picture) names."""
    wanted = {address_key(each.value) for each in takedowns.records if each.kind == kind}
    return among(pictures, column, wanted).drop("key")


def load(path: Path) -> Takedowns:
    """The requests in `path`; none where the file does not exist.

    Raises BadInput: file, row, column, the bad value and what is permitted.
    """
    if not path.is_file():
        return Takedowns()
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            return Takedowns(tuple(_records(csv.reader(lines, strict=True), path.name)))
    except UnicodeDecodeError as error:
        raise BadInput(f"{path.name}: not UTF-8 at byte {error.start}; save it as UTF-8") from None
    except csv.Error as error:
        raise BadInput(f"{path.name}: not readable as CSV: {error}") from None


def _records(rows: Iterable[list[str]], name: str) -> Iterable[Takedown]:
    lines = enumerate(rows, start=1)
    header = next(lines, (1, []))[1]
    if tuple(header) != COLUMNS:
        raise BadInput(f"{name} row 1: the columns are {listed(header)}; permitted: {listed(COLUMNS)}, in this order")
    for number, values in lines:
        if any(values):
            yield _record(values, where=f"{name} row {number}")


def _record(values: list[str], *, where: str) -> Takedown:
    if len(values) != len(COLUMNS):
        raise BadInput(f"{where}: {len(values)} values where the header has {len(COLUMNS)} columns")
    row = dict(zip(COLUMNS, values, strict=True))
    row |= {column: row[column].strip() for column in ("added_at", "kind", "value")}
    if row["kind"] not in tuple(Kind):
        raise bad_value(f"{where} column kind", row["kind"], listed(Kind))
    kind = Kind(row["kind"])
    pattern, permitted = _VALUES[kind]
    if not re.fullmatch(pattern, row["value"]):
        raise bad_value(f"{where} column value", row["value"], f"for kind {kind}: {permitted}")
    try:
        datetime.fromisoformat(row["added_at"])
    except ValueError:
        raise bad_value(f"{where} column added_at", row["added_at"], "a date or time in ISO 8601") from None
    return Takedown(row["added_at"], kind, row["value"], row["reason"], row["requested_by"], row["reference"])


def _key(kind: Kind, value: str) -> str:
    return address_key(value) if kind in (Kind.PAGE, Kind.PICTURE) else value
