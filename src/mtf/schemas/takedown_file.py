"""Reader of the takedown file, `data/takedowns.csv`. Nothing that it names is fetched, kept or released.

Columns: added_at (YYYY-MM-DD, or with a time in ISO 8601), kind, value, reason, requested_by, reference. Values by
kind:

- `identity`: a slug.
- `page`: the address of a page, for all pictures found on it.
- `picture`: the address of a picture.
- `image_id`: the sha256 of a file.
- `perceptual_hash`: 16 hexadecimal digits, for all pictures that look the same.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from pathlib import Path

import polars as pl

from mtf import schemas
from mtf.core import csv_files
from mtf.core.csv_files import Row
from mtf.core.errors import bad_value, listed
from mtf.core.renamed import warn_renamed
from mtf.core.urls import address_key, among

COLUMNS = ("added_at", "kind", "value", "reason", "requested_by", "reference")
OLD_PERCEPTUAL_HASH = "content_hash"
_PERCEPTUAL_HASH = r"^[0-9a-f]{16}$"


class RequestKind(StrEnum):
    """Kinds of requests. Files before version 0.2 call a perceptual hash `content_hash`."""

    IDENTITY = "identity"
    PAGE = "page"
    PICTURE = "picture"
    IMAGE_ID = "image_id"
    PERCEPTUAL_HASH = "perceptual_hash"


_VALUES = {
    RequestKind.IDENTITY: (schemas.SLUG, "an identity's slug"),
    RequestKind.PAGE: (r"^https?://\S+$", "an http(s) address"),
    RequestKind.PICTURE: (r"^(?:https?://|file:)\S+$", "an http(s) address, or file:PATH as in the table of fetches"),
    RequestKind.IMAGE_ID: (schemas.SHA256, "64 hexadecimal digits"),
    RequestKind.PERCEPTUAL_HASH: (_PERCEPTUAL_HASH, "16 hexadecimal digits"),
}


@dataclass(frozen=True)
class Takedown:
    """A takedown request: one row of the file."""

    added_at: str
    kind: RequestKind
    value: str
    reason: str
    requested_by: str
    reference: str


@dataclass(frozen=True)
class Takedowns:
    """All takedown requests. The lookups return the first request that matches, or None."""

    records: tuple[Takedown, ...] = ()

    def of_identity(self, identity: str) -> Takedown | None:
        return self._by_value[RequestKind.IDENTITY].get(identity)

    def of_page(self, page_url: str | None) -> Takedown | None:
        return self._of_address(RequestKind.PAGE, page_url)

    def of_picture(self, url: str) -> Takedown | None:
        return self._of_address(RequestKind.PICTURE, url)

    def of_image(self, image_id: str | None) -> Takedown | None:
        return self._by_value[RequestKind.IMAGE_ID].get(image_id or "")

    def of_address(self, *, identity: str, url: str, page_url: str | None) -> Takedown | None:
        """Request that forbids the download of `url`: by identity, picture or page."""
        return self.of_identity(identity) or self.of_picture(url) or self.of_page(page_url)

    def _of_address(self, kind: RequestKind, url: str | None) -> Takedown | None:
        requests = self._by_value[kind]
        return requests.get(address_key(url)) if requests and url else None

    @property
    def perceptual_hashes(self) -> frozenset[int]:
        """Perceptual hashes of all requests of that kind, 64 bits each."""
        return frozenset(int(value, 16) for value in self._by_value[RequestKind.PERCEPTUAL_HASH])

    @cached_property
    def _by_value(self) -> dict[RequestKind, dict[str, Takedown]]:
        requests: dict[RequestKind, dict[str, Takedown]] = {kind: {} for kind in RequestKind}
        for record in self.records:
            requests[record.kind].setdefault(_key(record.kind, record.value), record)
        return requests


PERCEPTUAL_HASH_DETAIL = rf"(?:{RequestKind.PERCEPTUAL_HASH}|{OLD_PERCEPTUAL_HASH}) ([0-9a-f]{{16}}), "
"""Start of the detail of a fetch refused for a perceptual hash; fetches before 0.2 have the old word."""


def named_by_address(pictures: pl.LazyFrame, takedowns: Takedowns, kind: RequestKind, column: str) -> pl.LazyFrame:
    """Rows of `pictures` whose address in `column` is named by a request of `kind` (page or picture)."""
    wanted = {address_key(each.value) for each in takedowns.records if each.kind == kind}
    return among(pictures, column, wanted).drop("key")


def load(path: Path) -> Takedowns:
    """Read the requests in the file at `path`; none if it does not exist.

    Raises BadInput with file, row, column, value and what is permitted.
    """
    if not path.is_file():
        return Takedowns()
    return Takedowns(tuple(map(_record, csv_files.read(path).requiring_exactly(COLUMNS))))


def _record(row: Row) -> Takedown:
    given = {**row.cells, **{column: row.text(column) for column in ("added_at", "kind", "value")}}
    if given["kind"] == OLD_PERCEPTUAL_HASH:
        warn_renamed(f"{row.file}: kind {OLD_PERCEPTUAL_HASH}", RequestKind.PERCEPTUAL_HASH)
        given["kind"] = RequestKind.PERCEPTUAL_HASH
    if given["kind"] not in tuple(RequestKind):
        raise bad_value(row.column("kind"), given["kind"], listed(RequestKind))
    kind = RequestKind(given["kind"])
    pattern, permitted = _VALUES[kind]
    if not re.fullmatch(pattern, given["value"]):
        raise bad_value(row.column("value"), given["value"], f"for kind {kind}: {permitted}")
    try:
        datetime.fromisoformat(given["added_at"])
    except ValueError:
        raise bad_value(row.column("added_at"), given["added_at"], "a date or time in ISO 8601") from None
    return Takedown(given["added_at"], kind, given["value"], given["reason"], given["requested_by"], given["reference"])


def _key(kind: RequestKind, value: str) -> str:
    return address_key(value) if kind in (RequestKind.PAGE, RequestKind.PICTURE) else value
