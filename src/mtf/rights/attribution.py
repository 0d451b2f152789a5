"""`data/attribution.csv`: authors, titles and pages that people found where a picture's source does not state them.

A license that asks for attribution is kept only where the author is named. What is found elsewhere, on the author's own
site or by asking them, is recorded here, with who found it, when, and where. It fills what the source leaves out and
never replaces what the source states.

Columns: added_at (YYYY-MM-DD, or with a time in ISO 8601), kind, value, creator, creator_url, title, page_url,
found_by, source. `kind` says what `value` is: an image_id (sha256 of the file), the address of a picture, or that of a
page, with all pictures found on it. At least one of creator, title and page_url is given; `source` is where it was
found, as an address or in words.
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
    """What a row names, the most exact first."""

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
    """One row. Of `FILLED`, None is what was not found; `row` is its number, as a spreadsheet shows it."""

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
    """`tables.EVIDENCE` of the crawl, with what people found. Raises as `tables.read` and `load` do."""
    known = schemas.read(schemas.EVIDENCE, workspace.table("crawl", "evidence"))
    return supplemented(known.lazy(), load(workspace.attribution)).collect()


def supplemented(evidence: pl.LazyFrame, found: Iterable[FoundAttribution]) -> pl.LazyFrame:
    """`evidence` with creator, title and page filled where the source states none, in its order.

    Needs identity, image_id, url, page_url, creator and title of tables.EVIDENCE; creator_url is filled where it is
    there, together with the creator that it leads to. A row that names the file goes before one that names an address.
    """
    rows = list(found)
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
    """The pictures that rows of one kind name, with what these say."""
    said = [{"key": row.key, **{f"found_{name}": getattr(row, name) for name in FILLED}} for row in rows]
    schema = dict.fromkeys(("key", *(f"found_{name}" for name in FILLED)), pl.String)
    column, keys = _COLUMN_OF[kind], {row.key for row in rows}
    is_id = kind == AttributionKind.IMAGE_ID
    keyed = (
        lacking.filter(pl.col(column).is_in(keys)).with_columns(key=column) if is_id else among(lacking, column, keys)
    )
    found = keyed.select(*_KEYS, "key")
    return found.join(pl.LazyFrame(said, schema=schema), on="key", maintain_order="left").drop("key")


def load(path: Path) -> tuple[FoundAttribution, ...]:
    """The rows of the table at `path`; none where the file does not exist.

    Raises BadInput: file, row, column, the bad value and what is permitted.
    """
    if not path.is_file():
        return ()
    return tuple(_found(csv_files.read(path).requiring_exactly(COLUMNS)))


def _found(rows: Iterable[Row]) -> Iterator[FoundAttribution]:
    first: dict[tuple[AttributionKind, str], int] = {}
    for row in rows:
        found = _of_row(row)
        known = first.setdefault((found.kind, found.key), row.number)
        if known != row.number:
            raise BadInput(f"{row.where}: row {known} names the same {found.kind}; one of them has to go")
        yield found


def _of_row(row: Row) -> FoundAttribution:
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
        raise BadInput(f"{row.where}: nothing is said; give at least one of {listed(_GIVEN)}")
    said = {column: given[column] or None for column in FILLED}
    return FoundAttribution(
        row.number, given["added_at"], kind, given["value"], **said, found_by=given["found_by"], source=given["source"]
    )


def _check(row: Row, column: str, holds: Callable[[str], bool], permitted: str) -> None:
    if not holds(row.text(column)):
        raise bad_value(row.column(column), row.text(column), permitted)


def _is_one_line(text: str) -> bool:
    """Without control characters too: it goes into credits as it stands."""
    return not text or cleaned(text) == " ".join(text.split()) == text


def _is_time(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True
