"""Pictures for the screen, straight from the shards: nothing is unpacked, and no other file can be asked for.

A shard that is written anew while the room is open has other pictures at the places that the room knows. None of them
is shown, and nothing is decided on a person whose shards are not those the room was opened with.

Three pictures belong to a face: its crop; the whole picture with the face marked; and the face beside others of
the same identity that this reviewer accepted, which is what a stranger is told by.
"""

from __future__ import annotations

import os
import re
import tarfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path, PurePath
from typing import Any, BinaryIO, NamedTuple

import cv2
import numpy as np
import polars as pl

from mtf.core.errors import BadInput
from mtf.core.project_paths import ProjectPaths
from mtf.faces import decoding
from mtf.review_app.engine.face_table import ADDRESSED, is_taken_down
from mtf.review_app.engine.review_data import Key, ReviewData
from mtf.schemas import FACE_ID, SLUG, takedown_file

KINDS = {"filepath": "crop", "picture": "picture", "person": "person"}
STAGES = ("crop", "crawl")
HEADER_BYTES = tarfile.BLOCKSIZE
ROOT = "/mtf"
SIDE_PX = 900
TILE_PX = 150
TILES = 12
MARK = (60, 200, 255)
_PATH = re.compile(rf"^{ROOT}/({'|'.join(KINDS.values())})/([a-z0-9_.-]+)/({SLUG[1:-1]})/({FACE_ID[1:-1]})\.jpg$")


class Asked(NamedTuple):
    """One picture of a face, for the data set of one reviewer."""

    kind: str
    dataset: str
    face: Key


def paths(dataset: str) -> list[pl.Expr]:
    """The columns with the paths of a face's three pictures. They are names for `parse`; no file is there."""
    return [
        pl.format(f"{ROOT}/{kind}/{dataset}/{{}}/{{}}.jpg", "identity", "face_id").alias(column)
        for column, kind in KINDS.items()
    ]


def parse(path: str) -> Asked | None:
    """What a path asks for; None where it is none of `paths`."""
    match = _PATH.match(path)
    return Asked(match[1], match[2], Key(match[3], match[4])) if match else None


class Stamp(NamedTuple):
    """What tells a shard from one that took its place."""

    inode: int
    size_bytes: int
    modified_ns: int

    @classmethod
    def of(cls, state: os.stat_result) -> Stamp:
        return cls(state.st_ino, state.st_size, state.st_mtime_ns)


def stamps(workspace: ProjectPaths) -> dict[Path, Stamp]:
    """Of all shards with pictures. To be taken before the tables are read: what is made anew since then is noticed."""
    found: dict[Path, Stamp] = {}
    for path in (path for stage in STAGES for path in workspace.shards(stage).glob("*.tar")):
        with suppress(FileNotFoundError):  # it was erased in between
            found[path] = Stamp.of(path.stat())
    return found


class Place(NamedTuple):
    """Where the tables say that a picture lies; `name` is the member's, without the kind of file."""

    shard: Path
    name: str
    offset: int
    size_bytes: int


