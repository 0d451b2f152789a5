"""Search for the scope of the takedowns in every version of the tables.

Pages that people found of pictures (`data/attribution.csv`), where the search named another page, or none.

A request may name such a page. What a row says is read as further requests, by what the row itself names: an image_id,
the address of a picture, or that of another page.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import polars as pl

from mtf.core import csv_files
from mtf.core.csv_files import Row
from mtf.core.project_paths import PATHS_IN_PROJECT
from mtf.core.urls import address_key
from mtf.forget.history import History
from mtf.rights import attribution
from mtf.schemas import FetchOutcome
from mtf.schemas.takedown_file import PERCEPTUAL_HASH_DETAIL, RequestKind, Takedown, Takedowns, named_by_address
from mtf.takedown import perceptual_matches
from mtf.takedown.scope import TakedownScope, is_one_of

IMAGES = PATHS_IN_PROJECT.table("crawl", "images").as_posix()
EVIDENCE = PATHS_IN_PROJECT.table("crawl", "evidence").as_posix()
FACES = PATHS_IN_PROJECT.table("crop", "faces").as_posix()
FETCHES = PATHS_IN_PROJECT.table("crawl", "fetches").as_posix()
SCREENING = PATHS_IN_PROJECT.table("screen", "screening").as_posix()
SPLITS = PATHS_IN_PROJECT.table("split", "splits").as_posix()
ADDRESSES = ("identity", "image_id", "url", "page_url")


def find(takedowns: Takedowns, history: History, *, max_pixels: int) -> TakedownScope:
    """The images and faces, of any version or of none, that a takedown names by identity, address, content or looks.

    Pictures of more pixels than both `max_pixels` and looks.STORED_PIXELS are compared with no looks, but `unread`.
    """
    subjects = TakedownScope(
        whole={record.value for record in takedowns.records if record.kind == RequestKind.IDENTITY}
    )
    subjects.affected |= subjects.whole
    subjects.image_ids |= {record.value for record in takedowns.records if record.kind == RequestKind.IMAGE_ID}
    named = with_found_pages(takedowns, history.texts(TABLE))
    for _, pictures in history.tables(IMAGES, EVIDENCE, columns=ADDRESSES):
        subjects.image_ids |= image_ids_of(named, pictures)
    if takedowns.perceptual_hashes:
        found = perceptual_matches.of_every_version(history, max_pixels=max_pixels)
        subjects.image_ids |= found.near(takedowns.perceptual_hashes) | _refused(takedowns, history)
        subjects.unread = found.unread
    _follow(subjects, history)
    return subjects


def _follow(subjects: TakedownScope, history: History) -> None:
    """Whose the images are, which faces are in them, and how large they are."""
    for _, images in history.tables(IMAGES, columns=("identity", "image_id")):
        subjects.affected |= set(images.filter(is_one_of("image_id", subjects.image_ids))["identity"])
    for revisions, faces in history.tables(FACES, columns=("identity", "image_id", "face_id")):
        found = faces.filter(is_one_of("image_id", subjects.image_ids) | is_one_of("identity", subjects.whole))
        subjects.face_ids |= set(found["face_id"])
        if found.height:
            subjects.revisions |= set(revisions)
    subjects.sizes = _sizes(subjects.image_ids, history)


def _refused(takedowns: Takedowns, history: History) -> set[str]:
    """The images that a crawl refused for their looks, where the request stands: they may lie in people's own files."""
    found: set[str] = set()
    standing = [f"{each:016x}" for each in takedowns.perceptual_hashes]
    for _, fetches in history.tables(FETCHES, columns=("outcome", "detail", "image_id")):
        asked_for = pl.col("detail").cast(pl.String).str.extract(f"^{PERCEPTUAL_HASH_DETAIL}")
        is_refused = (pl.col("outcome") == FetchOutcome.TAKEN_DOWN) & asked_for.is_in(standing)
        found |= set(fetches.filter(is_refused)["image_id"].drop_nulls())
    return found


def image_ids_of(takedowns: Takedowns, images: pl.DataFrame) -> set[str]:
    """The images (identity, image_id, url, page_url) that a takedown names by identity, address or image_id."""
    values = {kind: [each.value for each in takedowns.records if each.kind == kind] for kind in RequestKind}
    is_named = is_one_of("identity", values[RequestKind.IDENTITY]) | is_one_of("image_id", values[RequestKind.IMAGE_ID])
    found = {*images.filter(is_named)["image_id"]}
    for kind, column in ((RequestKind.PICTURE, "url"), (RequestKind.PAGE, "page_url")):
        found |= {*named_by_address(images.lazy(), takedowns, kind, column).collect()["image_id"]}
    return found


def _sizes(image_ids: set[str], history: History) -> set[int] | None:
    known: dict[str, int] = {}
    for _, images in history.tables(IMAGES, columns=("image_id", "size_bytes")):
        known |= dict(images.filter(is_one_of("image_id", image_ids)).select("image_id", "size_bytes").iter_rows())
    return set(known.values()) if image_ids <= known.keys() else None


TABLE = PATHS_IN_PROJECT.attribution.as_posix()


def with_found_pages(takedowns: Takedowns, found: Iterable[bytes]) -> Takedowns:
    """`takedowns`, and for each page that they name what the tables `found`, of any version, say is on it."""
    pages = {address_key(record.value): record for record in takedowns.records if record.kind == RequestKind.PAGE}
    added = [_on(page, row) for table in found for row in _rows(table) if (page := _page(row, pages)) is not None]
    return Takedowns((*takedowns.records, *dict.fromkeys(added)))


def _on(page: Takedown, row: Row) -> Takedown:
    kind, value = RequestKind(row.text("kind")), row.text("value")
    return Takedown(page.added_at, kind, value, page.reason, page.requested_by, page.reference)


def _page(row: Row, pages: dict[str, Takedown]) -> Takedown | None:
    page_url = row.text("page_url")
    return pages.get(address_key(page_url)) if page_url else None


def _rows(table: bytes) -> Iterator[Row]:
    """Whatever can be read: a row that somebody mistyped, in whichever version, must not lose a request."""
    for row in csv_files.read_leniently(table):
        if row.text("kind") in tuple(attribution.AttributionKind) and row.text("value"):
            yield row
