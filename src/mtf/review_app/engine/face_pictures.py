"""Pictures of a face for the screen, read straight from the shards: its crop, the whole image, and a comparison sheet.

The comparison sheet shows the face beside other faces of its identity that this reviewer accepted; it helps to
recognise a stranger. Only paths of these three kinds are answered, so no other file of the machine can be read.

A shard that a stage rewrites while the review app is open no longer matches the tables that were read. None of its
pictures is shown, and no decision on its identity is accepted.
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
from mtf.review_app.engine import gold_pictures
from mtf.review_app.engine.face_key import Key
from mtf.review_app.engine.face_table import ADDRESSED, is_taken_down
from mtf.review_app.engine.gold_questions import GoldQuestion
from mtf.review_app.engine.review_data import ReviewData
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


class PictureRequest(NamedTuple):
    """Request for one picture of a face.

    kind: crop, picture or person.
    dataset: name of the reviewer's FiftyOne data set.
    face: the face.
    """

    kind: str
    dataset: str
    face: Key


def paths(dataset: str) -> list[pl.Expr]:
    """Columns with the paths of a face's three pictures; the paths are parsed by `parse`, no files exist there."""
    return [
        pl.format(f"{ROOT}/{kind}/{dataset}/{{}}/{{}}.jpg", "identity", "face_id").alias(column)
        for column, kind in KINDS.items()
    ]


def path(kind: str, dataset: str, face: Key) -> str:
    """Path of one picture of a face, as `paths` has it; `kind` is one of the values of KINDS."""
    return f"{ROOT}/{kind}/{dataset}/{face.identity}/{face.face_id}.jpg"


def parse(path: str) -> PictureRequest | None:
    """Picture request that a path stands for; None if it is not one of `paths`."""
    match = _PATH.match(path)
    return PictureRequest(match[1], match[2], Key(match[3], match[4])) if match else None


class Stamp(NamedTuple):
    """Stamp of a file, which differs once another file takes its place."""

    inode: int
    size_bytes: int
    modified_ns: int

    @classmethod
    def of(cls, state: os.stat_result) -> Stamp:
        return cls(state.st_ino, state.st_size, state.st_mtime_ns)


def stamps(workspace: ProjectPaths) -> dict[Path, Stamp]:
    """Stamps of all shards with pictures; take them before the tables are read, so that later changes are noticed."""
    found: dict[Path, Stamp] = {}
    for path in (path for stage in STAGES for path in workspace.shards(stage).glob("*.tar")):
        with suppress(FileNotFoundError):  # it was erased in between
            found[path] = Stamp.of(path.stat())
    return found


class Place(NamedTuple):
    """Place of a picture according to the tables.

    shard: the tar file.
    name: the member's name without its suffix.
    offset: first byte in the shard.
    size_bytes: length.
    """

    shard: Path
    name: str
    offset: int
    size_bytes: int


class Pictures:
    """Reader of the pictures of the faces in `review_data`.

    `seen` holds the `stamps` from before the tables were read; `max_pixels` is the largest image that is decoded.
    """

    def __init__(
        self, workspace: ProjectPaths, review_data: ReviewData, *, seen: Mapping[Path, Stamp], max_pixels: int
    ) -> None:
        self._workspace = workspace
        self._review_data = review_data
        self._seen = seen
        self._max_pixels = max_pixels
        self._requests: tuple[Stamp | None, takedown_file.Takedowns] = None, takedown_file.Takedowns()

    @property
    def takedowns(self) -> Path:
        """File of the takedown requests."""
        return self._workspace.takedowns

    def check(self, faces: Sequence[Key]) -> None:
        """Raise BadInput if a face was taken down meanwhile, or if its shards were rewritten since they were shown."""
        for face in map(self._source, faces):
            if self.is_taken_down(face):
                person = face.identity
                raise BadInput(f"this picture of {person} was taken down while the review app was open; open it again")
            if any(self._is_rewritten(place) for place in (self._crop(face), self._image(face))):
                person = face.identity
                raise BadInput(f"the pictures of {person} were rewritten while the review app was open; open it again")

    def crop(self, face: Key) -> bytes:
        """JPEG of the face, as the crop stage wrote it.

        Raises KeyError for an unknown face or one that was taken down, OSError if its shard is missing or was
        rewritten.
        """
        if question := self._question(face):
            return gold_pictures.made(self.crop(question.source), question.kind)
        self._refuse_taken_down(face)
        return self._read(self._crop(face))

    def picture(self, face: Key) -> bytes:
        """JPEG of the whole image, at most SIDE_PX wide and high, with the face's box drawn in; raises as `crop`."""
        if question := self._question(face):
            return gold_pictures.made(self.picture(question.source), question.kind)
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
        """JPEG of the face, large, beside up to TILES faces of `accepted`; raises as `crop`."""
        height = TILE_PX * 3
        large = _fitted(_pixels(self.crop(face)), height)
        others = [other for other in accepted if other != face and not self.is_taken_down(other)][:TILES]
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

    def _question(self, face: Key) -> GoldQuestion | None:
        """Gold question that is shown under this key; None for a real face."""
        gold = self._review_data.gold
        return gold.questions.get(face) if gold else None

    def _source(self, face: Key) -> Key:
        """Real face that a picture is made from: the face itself, or the source of a gold question."""
        question = self._question(face)
        return question.source if question else face

    def is_taken_down(self, face: Key) -> bool:
        """True if a takedown request of this moment names the face: requests may arrive while others review."""
        path = self._workspace.takedowns
        stamp = Stamp.of(path.stat()) if path.is_file() else None
        if stamp != self._requests[0]:
            self._requests = stamp, takedown_file.load(path)
        row = self._row(self._source(face))
        return is_taken_down(self._requests[1], *(row[name] for name in ADDRESSED))

    def _refuse_taken_down(self, face: Key) -> None:
        if self.is_taken_down(face):
            raise KeyError(face)

    def _row(self, face: Key) -> dict[str, Any]:
        return self._review_data.faces.row(self._review_data.row(face), named=True)

    def _crop(self, face: Key) -> Place:
        row = self._row(face)
        return Place(self._workspace.shard("crop", face.identity), face.face_id, row["offset"], row["size_bytes"])

    def _image(self, face: Key) -> Place:
        row = self._row(face)
        shard = self._workspace.shard("crawl", face.identity)
        return Place(shard, row["image_id"], row["image_offset"], row["image_size_bytes"])

    def _is_rewritten(self, place: Place) -> bool:
        try:
            with place.shard.open("rb") as file:
                return not self._is_unchanged(file, place)
        except FileNotFoundError:
            return place.shard in self._seen

    def _read(self, place: Place) -> bytes:
        with place.shard.open("rb") as file:
            if not self._is_unchanged(file, place):
                raise OSError(f"{place.shard}: rewritten since the review app was opened")
            return os.pread(file.fileno(), place.size_bytes, place.offset)

    def _is_unchanged(self, file: BinaryIO, place: Place) -> bool:
        """True if the open file is the shard that was there at the start, and holds what the tables say.

        The tables may belong to an older shard: a stage writes its shards first, and its table at the end.
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
    """Picture scaled to fit a dark square of `side_px`, centred."""
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