class Pictures:
    """Reads the pictures of `material`'s faces. `seen` are the `stamps` from before its tables were read."""

    def __init__(
        self, workspace: ProjectPaths, material: ReviewData, *, seen: Mapping[Path, Stamp], max_pixels: int
    ) -> None:
        self._workspace = workspace
        self._material = material
        self._seen = seen
        self._max_pixels = max_pixels
        self._requests: tuple[Stamp | None, takedown_file.Takedowns] = None, takedown_file.Takedowns()

    def check(self, faces: Sequence[Key]) -> None:
        """Raises BadInput where a face was taken down by now, or may look otherwise than it did on the screen."""
        for face in faces:
            if self._is_taken_down(face):
                person = face.identity
                raise BadInput(f"this picture of {person} was taken down while the room was open; open it again")
            if any(self._is_made_anew(place) for place in (self._crop(face), self._image(face))):
                person = face.identity
                raise BadInput(f"the pictures of {person} were made anew while the room was open; open it again")

    def crop(self, face: Key) -> bytes:
        """JPEG, as cut by the crop stage.

        Raises KeyError where there is no such face or it was taken down, OSError without its shard, or where that was
        made anew.
        """
        self._refuse_taken_down(face)
        return self._read(self._crop(face))

    def picture(self, face: Key) -> bytes:
        """The whole picture, at most SIDE_PX wide and high, with the face's box drawn in. Raises as `crop`."""
        self._refuse_taken_down(face)
        row = self._row(face)
        data = self._read(self._image(face))
        try:
            pixels = decoding.colour(data, decoding.header(data, max_pixels=self._max_pixels))
        except decoding.Unreadable:
            return self.crop(face)
        share = min(SIDE_PX / max(pixels.shape[:2]), 1.0)
        small = cv2.resize(pixels, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
        left, top = round(row["x"] * share), round(row["y"] * share)
        right, bottom = round((row["x"] + row["width"]) * share), round((row["y"] + row["height"]) * share)
        return _jpeg(cv2.rectangle(small, (left, top), (right, bottom), MARK, 2))

    def person(self, face: Key, accepted: Sequence[Key]) -> bytes:
        """The face, large, beside up to TILES of `accepted`. Raises as `crop`."""
        height = TILE_PX * 3
        large = _fitted(_pixels(self.crop(face)), height)
        others = [other for other in accepted if other != face and not self._is_taken_down(other)][:TILES]
        if not others:
            return _jpeg(large)
        tiles = [_fitted(_pixels(self.crop(other)), TILE_PX) for other in others]
        blank = np.full((TILE_PX, TILE_PX, 3), 32, np.uint8)
        columns = [
            np.vstack([*tiles[start : start + 3], *[blank] * (3 - len(tiles[start : start + 3]))])
            for start in range(0, len(tiles), 3)
        ]
        gap = np.full((height, 12, 3), 32, np.uint8)
        return _jpeg(np.hstack([large, gap, *columns]))

    def _is_taken_down(self, face: Key) -> bool:
        """By the requests as they are now: people may be erased while others review."""
        path = self._workspace.takedowns
        stamp = Stamp.of(path.stat()) if path.is_file() else None
        if stamp != self._requests[0]:
            self._requests = stamp, takedown_file.load(path)
        row = self._row(face)
        return is_taken_down(self._requests[1], *(row[name] for name in ADDRESSED))

    def _refuse_taken_down(self, face: Key) -> None:
        if self._is_taken_down(face):
            raise KeyError(face)

    def _row(self, face: Key) -> dict[str, Any]:
        return self._material.faces.row(self._material.row(face), named=True)

    def _crop(self, face: Key) -> Place:
        row = self._row(face)
        return Place(self._workspace.shard("crop", face.identity), face.face_id, row["offset"], row["size_bytes"])

    def _image(self, face: Key) -> Place:
        row = self._row(face)
        shard = self._workspace.shard("crawl", face.identity)
        return Place(shard, row["image_id"], row["image_offset"], row["image_size_bytes"])

    def _is_made_anew(self, place: Place) -> bool:
        try:
            with place.shard.open("rb") as file:
                return not self._is_as_seen(file, place)
        except FileNotFoundError:
            return place.shard in self._seen

    def _read(self, place: Place) -> bytes:
        with place.shard.open("rb") as file:
            if not self._is_as_seen(file, place):
                raise OSError(f"{place.shard}: made anew since the room was opened")
            return os.pread(file.fileno(), place.size_bytes, place.offset)

    def _is_as_seen(self, file: BinaryIO, place: Place) -> bool:
        """Whether this is the shard that was there first, and the one that the tables speak of.

        They may be of an older one: a stage writes its shards first, and its table when all are done.
        """
        if Stamp.of(os.fstat(file.fileno())) != self._seen.get(place.shard):
            return False
        head = os.pread(file.fileno(), HEADER_BYTES, place.offset - HEADER_BYTES)
        try:
            member = tarfile.TarInfo.frombuf(head, "utf-8", "strict")
        except tarfile.TarError:
            return False
        return PurePath(member.name).stem == place.name and member.size == place.size_bytes


def _pixels(jpeg: bytes) -> np.ndarray:
    pixels = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    if pixels is None:
        raise OSError("a crop of the shard is not readable as a picture")
    return pixels


def _fitted(pixels: np.ndarray, side_px: int) -> np.ndarray:
    """In the middle of a dark square."""
    height, width = pixels.shape[:2]
    share = side_px / max(height, width)
    size = (max(round(width * share), 1), max(round(height * share), 1))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA if share < 1 else cv2.INTER_LINEAR)
    square = np.full((side_px, side_px, 3), 32, np.uint8)
    top, left = (side_px - size[1]) // 2, (side_px - size[0]) // 2
    square[top : top + size[1], left : left + size[0]] = small
    return square


def _jpeg(pixels: np.ndarray) -> bytes:
    return cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 88])[1].tobytes()
