"""Pages that people found of pictures (`data/attribution.csv`), where the search named another page, or none.

A request may name such a page. What a row says is read as further requests, by what the row itself names: an image_id,
the address of a picture, or that of another page.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mtf import csv_files
from mtf.addresses import address_key
from mtf.csv_files import Row
from mtf.licenses import attribution
from mtf.takedowns import Kind, Takedown, Takedowns
from mtf.workspace import PATHS_IN_PROJECT

TABLE = PATHS_IN_PROJECT.attribution.as_posix()


def with_found_pages(takedowns: Takedowns, found: Iterable[bytes]) -> Takedowns:
    """`takedowns`, and for each page that they name what the tables `found`, of any version, say is on it."""
    pages = {address_key(record.value): record for record in takedowns.records if record.kind == Kind.PAGE}
    added = [_on(page, row) for table in found for row in _rows(table) if (page := _page(row, pages)) is not None]
    return Takedowns((*takedowns.records, *dict.fromkeys(added)))


def _on(page: Takedown, row: Row) -> Takedown:
    kind, value = Kind(row.text("kind")), row.text("value")
    return Takedown(page.added_at, kind, value, page.reason, page.requested_by, page.reference)


def _page(row: Row, pages: dict[str, Takedown]) -> Takedown | None:
    page_url = row.text("page_url")
    return pages.get(address_key(page_url)) if page_url else None


def _rows(table: bytes) -> Iterator[Row]:
    """Whatever can be read: a row that somebody mistyped, in whichever version, must not lose a request."""
    for row in csv_files.read_leniently(table):
        if row.text("kind") in tuple(attribution.Kind) and row.text("value"):
            yield row
