"""Takedown requests: resolve the value that a person gives, and record it in `data/takedowns.csv`.

A request by identity, address or image_id is recorded with the image_id and the perceptual hash of every picture that
it names. So the crawl recognises these pictures under another address or person, resized, or saved again.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Collection
from dataclasses import astuple, dataclass
from pathlib import Path

import polars as pl

from mtf import schemas
from mtf.config import Params
from mtf.core import csv_files, dvc_cli, parallel_map, shards
from mtf.core.errors import BadInput, bad_value, listed
from mtf.core.file_lock import folder_lock
from mtf.core.project_paths import ProjectPaths
from mtf.faces.perceptual_hash import SAME_PICTURE_BITS
from mtf.forget.history import History
from mtf.schemas import roster_file, takedown_file
from mtf.schemas.takedown_file import RequestKind, Takedown, Takedowns
from mtf.takedown import scope_search, sent_pictures
from mtf.takedown.local_versions import LocalVersions
from mtf.takedown.scope_search import ADDRESSES

Meaning = tuple[RequestKind, str]
_BYTE_RANGES = ["identity", "image_id", "offset", "size_bytes"]


@dataclass(frozen=True)
class Request:
    """Request to take something down.

    - `value`: an identity, an address, an image_id or the path of a picture file, as the person gave it;
    - `reason`: why, in a few words;
    - `requested_by`: the person who asks;
    - `reference`: where the request is kept (a letter, a ticket).
    """

    value: str
    reason: str
    requested_by: str
    reference: str = ""


@dataclass(frozen=True)
class Resolved:
    """Resolved request.

    - `records`: rows for takedowns.csv, the request itself first;
    - `pictures`: number of pictures on this machine that it names;
    - `images`: their image_ids;
    - `history`: all versions on this machine; None if there is only the workspace;
    - `is_file`: true if `value` is a picture file. It is compared with whole pictures of the current version only; the
      erasure compares it with those of older versions;
    - `unreadable_versions`: versions that could not be searched, with the reason.
    """

    records: list[Takedown]
    pictures: int
    is_file: bool
    images: frozenset[str] = frozenset()
    history: History | None = None
    unreadable_versions: tuple[str, ...] = ()


def resolve(
    request: Request,
    workspace: ProjectPaths,
    params: Params,
    *,
    progress: Callable[[int, int], object] | None = None,
) -> Resolved:
    """Resolve a request: its kind, then image_id and perceptual hash of each picture that it names.

    Searches all versions on this machine; `progress` is called with the number of versions read, and of all. Raises
    BadInput unless `value` is a picture file, an image_id, an address, or an identity of some version.
    """
    versions, path = LocalVersions(workspace, progress), Path(request.value)
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
    return Resolved(
        records, len(named.images), path.is_file(), named.images, versions.history, tuple(versions.unreadable)
    )


def append(path: Path, records: list[Takedown]) -> list[Takedown]:
    """Add `records` to the file at `path` in one atomic write. Returns those that were not in it yet.

    Concurrent calls wait for each other.
    """
    with folder_lock(path.parent):
        earlier = takedown_file.load(path)
        present = {(record.kind, record.value) for record in earlier.records}
        new = [record for record in records if (record.kind, record.value) not in present]
        csv_files.write(path, [takedown_file.COLUMNS, *(astuple(record) for record in (*earlier.records, *new))])
    return new


def match_counts(requests: Takedowns, workspace: ProjectPaths) -> dict[Meaning, int | None]:
    """Number of pictures of the current version that each request names.

    None for a perceptual hash if the crawl has not computed the hashes of all pictures yet.
    """
    from mtf.crawl import takedown_filter  # the crawler's libraries, which `add` does without

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
    """Requested pages with pictures of the current version that the crawl cannot assign to the page.

    Such a page is known only from a source's statement or from attribution.csv. If the page is added again, the
    image_ids of its pictures are recorded, and the crawl excludes them.
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
    """Version the new decisions at once (`dvc add data`). Raises BadInput if DVC fails."""
    done = dvc_cli.dvc("--wait-for-lock", "add", "data", root=workspace.root)
    if done.returncode != 0:
        raise BadInput(f"data: dvc add failed: {_one_line(done.stderr)[:400]}")


