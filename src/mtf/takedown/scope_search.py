"""Search for the scope of the takedowns in every version of the tables.

A request may also name a page that people found for a picture (`data/attribution.csv`, page_url). Each row with that
page is read as a further request, for the image_id, picture address or page address that the row names.
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
from mtf.takedown import history_tables, perceptual_matches
from mtf.takedown.scope import TakedownScope, is_one_of

IMAGES = PATHS_IN_PROJECT.table("crawl", "images").as_posix()
EVIDENCE = PATHS_IN_PROJECT.table("crawl", "evidence").as_posix()
FACES = PATHS_IN_PROJECT.table("crop", "faces").as_posix()
FETCHES = PATHS_IN_PROJECT.table("crawl", "fetches").as_posix()
SCREENING = PATHS_IN_PROJECT.table("screen", "screening").as_posix()
ATTRIBUTION = PATHS_IN_PROJECT.attribution.as_posix()
SPLITS = PATHS_IN_PROJECT.table("split", "splits").as_posix()
ADDRESSES = ("identity", "image_id", "url", "page_url")


def find(takedowns: Takedowns, history: History, *, max_pixels: int) -> TakedownScope:
    """Scope of the takedowns: images and faces that they name by identity, address, image_id or perceptual hash.

    Searches all versions, and objects without a version. Pictures with more pixels than both `max_pixels` and
    perceptual_matches.STORED_PIXELS are not compared; their shards are in `unread`.
    """
    scope = TakedownScope(whole={record.value for record in takedowns.records if record.kind == RequestKind.IDENTITY})
    scope.affected |= scope.whole
    scope.image_ids |= {record.value for record in takedowns.records if record.kind == RequestKind.IMAGE_ID}
    named = with_found_pages(takedowns, history.texts(ATTRIBUTION))
    for _, pictures in history_tables.tables(history, IMAGES, EVIDENCE, columns=ADDRESSES):
        scope.image_ids |= image_ids_of(named, pictures)
    if takedowns.perceptual_hashes:
        found = perceptual_matches.of_every_version(history, max_pixels=max_pixels)
        scope.image_ids |= found.near(takedowns.perceptual_hashes) | _refused(takedowns, history)
        scope.unread = found.unread
    _follow(scope, history)
    return scope


def _follow(scope: TakedownScope, history: History) -> None:
    """Add the identities, faces and sizes of the erased images to `scope`."""
    for _, images in history_tables.tables(history, IMAGES, columns=("identity", "image_id")):
        scope.affected |= set(images.filter(is_one_of("image_id", scope.image_ids))["identity"])
    for revisions, faces in history_tables.tables(history, FACES, columns=("identity", "image_id", "face_id")):
        found = faces.filter(is_one_of("image_id", scope.image_ids) | is_one_of("identity", scope.whole))
        scope.face_ids |= set(found["face_id"])
        if found.height:
            scope.revisions |= set(revisions)
    scope.sizes = _sizes(scope.image_ids, history)


def _refused(takedowns: Takedowns, history: History) -> set[str]:
    """Images that a crawl refused for a perceptual hash that is still requested; people's own files may have them."""
    found: set[str] = set()
    standing = [f"{each:016x}" for each in takedowns.perceptual_hashes]
    for _, fetches in history_tables.tables(history, FETCHES, columns=("outcome", "detail", "image_id")):
        asked_for = pl.col("detail").cast(pl.String).str.extract(f"^{PERCEPTUAL_HASH_DETAIL}")
        is_refused = (pl.col("outcome") == FetchOutcome.TAKEN_DOWN) & asked_for.is_in(standing)
        found |= set(fetches.filter(is_refused)["image_id"].drop_nulls())
    return found


def image_ids_of(takedowns: Takedowns, images: pl.DataFrame) -> set[str]:
    """Images of the table `images` (columns ADDRESSES) that a takedown names by identity, address or image_id."""
    values = {kind: [each.value for each in takedowns.records if each.kind == kind] for kind in RequestKind}
    is_named = is_one_of("identity", values[RequestKind.IDENTITY]) | is_one_of("image_id", values[RequestKind.IMAGE_ID])
    found = {*images.filter(is_named)["image_id"]}
    for kind, column in ((RequestKind.PICTURE, "url"), (RequestKind.PAGE, "page_url")):
        found |= {*named_by_address(images.lazy(), takedowns, kind, column).collect()["image_id"]}
    return found


def _sizes(image_ids: set[str], history: History) -> set[int] | None:
    """Sizes of the images in bytes; None if one is not known."""
    sizes: dict[str, int] = {}
    for _, images in history_tables.tables(history, IMAGES, columns=("image_id", "size_bytes")):
        sizes |= dict(images.filter(is_one_of("image_id", image_ids)).select("image_id", "size_bytes").iter_rows())
    return set(sizes.values()) if image_ids <= sizes.keys() else None


def with_found_pages(takedowns: Takedowns, found: Iterable[bytes]) -> Takedowns:
    """Takedowns, extended by the pictures that the tables `found` (attribution.csv of any version) place on a page.

    Applies to each page that `takedowns` name.
    """
    pages = {address_key(record.value): record for record in takedowns.records if record.kind == RequestKind.PAGE}
    added = [_from_row(page, row) for table in found for row in _rows(table) if (page := _page(row, pages)) is not None]
    return Takedowns((*takedowns.records, *dict.fromkeys(added)))


def _from_row(page: Takedown, row: Row) -> Takedown:
    """Takedown of what a row of attribution.csv names, as part of the request for `page`."""
    kind, value = RequestKind(row.text("kind")), row.text("value")
    return Takedown(page.added_at, kind, value, page.reason, page.requested_by, page.reference)


def _page(row: Row, pages: dict[str, Takedown]) -> Takedown | None:
    page_url = row.text("page_url")
    return pages.get(address_key(page_url)) if page_url else None


def _rows(table: bytes) -> Iterator[Row]:
    """Readable rows of attribution.csv. Others are skipped: a mistyped row, in any version, must stop no request."""
    for row in csv_files.read_leniently(table):
        if row.text("kind") in tuple(attribution.AttributionKind) and row.text("value"):
            yield row
