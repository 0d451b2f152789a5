"""Writing a request to take something down: what a person names, and all that it turns out to mean.

A request by identity, address or image_id is written down with the content and the looks of every picture that it
means, so that the crawl knows them again under another address, under another person, resized or saved anew.
"""

from __future__ import annotations

import datetime as dt
import fcntl
import os
import re
from collections.abc import Collection, Generator
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path

import polars as pl

from mtf import schemas
from mtf.config import Params
from mtf.core import csv_files, dvc_cli, parallel_map, shards
from mtf.core.errors import BadInput, bad_value, listed
from mtf.core.project_paths import ProjectPaths
from mtf.crawl import takedown_filter
from mtf.faces.perceptual_hash import SAME_PICTURE_BITS
from mtf.schemas import roster_file, takedown_file
from mtf.schemas.takedown_file import RequestKind, Takedown, Takedowns
from mtf.takedown import scope_search, sent_pictures
from mtf.takedown.local_versions import LocalVersions
from mtf.takedown.scope_search import ADDRESSES

Meaning = tuple[RequestKind, str]
_BYTE_RANGES = ["identity", "image_id", "offset", "size_bytes"]


@dataclass(frozen=True)
class Request:
    """Who asks for what to be taken down, and why. `value` is as the person gave it."""

    value: str
    reason: str
    requested_by: str
    reference: str = ""


@dataclass(frozen=True)
class Resolved:
    """The rows that a request amounts to, the request itself first, and how many known pictures it means.

    `is_file`: pictures that only older versions hold are not compared with a file yet; the erasure does that. `broken`
    names versions that could not be read, so that nothing is known of what they had.
    """

    records: list[Takedown]
    pictures: int
    is_file: bool
    broken: tuple[str, ...] = ()


def resolve(request: Request, workspace: ProjectPaths, params: Params) -> Resolved:
    """What a request names, then content and looks of each picture meant, of any version on this machine.

    Raises BadInput where `value` is none of: a picture file, an image_id, an address, an identity of any version.
    """
    versions, path = LocalVersions(workspace), Path(request.value)
    find = _of_file if path.is_file() else _of_words
    named = find(request.value, workspace, versions, params)
    hashes = named.hashes | _hashes_of_images(named.images, workspace, versions, params)
    added_at = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    words = [_one_line(text) for text in (request.reason, request.requested_by, request.reference)]
    meanings = [
        named.meaning,
        *((RequestKind.IMAGE_ID, image_id) for image_id in sorted(named.images)),
        *((RequestKind.PERCEPTUAL_HASH, f"{value:016x}") for value in sorted(hashes)),
    ]
    records = [Takedown(added_at, kind, value, *words) for kind, value in dict.fromkeys(meanings)]
    return Resolved(records, len(named.images), path.is_file(), tuple(versions.broken))


def append(path: Path, records: list[Takedown]) -> list[Takedown]:
    """Add `records` to the file at `path`, in one atomic write; returns those that were not there already.

    Of several at the same time one waits for the other.
    """
    with _alone(path.parent):
        earlier = takedown_file.load(path)
        there = {(record.kind, record.value) for record in earlier.records}
        new = [record for record in records if (record.kind, record.value) not in there]
        csv_files.write(path, [takedown_file.COLUMNS, *(astuple(record) for record in (*earlier.records, *new))])
    return new


def match_counts(requests: Takedowns, workspace: ProjectPaths) -> dict[Meaning, int | None]:
    """How many pictures of the current version each request names; by looks: None before the crawl compared them."""
    pictures = _Current.of(workspace)
    counts: dict[Meaning, int | None] = {}
    crawled = takedown_filter.stored_perceptual_hashes(workspace) if requests.perceptual_hashes else pl.DataFrame()
    for record in requests.records:
        counts[record.kind, record.value] = (
            _alike_count(crawled, record.value)
            if record.kind == RequestKind.PERCEPTUAL_HASH
            else pictures.named(record).height
        )
    return counts


def unrecorded_pages(requests: Takedowns, workspace: ProjectPaths) -> list[str]:
    """Pages in `requests` with pictures of the current version of which the crawl does not know that they are there.

    Adding such a page again writes its pictures down, by which the crawl knows them.
    """
    pictures = _Current.of(workspace)
    written = [record.value for record in requests.records if record.kind == RequestKind.IMAGE_ID]
    pages = (record for record in requests.records if record.kind == RequestKind.PAGE)
    return [
        page.value
        for page in pages
        if {*pictures.named(page)["image_id"]} - {*_rows(pictures.images, page)["image_id"], *written}
    ]


def track(workspace: ProjectPaths) -> None:
    """`dvc add data`: what people decided is versioned as soon as it is written."""
    done = dvc_cli.dvc("--wait-for-lock", "add", "data", root=workspace.root)
    if done.returncode != 0:
        raise BadInput(f"data: dvc add failed: {_one_line(done.stderr)[:400]}")


@dataclass(frozen=True)
class _Current:
    """The current version's pictures (identity, image_id, url, page_url), as the crawl found them and as their sources
    state them, and the pages that people found.
    """

    images: pl.DataFrame
    stated: pl.DataFrame
    found_pages: tuple[bytes, ...]

    @classmethod
    def of(cls, workspace: ProjectPaths) -> _Current:
        images, found = _images(workspace, [*ADDRESSES]), workspace.root / scope_search.TABLE
        path = workspace.table("crawl", "evidence")
        evidence = pl.read_parquet(path, columns=[*ADDRESSES]) if path.is_file() else images.clear()
        return cls(images, evidence, (found.read_bytes(),) if found.is_file() else ())

    def named(self, record: Takedown) -> pl.DataFrame:
        """The images that a request names; a page by whoever says that they are there."""
        if record.kind != RequestKind.PAGE:
            return _rows(self.images, record)
        wanted = scope_search.with_found_pages(Takedowns((record,)), self.found_pages).records
        keys = ["identity", "image_id"]
        named = pl.concat(_rows(table, each).select(keys) for table in (self.images, self.stated) for each in wanted)
        return self.images.join(named, on=keys, how="semi")