@dataclass(frozen=True)
class _Current:
    """Pictures of the current version.

    - `images`: pictures as the crawl found them (columns ADDRESSES);
    - `stated`: the same pictures with the addresses that their sources state;
    - `found_pages`: contents of attribution.csv, at most one.
    """

    images: pl.DataFrame
    stated: pl.DataFrame
    found_pages: tuple[bytes, ...]

    @classmethod
    def of(cls, workspace: ProjectPaths) -> _Current:
        images, found = _images(workspace, [*ADDRESSES]), workspace.root / scope_search.ATTRIBUTION
        path = workspace.table("crawl", "evidence")
        evidence = pl.read_parquet(path, columns=[*ADDRESSES]) if path.is_file() else images.clear()
        return cls(images, evidence, (found.read_bytes(),) if found.is_file() else ())

    def named(self, record: Takedown) -> pl.DataFrame:
        """Rows of `images` that a request names; for a page, also by `stated` and `found_pages`."""
        if record.kind != RequestKind.PAGE:
            return _rows(self.images, record)
        wanted = scope_search.with_found_pages(Takedowns((record,)), self.found_pages).records
        keys = ["identity", "image_id"]
        named = pl.concat(_rows(table, each).select(keys) for table in (self.images, self.stated) for each in wanted)
        return self.images.join(named, on=keys, how="semi")


@dataclass(frozen=True)
class _Named:
    """Pictures that a value names.

    - `meaning`: kind and value of the request;
    - `images`: image_ids of the pictures;
    - `hashes`: perceptual hashes of the value itself, if it is a file.
    """

    meaning: Meaning
    images: frozenset[str]
    hashes: frozenset[int] = frozenset()


def _of_file(value: str, workspace: ProjectPaths, versions: LocalVersions, params: Params) -> _Named:
    """Resolve a picture file: its image_id, the images that match it, and its perceptual hash."""
    sent = sent_pictures.identify(Path(value), workspace, versions, params)
    return _Named((RequestKind.IMAGE_ID, sent.image_id), sent.alike | sent.cropped, frozenset({sent.perceptual_hash}))


def _of_words(value: str, workspace: ProjectPaths, versions: LocalVersions, params: Params) -> _Named:
    """Resolve an image_id, an address or an identity. Raises BadInput for any other value."""
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
    unknown = f"; these versions could not be read: {listed(versions.unreadable, 4)}" if versions.unreadable else ""
    raise bad_value("takedown", value, permitted + unknown)


def _with_images(kind: RequestKind, value: str, versions: LocalVersions) -> _Named:
    return _Named((kind, value), frozenset(versions.images(kind, value)))


def _address(value: str, workspace: ProjectPaths, versions: LocalVersions) -> _Named:
    """Resolve an address: a page if some version has it as a page, else the address of a picture."""
    path = workspace.table("crawl", "fetches")
    fetches = pl.read_parquet(path, columns=["url", "page_url"]) if path.is_file() else pl.DataFrame()
    for kind in (RequestKind.PAGE, RequestKind.PICTURE):
        named = _with_images(kind, value, versions)
        if named.images or (kind == RequestKind.PAGE and versions.is_found_page(value)):
            return named
        if fetches.width and _rows(fetches, Takedown("", kind, value, "", "", "")).height:
            return named
    return _Named((RequestKind.PICTURE, value), frozenset())


def _hashes_of_images(
    image_ids: Collection[str], workspace: ProjectPaths, versions: LocalVersions, params: Params
) -> set[int]:
    """Perceptual hashes of images: from the current shards, else from other versions on this machine."""
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
    """Rows of `pictures` that a request names by identity, address or image_id."""
    addresses = {RequestKind.PAGE: "page_url", RequestKind.PICTURE: "url"}
    if record.kind in addresses:
        one = Takedowns((record,))
        return takedown_file.named_by_address(pictures.lazy(), one, record.kind, addresses[record.kind]).collect()
    return pictures.filter(pl.col(str(record.kind)) == record.value)


def _hashes(pictures: pl.DataFrame, workspace: ProjectPaths, params: Params) -> set[int]:
    """Perceptual hashes of pictures of the current version. Raises BadInput for a missing shard."""
    jobs = [
        (workspace.shard("crawl", str(identity)), rows.select("offset", "size_bytes").rows(), params.crawl.max_pixels)
        for (identity,), rows in pictures.partition_by("identity", as_dict=True).items()
    ]
    for shard, _, _ in jobs:
        if not shard.is_file():
            raise BadInput(f"{workspace.relative(shard)}: file not found; `dvc pull` fetches it")
    found = parallel_map.map_items(_hashes_of, jobs, compute=params.compute, title="hash the pictures")
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


def _one_line(value: object) -> str:
    """Text on one line: spreadsheets show a reason with a line break as two rows."""
    return " ".join(str(value).split())
