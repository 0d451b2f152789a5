"""Perceptual hashes of the pictures of every version, and the pictures that match a requested hash.

A request by perceptual hash must find copies that only old versions hold. The crawl stores hashes once a takedown
requests one; for older versions, pictures are decoded here, each at most once.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import BinaryIO, NamedTuple

import numpy as np
import polars as pl

from mtf.core.project_paths import PATHS_IN_PROJECT
from mtf.core.shards import DIGEST
from mtf.faces.decoding import Unreadable
from mtf.faces.perceptual_hash import SAME_PICTURE_BITS, picture_hash
from mtf.forget.file_versions import NO_VERSION, FileVersion, finished_name
from mtf.forget.history import History
from mtf.schemas import DetectionOutcome
from mtf.takedown import file_contents
from mtf.takedown.file_contents import Unexaminable

STORED_PIXELS = 178_956_970
"""Pixels up to which a stored picture is decoded, whatever `crawl.max_pixels` is today: it may have been larger then.
Above it, Pillow refuses a picture as a decompression bomb (twice its MAX_IMAGE_PIXELS).
"""
_CRAWL = f"{PATHS_IN_PROJECT.stage('crawl').as_posix()}/"
_RESPONSES = "responses.parquet"
_IMAGE_ID_LENGTH = 64


class _ByteRange(NamedTuple):
    """Position of an image in a shard: `offset` and `size_bytes`, both in bytes."""

    offset: int
    size_bytes: int


@dataclass
class PerceptualMatches:
    """Perceptual hashes of stored pictures.

    - `hashes`: image_id → hash (64 bits);
    - `unread`: shards with pictures that could not be compared, with the reason.
    """

    hashes: dict[str, int] = field(default_factory=dict)
    unread: list[tuple[FileVersion, str]] = field(default_factory=list)

    def near(self, wanted: Collection[int]) -> set[str]:
        """Images that differ from one of the hashes `wanted` in at most SAME_PICTURE_BITS bits, as in the crawl."""
        values = np.fromiter(self.hashes.values(), np.uint64, len(self.hashes))
        is_near = np.zeros(len(values), dtype=bool)
        for each in wanted:
            is_near |= np.bitwise_count(values ^ np.uint64(each)) <= SAME_PICTURE_BITS
        return {image_id for image_id, near in zip(self.hashes, is_near, strict=True) if near}


def of_every_version(
    history: History, *, max_pixels: int, among: Collection[str] | None = None, identities: Collection[str] = ()
) -> PerceptualMatches:
    """Hashes of all images that any crawl stored, or only of those in `among`, first in the shards of `identities`.

    A picture that cannot be decoded gets no hash. One with more pixels than both `max_pixels` and STORED_PIXELS is in
    `unread`.
    """
    matches = PerceptualMatches()
    unhashed: dict[str, tuple[FileVersion, _ByteRange]] = {}
    missing = None if among is None else set(among)
    for version in _crawl_shards(history, identities):
        if missing is not None and not missing:
            break
        try:
            pictures, stored_hashes = _listed(version, history)
        except Exception as error:  # each file system raises its own
            matches.unread.append((version, f"{type(error).__name__}: {error}"))
            continue
        wanted = pictures.keys() if missing is None else pictures.keys() & missing
        matches.hashes |= {image_id: stored_hashes[image_id] for image_id in wanted & stored_hashes.keys()}
        unhashed |= {image_id: (version, pictures[image_id]) for image_id in wanted - unhashed.keys()}
        if missing is not None:
            missing -= wanted
    _decode(unhashed, matches, history, max_pixels=max_pixels)
    return matches


def _crawl_shards(history: History, first: Collection[str]) -> Iterator[FileVersion]:
    """Shards of `crawl`, each content once: those with such a name, and unnamed objects that may be one.

    Those of the identities `first` come first.
    """
    seen = set()
    unnamed = (FileVersion(f"({oid[:8]})", oid, [NO_VERSION]) for oid in history.unnamed)
    paths = {f"{_CRAWL}shards/{identity}.tar" for identity in first}
    before = [version for version in history.versions if version.path in paths]
    for version in (*before, *history.versions, *unnamed):
        if version.oid not in seen and _may_be_of_crawl(version) and history.index.has(version.oid):
            seen.add(version.oid)
            yield version


def _may_be_of_crawl(version: FileVersion) -> bool:
    if not version.is_unversioned and not version.path.startswith(_CRAWL):
        return False
    name = finished_name(version.name)
    if len(name.parts) == 1:
        return version.is_unversioned
    return name.parent.name == "shards" and (version.is_unversioned or version.path.startswith(_CRAWL))


def _listed(version: FileVersion, history: History) -> tuple[dict[str, _ByteRange], dict[str, int]]:
    """Pictures of a shard, and the hashes stored in it; of an unfinished shard, those that are there.

    Raises Unexaminable for a file that has the name of a shard and is no tar.
    """
    with history.index.open(version.oid) as file:
        if file is None:
            return {}, {}
        members = _members(file, is_named=len(version.name.parts) > 1)
        stored_hashes = _hashes(file, members.get(_RESPONSES))
    pictures = {stem: member for name, member in members.items() if (stem := _image_id(name)) is not None}
    return pictures, stored_hashes


def _members(file: BinaryIO, *, is_named: bool) -> dict[str, _ByteRange]:
    found: dict[str, _ByteRange] = {}
    if not file.read(1):
        return found
    file.seek(0)
    try:
        with tarfile.open(fileobj=file, mode="r:") as tar:
            for member in file_contents.members(tar):
                if not found and member.name != DIGEST:
                    return {}  # a tar that people made: its names are no image_ids
                found[member.name] = _ByteRange(member.offset_data, member.size)
    except (tarfile.TarError, EOFError) as error:
        if not found and is_named:
            raise Unexaminable(f"not readable as a tar: {error}") from error
    return found


def _hashes(file: BinaryIO, responses: _ByteRange | None) -> dict[str, int]:
    if responses is None:
        return {}
    rows = pl.read_parquet(io.BytesIO(_bytes(file, responses)))
    if "content_hash" not in rows.columns:
        return {}
    return dict(rows.drop_nulls("content_hash").select("image_id", "content_hash").iter_rows())


def _image_id(name: str) -> str | None:
    """image_id in a member's name; None for other members, such as the page of a picture."""
    stem, _, extension = PurePosixPath(name).name.partition(".")
    return stem if len(stem) == _IMAGE_ID_LENGTH and not extension.startswith("page.") else None