@dataclass(frozen=True)
class _Named:
    """What a value is, and the known pictures that it means; `looks` are hashes of its own."""

    meaning: Meaning
    images: frozenset[str]
    hashes: frozenset[int] = frozenset()


def _of_file(value: str, workspace: ProjectPaths, versions: LocalVersions, params: Params) -> _Named:
    """The file's own content, what looks like it, and its hash, by which the crawl will know it again."""
    sent = sent_pictures.identify(Path(value), workspace, versions, params)
    return _Named((RequestKind.IMAGE_ID, sent.image_id), sent.alike | sent.cropped, frozenset({sent.perceptual_hash}))


def _of_words(value: str, workspace: ProjectPaths, versions: LocalVersions, params: Params) -> _Named:
    """An image_id, an address or an identity."""
    if re.fullmatch(schemas.SHA256, value):
        return _with_images(RequestKind.IMAGE_ID, value, versions)
    if re.match(r"https?://", value):
        return _address(value, workspace, versions)
    named = _with_images(RequestKind.IDENTITY, value, versions)
    if named.images or value in roster_file.load(workspace.roster, params)["identity"]:
        return named
    permitted = (
        "an identity of the roster or of an older version that is here (`dvc fetch --all-commits` brings them), "
        "an http(s) address, an image_id (64 hexadecimal digits), a picture file"
    )
    unknown = f"; these versions could not be read: {listed(versions.broken, 4)}" if versions.broken else ""
    raise bad_value("takedown", value, permitted + unknown)


def _with_images(kind: RequestKind, value: str, versions: LocalVersions) -> _Named:
    return _Named((kind, value), frozenset(versions.images(kind, value)))


def _address(value: str, workspace: ProjectPaths, versions: LocalVersions) -> _Named:
    """A page, where any version knows it as one; else the address of a picture, seen or not."""
    path = workspace.table("crawl", "fetches")
    fetches = pl.read_parquet(path, columns=["url", "page_url"]) if path.is_file() else pl.DataFrame()
    for kind in (RequestKind.PAGE, RequestKind.PICTURE):
        named = _with_images(kind, value, versions)
        if named.images or (fetches.width and _rows(fetches, Takedown("", kind, value, "", "", "")).height):
            return named
    return _Named((RequestKind.PICTURE, value), frozenset())


def _hashes_of_images(
    image_ids: Collection[str], workspace: ProjectPaths, versions: LocalVersions, params: Params
) -> set[int]:
    """The hashes of images: of the current version's shards; of the others, as far as they are here."""
    pictures = _images(workspace, _BYTE_RANGES).filter(pl.col("image_id").is_in(list(image_ids)))
    elsewhere = set(image_ids) - {*pictures["image_id"]}
    return {
        *_hashes(pictures, workspace, params),
        *versions.hashes(elsewhere, max_pixels=params.crawl.max_pixels),
    }


def _images(workspace: ProjectPaths, columns: list[str]) -> pl.DataFrame:
    path = workspace.table("crawl", "images")
    return (
        pl.read_parquet(path, columns=columns) if path.is_file() else schemas.frame(schemas.IMAGES, []).select(columns)
    )


def _rows(pictures: pl.DataFrame, record: Takedown) -> pl.DataFrame:
    """The rows that a request names by identity, address or image_id."""
    addresses = {RequestKind.PAGE: "page_url", RequestKind.PICTURE: "url"}
    if record.kind in addresses:
        one = Takedowns((record,))
        return takedown_file.named_by_address(pictures.lazy(), one, record.kind, addresses[record.kind]).collect()
    return pictures.filter(pl.col(str(record.kind)) == record.value)


def _hashes(pictures: pl.DataFrame, workspace: ProjectPaths, params: Params) -> set[int]:
    """The perceptual hashes of pictures of the current version."""
    jobs = [
        (workspace.shard("crawl", str(identity)), rows.select("offset", "size_bytes").rows(), params.crawl.max_pixels)
        for (identity,), rows in pictures.partition_by("identity", as_dict=True).items()
    ]
    for shard, _, _ in jobs:
        if not shard.is_file():
            raise BadInput(f"{workspace.relative(shard)}: not here; `dvc pull` fetches it")
    found = parallel_map.map_items(_hashes_of, jobs, compute=params.compute, title="look at the pictures")
    return {each for some in found for each in some}


def _hashes_of(job: tuple[Path, list[tuple[int, int]], int]) -> list[int]:
    path, ranges, max_pixels = job
    with shards.reader(path) as shard:
        found = (sent_pictures.hash_of(shard.read(*each), max_pixels=max_pixels) for each in ranges)
        return [each for each in found if each is not None]


def _alike_count(crawled: pl.DataFrame, wanted: str) -> int | None:
    if crawled.is_empty():
        return 0
    if crawled["content_hash"].has_nulls():
        return None
    bits = (crawled["content_hash"] ^ int(wanted, 16)).bitwise_count_ones()
    return int((bits <= SAME_PICTURE_BITS).sum())


@contextmanager
def _alone(folder: Path) -> Generator[None]:
    """Whoever else adds a request to the same folder waits."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _one_line(value: object) -> str:
    """A reason with a line break would end the row in spreadsheets that people open this file with."""
    return " ".join(str(value).split())
