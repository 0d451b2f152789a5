"""What the pictures of every version look like: requests by looks have to find copies that only old versions hold.

A crawl keeps hashes where a takedown asked for looks; versions from before that have none, and their pictures are
decoded here. A picture that several versions have is decoded once at most.
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
from mtf.forget.history import NO_VERSION, FileVersion, History, plain_name
from mtf.schemas import DetectionOutcome
from mtf.takedown import file_contents
from mtf.takedown.file_contents import Unexaminable

STORED_PIXELS = 178_956_970
"""What a stored picture may have whatever `crawl.max_pixels` says today: it came in under the bound of its time. Where
Pillow refuses a picture as a decompression bomb (twice its MAX_IMAGE_PIXELS).
"""
_CRAWL = f"{PATHS_IN_PROJECT.stage('crawl').as_posix()}/"
_RESPONSES = "responses.parquet"
_IMAGE_ID_LENGTH = 64


class _ByteRange(NamedTuple):
    """Where an image lies in a shard, in bytes."""

    offset: int
    size_bytes: int


@dataclass
class PerceptualMatches:
    """`hashes` are 64 bits per image_id; `unread` are shards that may hold pictures nobody could look at."""

    hashes: dict[str, int] = field(default_factory=dict)
    unread: list[tuple[FileVersion, str]] = field(default_factory=list)

    def near(self, wanted: Collection[int]) -> set[str]:
        """The images that differ from one of the wanted hashes in at most SAME_PICTURE_BITS, as the crawl has it."""
        values = np.fromiter(self.hashes.values(), np.uint64, len(self.hashes))
        is_near = np.zeros(len(values), dtype=bool)
        for each in wanted:
            is_near |= np.bitwise_count(values ^ np.uint64(each)) <= SAME_PICTURE_BITS
        return {image_id for image_id, near in zip(self.hashes, is_near, strict=True) if near}


def of_every_version(history: History, *, max_pixels: int, among: Collection[str] | None = None) -> PerceptualMatches:
    """The hashes of all images that any crawl stored, or of those `among` them.

    What cannot be decoded looks like nothing. What has more pixels than both `max_pixels` and STORED_PIXELS is unread.
    """
    looks = PerceptualMatches()
    unhashed: dict[str, tuple[FileVersion, _ByteRange]] = {}
    for version in _crawl_shards(history):
        try:
            pictures, known = _listed(version, history)
        except Exception as error:  # each file system raises its own
            looks.unread.append((version, f"{type(error).__name__}: {error}"))
            continue
        wanted = pictures.keys() if among is None else pictures.keys() & set(among)
        looks.hashes |= {image_id: known[image_id] for image_id in wanted & known.keys()}
        unhashed |= {image_id: (version, pictures[image_id]) for image_id in wanted - unhashed.keys()}
    _decode(unhashed, looks, history, max_pixels=max_pixels)
    return looks


def _crawl_shards(history: History) -> Iterator[FileVersion]:
    """Once per content: the shards of `crawl` by their name, and of what has lost its name whatever may be one."""
    seen = set()
    nameless = (FileVersion(f"({oid[:8]})", oid, [NO_VERSION]) for oid in history.nameless)
    for version in (*history.versions, *nameless):
        if version.oid not in seen and _may_be_of_crawl(version) and history.stock.has(version.oid):
            seen.add(version.oid)
            yield version


def _may_be_of_crawl(version: FileVersion) -> bool:
    name = plain_name(version.name)
    if len(name.parts) == 1:
        return version.is_loose
    return name.parent.name == "shards" and (version.is_loose or version.path.startswith(_CRAWL))


def _listed(version: FileVersion, history: History) -> tuple[dict[str, _ByteRange], dict[str, int]]:
    """The pictures of a shard, and the hashes that it has of them; of half a shard, what there is.

    Raises Unexaminable for what is named as a shard and is no tar.
    """
    with history.stock.open(version.oid) as file:
        if file is None:
            return {}, {}
        places = _members(file, is_named=len(version.name.parts) > 1)
        known = _hashes(file, places.get(_RESPONSES))
    pictures = {stem: place for name, place in places.items() if (stem := _image_id(name)) is not None}
    return pictures, known


def _members(file: BinaryIO, *, is_named: bool) -> dict[str, _ByteRange]:
    found: dict[str, _ByteRange] = {}
    if not file.read(1):
        return found
    file.seek(0)
    try:
        with tarfile.open(fileobj=file, mode="r:") as tar:
            for member in file_contents.members(tar):
                if not found and member.name != DIGEST:
                    return {}  # a tar that people made: its names say nothing
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
    """Of a picture's member, and not of the page beside it."""
    stem, _, extension = PurePosixPath(name).name.partition(".")
    return stem if len(stem) == _IMAGE_ID_LENGTH and not extension.startswith("page.") else None


def _bytes(file: BinaryIO, place: _ByteRange) -> bytes:
    file.seek(place.offset)
    return file.read(place.size_bytes)


def _decode(
    pictures: dict[str, tuple[FileVersion, _ByteRange]], looks: PerceptualMatches, history: History, *, max_pixels: int
) -> None:
    """Work out the hashes that no shard has, shard by shard."""
    by_shard: dict[str, list[str]] = {}
    for image_id, (version, _) in pictures.items():
        if image_id not in looks.hashes:
            by_shard.setdefault(version.oid, []).append(image_id)
    for oid, image_ids in by_shard.items():
        version = pictures[image_ids[0]][0]
        try:
            with history.stock.open(oid) as file:
                for image_id in image_ids:
                    data = b"" if file is None else _bytes(file, pictures[image_id][1])
                    _look_at(image_id, data, version, looks, max_pixels)
        except Exception as error:  # as in `of_every_version`
            looks.unread.append((version, f"{type(error).__name__}: {error}"))


def _look_at(image_id: str, data: bytes, version: FileVersion, looks: PerceptualMatches, max_pixels: int) -> None:
    try:
        found = hash_of(data, max_pixels=max_pixels)
    except Unreadable as error:
        looks.unread.append((version, f"{image_id}: {error}"))
        return
    if found is not None:
        looks.hashes[image_id] = found


def hash_of(data: bytes, *, max_pixels: int) -> int | None:
    """The perceptual hash, 64 bits, of a picture that was stored; None for what cannot be decoded.

    Raises Unreadable for one of more pixels than both `max_pixels` and STORED_PIXELS: what it looks like is not known.
    """
    try:
        return picture_hash(data, max_pixels=max(max_pixels, STORED_PIXELS))
    except Unreadable as error:
        if error.outcome == DetectionOutcome.TOO_LARGE:
            raise
        return None