def _bytes(file: BinaryIO, member: _ByteRange) -> bytes:
    file.seek(member.offset)
    return file.read(member.size_bytes)


def _decode(
    pictures: dict[str, tuple[FileVersion, _ByteRange]],
    matches: PerceptualMatches,
    history: History,
    *,
    max_pixels: int,
) -> None:
    """Compute the hashes that no shard has, shard by shard, and add them to `matches`."""
    by_shard: dict[str, list[str]] = {}
    for image_id, (version, _) in pictures.items():
        if image_id not in matches.hashes:
            by_shard.setdefault(version.oid, []).append(image_id)
    for oid, image_ids in by_shard.items():
        version = pictures[image_ids[0]][0]
        try:
            with history.index.open(oid) as file:
                for image_id in image_ids:
                    data = b"" if file is None else _bytes(file, pictures[image_id][1])
                    _add_hash(image_id, data, version, matches, max_pixels)
        except Exception as error:  # as in `of_every_version`
            matches.unread.append((version, f"{type(error).__name__}: {error}"))


def _add_hash(image_id: str, data: bytes, version: FileVersion, matches: PerceptualMatches, max_pixels: int) -> None:
    try:
        found = hash_of(data, max_pixels=max_pixels)
    except Unreadable as error:
        matches.unread.append((version, f"{image_id}: {error}"))
        return
    if found is not None:
        matches.hashes[image_id] = found


def hash_of(data: bytes, *, max_pixels: int) -> int | None:
    """Perceptual hash (64 bits) of a stored picture; None if it cannot be decoded.

    Raises Unreadable for a picture with more pixels than both `max_pixels` and STORED_PIXELS.
    """
    try:
        return picture_hash(data, max_pixels=max(max_pixels, STORED_PIXELS))
    except Unreadable as error:
        if error.outcome == DetectionOutcome.TOO_LARGE:
            raise
        return None
