"""Attribution file, `data/attribution.csv`: authors, titles and pages that people found for pictures.

A license that requires attribution is met only if the author is named. If a picture's source does not name them, a
person can: from the author's own site, or by asking. The file fills gaps of the source and never overrides it.

Columns:

- added_at: YYYY-MM-DD, or with a time in ISO 8601.
- kind: of `value`, one of `AttributionKind`.
- value: an image_id (sha256 of the file), the address of a picture, or that of a page, for all pictures found on it.
- creator, creator_url, title, page_url: at least one of creator, title and page_url is required.
- found_by: the person who found it.
- source: where they found it, as an address or in words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

import polars as pl

from mtf import schemas
from mtf.core import csv_files
from mtf.core.csv_files import Row
from mtf.core.errors import BadInput, bad_value, listed
from mtf.core.project_paths import ProjectPaths
from mtf.core.urls import address_key, among
from mtf.rights.evidence.statement import MAX_TEXT_CHARS, address_of, cleaned

COLUMNS = (
    "added_at", "kind", "value", "creator", "creator_url", "title", "page_url", "found_by", "source",
)  # fmt: skip
FILLED = ("creator", "creator_url", "title", "page_url")
_KEYS = ["identity", "image_id"]
_GIVEN = ("creator", "title", "page_url")


class AttributionKind(StrEnum):
    """Kinds of rows by the type of `value`, the most exact first."""

    IMAGE_ID = "image_id"
    PICTURE = "picture"
    PAGE = "page"


_VALUES = {
    AttributionKind.IMAGE_ID: (schemas.SHA256, "64 hexadecimal digits"),
    AttributionKind.PICTURE: (
        r"^(?:https?://|file:)\S+$",
        "an http(s) address, or file:PATH as in the table of fetches",
    ),
    AttributionKind.PAGE: (r"^https?://\S+$", "an http(s) address"),
}
_COLUMN_OF = {AttributionKind.IMAGE_ID: "image_id", AttributionKind.PICTURE: "url", AttributionKind.PAGE: "page_url"}


@dataclass(frozen=True)
class FoundAttribution:
    """One row of the file.

    row: its number in a spreadsheet.
    creator, creator_url, title, page_url: None if the cell is empty.
    """

    row: int
    added_at: str
    kind: AttributionKind
    value: str
    creator: str | None
    creator_url: str | None
    title: str | None
    page_url: str | None
    found_by: str
    source: str

    @property
    def key(self) -> str:
        return self.value if self.kind == AttributionKind.IMAGE_ID else address_key(self.value)


def evidence(workspace: ProjectPaths) -> pl.DataFrame:
    """Evidence of the crawl (`schemas.EVIDENCE`), with gaps filled. Raises BadInput and ContractViolated."""
    table = schemas.read(schemas.EVIDENCE, workspace.table("crawl", "evidence"))
    return supplemented(table.lazy(), load(workspace.attribution)).collect()


def supplemented(evidence: pl.LazyFrame, rows_of_file: Iterable[FoundAttribution]) -> pl.LazyFrame:
    """Evidence in its order, with missing creators, titles and pages filled from rows of the attribution file.

    `evidence` needs identity, image_id, url, page_url, creator and title of `schemas.EVIDENCE`. A column creator_url is
    filled together with the creator. A row that names the file precedes one that names an address.
    """
    rows = list(rows_of_file)
    if not rows:
        return evidence
    filled = [name for name in FILLED if name in evidence.collect_schema()]
    lacking = evidence.filter(pl.any_horizontal(pl.col(name).is_null() for name in _GIVEN))
    named = pl.concat([_named(lacking, [row for row in rows if row.kind == kind], kind) for kind in AttributionKind])
    fills = named.group_by(_KEYS, maintain_order=True).agg(
        pl.col(f"found_{name}").drop_nulls().first() for name in FILLED
    )
    # An author's address goes with the author's name.
    address = pl.when(pl.col("creator").is_null()).then("found_creator_url").otherwise("creator_url")
    columns = {name: pl.coalesce(name, f"found_{name}") for name in filled} | (
        {"creator_url": address} if "creator_url" in filled else {}
    )
    joined = evidence.join(fills, on=_KEYS, how="left", maintain_order="left")
    return joined.with_columns(**columns).drop(f"found_{name}" for name in FILLED)


def _named(lacking: pl.LazyFrame, rows: list[FoundAttribution], kind: AttributionKind) -> pl.LazyFrame:
    """Pictures that rows of one kind name, with the rows' values."""
    values = [{"key": row.key, **{f"found_{name}": getattr(row, name) for name in FILLED}} for row in rows]
    schema = dict.fromkeys(("key", *(f"found_{name}" for name in FILLED)), pl.String)
    column, keys = _COLUMN_OF[kind], {row.key for row in rows}
    is_id = kind == AttributionKind.IMAGE_ID
    keyed = (
        lacking.filter(pl.col(column).is_in(keys)).with_columns(key=column) if is_id else among(lacking, column, keys)
    )
    pictures = keyed.select(*_KEYS, "key")
    return pictures.join(pl.LazyFrame(values, schema=schema), on="key", maintain_order="left").drop("key")


def load(path: Path) -> tuple[FoundAttribution, ...]:
    """Read the rows of the file at `path`; none if it does not exist.

    Raises BadInput with file, row, column, value and what is permitted.
    """
    if not path.is_file():
        return ()
    return tuple(_entries(csv_files.read(path).requiring_exactly(COLUMNS)))


def _entries(rows: Iterable[Row]) -> Iterator[FoundAttribution]:
    first: dict[tuple[AttributionKind, str], int] = {}
    for row in rows:
        entry = _entry(row)
        earlier = first.setdefault((entry.kind, entry.key), row.number)
        if earlier != row.number:
            raise BadInput(f"{row.where}: row {earlier} names the same {entry.kind}; remove one of the two")
        yield entry


def _entry(row: Row) -> FoundAttribution:
    given = {column: row.text(column) for column in COLUMNS}
    if given["kind"] not in tuple(AttributionKind):
        raise bad_value(row.column("kind"), given["kind"], listed(AttributionKind))
    kind = AttributionKind(given["kind"])
    pattern, permitted = _VALUES[kind]
    _check(row, "value", lambda text: re.fullmatch(pattern, text) is not None, f"for kind {kind}: {permitted}")
    _check(row, "added_at", _is_time, "a date or time in ISO 8601")
    for column in ("found_by", "source"):
        _check(row, column, bool, f"who found it and where: {column} is never empty")
    for column in ("creator_url", "page_url"):
        _check(row, column, lambda text: not text or address_of(text) is not None, "an http(s) address or nothing")
    for column in ("creator", "title"):
        _check(row, column, _is_one_line, f"one line of at most {MAX_TEXT_CHARS} characters")
    if not any(given[column] for column in _GIVEN):
        raise BadInput(f"{row.where}: no value is given; give at least one of {listed(_GIVEN)}")
    filled = {column: given[column] or None for column in FILLED}
    return FoundAttribution(
        row=row.number,
        added_at=given["added_at"],
        kind=kind,
        value=given["value"],
        **filled,
        found_by=given["found_by"],
        source=given["source"],
    )


def _check(row: Row, column: str, holds: Callable[[str], bool], permitted: str) -> None:
    if not holds(row.text(column)):
        raise bad_value(row.column(column), row.text(column), permitted)


def _is_one_line(text: str) -> bool:
    """True if a text is short enough and has no control characters: it is copied into credits unchanged."""
    return not text or cleaned(text) == " ".join(text.split()) == text


def _is_time(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True
