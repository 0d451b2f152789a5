"""Pages that people found of pictures (`data/attribution.csv`), where the search named another page, or none.

A request may name such a page. What a row says is read as further requests, by what the row itself names: an image_id,
the address of a picture, or that of another page.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator

from mtf.addresses import address_key
from mtf.licenses import attribution
from mtf.takedowns import Kind, Takedown, Takedowns

TABLE = "data/attribution.csv"


def with_found_pages(takedowns: Takedowns, found: Iterable[bytes]) -> Takedowns:
    """`takedowns`, and for each page that they name what the tables `found`, of any version, say is on it."""
    pages = {address_key(record.value): record for record in takedowns.records if record.kind == Kind.PAGE}
    added = [_on(page, row) for table in found for row in _rows(table) if (page := _page(row, pages)) is not None]
    return Takedowns((*takedowns.records, *dict.fromkeys(added)))


def _on(page: Takedown, row: dict[str, str]) -> Takedown:
    return Takedown(page.added_at, Kind(row["kind"]), row["value"], page.reason, page.requested_by, page.reference)


def _page(row: dict[str, str], pages: dict[str, Takedown]) -> Takedown | None:
    return pages.get(address_key(row["page_url"])) if row["page_url"] else None


def _rows(table: bytes) -> Iterator[dict[str, str]]:
    """Whatever can be read: a row that somebody mistyped, in whichever version, must not lose a request."""
    lines = csv.DictReader(io.StringIO(table.decode("utf-8-sig", errors="replace"), newline=""))
    try:
        for line in lines:
            row = {name: (line.get(name) or "").strip() for name in ("kind", "value", "page_url")}
            if row["kind"] in tuple(attribution.Kind) and row["value"]:
                yield row
    except csv.Error:
        return
