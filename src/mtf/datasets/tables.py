"""Tables of a published data set, as training and the audit read them: crops, splits, images and their evidence."""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import polars as pl
from PIL import Image

from mtf import schemas
from mtf.config import Params
from mtf.core import shards
from mtf.core.errors import BadInput
from mtf.core.project_paths import ProjectPaths
from mtf.datasets import labelled, protocol_splits
from mtf.datasets.labelled import DataSet
from mtf.faces import crop as cut
from mtf.faces import decoding, detectors
from mtf.faces.box import Box
from mtf.faces.detectors import Detector
from mtf.rights.evidence import combination
from mtf.schemas import DetectionOutcome, FetchOutcome
from mtf.sources import source_listing
from mtf.sources.local_sources import SCHEME
from mtf.sources.source_listing import SourceListing

OUTCOMES = {
    FetchOutcome.STORED: "laid out",
    FetchOutcome.DUPLICATE: "left out, byte-identical to another",
    FetchOutcome.NOT_AN_IMAGE: "left out, not readable as a picture",
    FetchOutcome.TOO_LARGE: "left out, more pixels than crawl.max_pixels",
    FetchOutcome.UNDECODABLE: "left out, decoding takes too much time",
}
# Column of the pictures that are set aside for the classifier.
ASIDE = "set_aside"
UNCLAIMED = {"page_url": None, "claim": None}
UNFETCHED = {"http_status": None, "response_sha256": None}


class Files:
    """Files of a folder or an uncompressed tar, by name. Raises BadInput for any other file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        if path.is_dir():
            names = (file for file in sorted(path.rglob("*")) if file.is_file() and not file.is_symlink())
            self._places: dict[str, tuple[int, int] | None] = {str(file.relative_to(path)): None for file in names}
        elif path.is_file():
            try:
                self._places = dict(shards.members(path))
            except tarfile.TarError as error:
                raise BadInput(f"{path}: not an uncompressed tar: {error}; name a folder or a tar") from None
        else:
            raise BadInput(f"{path}: no such folder or tar")

    def names(self) -> list[str]:
        return sorted(self._places)

    def read(self, name: str) -> bytes:
        """Bytes of the file `name`; raises BadInput for an unknown one."""
        if name not in self._places:
            raise BadInput(f"{self._path}: no file {name!r} in it")
        place = self._places[name]
        return (self._path / name).read_bytes() if place is None else shards.read(self._path, *place)


@dataclass(frozen=True)
class Picture:
    """Picture of the data set with its outcome.

    row: its row in the data set's table.
    data: bytes of the file.
    image_id: SHA-256.
    media_type: MIME type.
    size: width and height in pixels.
    outcome: outcome of the import.
    faces: number of faces found.
    box: the crop's box; None if the picture is left out.
    crop: bytes of the crop.
    """

    row: dict[str, Any]
    data: bytes
    image_id: str
    media_type: str
    size: tuple[int, int]
    outcome: FetchOutcome
    faces: int = 0
    box: Box | None = None
    crop: bytes = b""


@dataclass
class _Tables:
    """Rows of the tables to write."""

    splits: list[dict[str, Any]] = field(default_factory=list)
    images: list[dict[str, Any]] = field(default_factory=list)
    evidence: list[dict[str, Any]] = field(default_factory=list)
    fetches: list[dict[str, Any]] = field(default_factory=list)
    detections: list[dict[str, Any]] = field(default_factory=list)
    undetected: list[dict[str, Any]] = field(default_factory=list)
    classifier: list[dict[str, Any]] = field(default_factory=list)


def write(
    data_set: DataSet,
    read: Callable[[str], bytes],
    split: pl.Series,
    workspace: ProjectPaths,
    params: Params,
    *,
    source: str,
    keep_duplicates: bool = False,
    cropped: bool = False,
    for_classifier: np.ndarray | None = None,
) -> list[str]:
    """Write the data set's crop shards and tables; returns a summary for the user, one line of text each.

    Written are build/crop/shards, build/split/splits.parquet and build/crawl/{images,evidence,fetches}.parquet, from
    which `mtf audit licenses` tells what may be released.

    - Each picture is one crop in a crop shard; the offsets in `images` refer to that shard.
    - With `cropped`, the crop is the largest face that the detector of `params.crop` finds, with its margin. Pictures
      without a face are left out; build/crop/detections.parquet has the detections, and build/split/undetected.parquet
      those of the test part, which the evaluation counts as errors if it is told to.
    - Byte-identical pictures after the first are left out, since they could be in two splits. With `keep_duplicates`
      each counts, as in the papers; `image_id` is then the digest of name and bytes.

    - `for_classifier` (n,) marks pictures of the training part that are set aside: build/split/classifier.parquet has
      them instead, in the form of the splits.

    `source` is the path of the folder or file that was read. `data/sources.csv` has its name; the pictures' addresses
    are relative to it.
    """
    aside = np.zeros(data_set.pictures.height, bool) if for_classifier is None else for_classifier
    pictures = data_set.pictures.with_columns(
        split, pl.Series(ASIDE, aside), identity=labelled.bucket_names(data_set.name)
    )
    found, seen = _Tables(), set()
    sizes: list[tuple[str, int]] = []
    detector = detectors.create(params.crop, root=workspace.root) if cropped else None
    evidence = combination.combine(None, combination.of_data_set(data_set.license, data_set.creator, where="license"))
    for group in pictures.partition_by("identity", maintain_order=True):
        seen_group = examined(group, read, seen, keep_duplicates=keep_duplicates, max_pixels=params.crawl.max_pixels)
        kept = [laid_out(picture, params, detector) for picture in seen_group]
        places = write_shard(workspace, kept)
        for picture in kept:
            address = f"{SCHEME}{quote(picture.row['file'])}"
            sizes.append((picture.row["file"], len(picture.data)))
            found.fetches.append(_fetch(data_set, picture, address))
            if cropped and picture.outcome is FetchOutcome.STORED:
                found.detections.append(_detection(picture))
                if picture.box is None and picture.row["split"] == "test":
                    found.undetected.append(_undetected(data_set, picture))
            if picture.box is not None:
                origin = {"identity": picture.row["identity"], "image_id": picture.image_id, "url": address}
                part = found.classifier if picture.row[ASIDE] else found.splits
                part.append(_split(data_set, picture, places[picture.image_id]))
                found.images.append(_image(data_set, picture, origin, places[picture.image_id]))
                found.evidence.append(origin | UNCLAIMED | evidence | {**UNFETCHED, "checked_at": datetime.now(UTC)})
    source_listing.write(workspace.local_sources, [SourceListing.of(sizes, SCHEME, data_set.name, source)])
    schemas.write(schemas.splits(params), found.splits, workspace.table("split", "splits"))
    if for_classifier is not None:
        aside_table = workspace.table("split", protocol_splits.CLASSIFIER_TABLE)
        schemas.write(schemas.splits(params), found.classifier, aside_table)
    schemas.write(schemas.IMAGES, found.images, workspace.table("crawl", "images"))
    schemas.write(schemas.EVIDENCE, found.evidence, workspace.table("crawl", "evidence"))
    schemas.write(schemas.FETCHES, found.fetches, workspace.table("crawl", "fetches"))
    if cropped:
        schemas.write(schemas.DETECTIONS, found.detections, workspace.table("crop", "detections"))
        schemas.write(schemas.undetected(params), found.undetected, workspace.table("split", "undetected"))
    return _summary(found)


def _summary(found: _Tables) -> list[str]:
    counts = {outcome: sum(row["outcome"] == outcome for row in found.fetches) for outcome in OUTCOMES}
    without = sum(row["outcome"] == DetectionOutcome.NO_FACE for row in found.detections)
    counts[FetchOutcome.STORED] -= without
    no_face = [f"left out, no face found in it: {without}"] if without else []
    return no_face + [f"{OUTCOMES[outcome]}: {count}" for outcome, count in counts.items() if count]


def examined(
    group: pl.DataFrame, read: Callable[[str], bytes], seen: set[str], *, keep_duplicates: bool, max_pixels: int
) -> Iterator[Picture]:
    """Pictures of a data set's rows with their bytes, and whether they can be used; `seen` has the digests so far."""
    for row in group.iter_rows(named=True):
        data = read(row["file"])
        named = row["file"].encode() + b"\0" if keep_duplicates else b""
        image_id = hashlib.sha256(named + data).hexdigest()
        media_type, size, outcome = "", (0, 0), FetchOutcome.STORED
        try:
            media_type, size = _kind(data, max_pixels=max_pixels)
            if image_id in seen:
                outcome = FetchOutcome.DUPLICATE
        except decoding.Unreadable as error:
            outcome = _refusal(error)
        seen.add(image_id)
        yield Picture(row, data, image_id, media_type, size, outcome)


def laid_out(picture: Picture, params: Params, detector: Detector | None) -> Picture:
    """Picture with its box and crop; unchanged if it is left out or has no face. Without a detector the box is the
    whole picture.
    """
    if picture.outcome is not FetchOutcome.STORED:
        return picture
    if detector is None:
        return replace(picture, box=Box(0, 0, *picture.size), crop=picture.data)
    try:
        faces = cut.cut_faces(picture.data, params.crop, max_pixels=params.crawl.max_pixels, detector=detector)
    except decoding.Unreadable as error:
        return replace(picture, outcome=_refusal(error))
    if not faces:
        return picture
    # Each picture has one label, which belongs to its largest face.
    face = max(faces, key=lambda each: each.box.width * each.box.height)
    return replace(picture, faces=len(faces), box=face.box, crop=face.jpeg, size=(face.shape[1], face.shape[0]))


def _kind(data: bytes, *, max_pixels: int) -> tuple[str, tuple[int, int]]:
    """Media type, width and height. Raises decoding.Unreadable."""
    header = decoding.header(data, max_pixels=max_pixels)
    picture = decoding.colour(data, header)
    return Image.MIME.get(header.format, "image/x-unknown"), (picture.shape[1], picture.shape[0])


def _refusal(error: decoding.Unreadable) -> FetchOutcome:
    if isinstance(error, decoding.TooCostly):
        return FetchOutcome.UNDECODABLE
    return FetchOutcome.TOO_LARGE if error.outcome is DetectionOutcome.TOO_LARGE else FetchOutcome.NOT_AN_IMAGE


def write_shard(workspace: ProjectPaths, pictures: list[Picture]) -> dict[str, dict[str, int]]:
    """Write a bucket's pictures to its shard, whose digest is that of the pictures; returns image_id → offset
    and size.
    """
    kept = [picture for picture in pictures if picture.box is not None]
    if not kept:
        return {}
    digest = hashlib.sha256()
    for picture in kept:
        digest.update(picture.image_id.encode("ascii") + hashlib.sha256(picture.crop).digest())
    places = {}
    with shards.writing(workspace.shard("crop", kept[0].row["identity"]), digest.hexdigest()) as shard:
        for picture in kept:
            offset, size_bytes = shard.add(f"{picture.image_id[:32]}.jpg", picture.crop)
            places[picture.image_id] = {"offset": offset, "size_bytes": size_bytes}
        shard.finish(pl.DataFrame([{"image_id": image_id, **place} for image_id, place in places.items()]))
    return places


def _split(data_set: DataSet, picture: Picture, place: dict[str, int]) -> dict[str, Any]:
    box = picture.box._asdict() if picture.box is not None else {}
    return {
        **{"identity": picture.row["identity"], "face_id": picture.image_id[:32], "image_id": picture.image_id},
        **{**box, **place},
        **{"license": data_set.license, "duplicate_group": None, "decided_by": data_set.name},
        **{column: picture.row[column] for column in data_set.attributes},
        "split": picture.row["split"],
    }


def _image(data_set: DataSet, picture: Picture, origin: dict[str, Any], place: dict[str, int]) -> dict[str, Any]:
    size = {"media_type": picture.media_type, "width": picture.size[0], "height": picture.size[1]}
    return {**origin, **UNCLAIMED, "title": None, "source": data_set.name, **size, **place}


def _undetected(data_set: DataSet, picture: Picture) -> dict[str, Any]:
    labels = {column: picture.row[column] for column in data_set.attributes}
    return {"identity": picture.row["identity"], "image_id": picture.image_id, **labels}


def _detection(picture: Picture) -> dict[str, Any]:
    outcome = DetectionOutcome.NO_FACE if picture.box is None else DetectionOutcome.CROPPED
    found = {"outcome": str(outcome), "detail": None, "faces": picture.faces}
    return {"identity": picture.row["identity"], "image_id": picture.image_id, **found}


def _fetch(data_set: DataSet, picture: Picture, address: str) -> dict[str, Any]:
    kept = picture.outcome is FetchOutcome.STORED
    return {
        **{"identity": picture.row["identity"], "url": address, **UNCLAIMED, "title": None, "source": data_set.name},
        **{"query": None, "rank": 0, "outcome": str(picture.outcome), "detail": None, "http_status": None},
        **{"image_id": picture.image_id if kept else None, "size_bytes": len(picture.data)},
        **{"attempts": 1, "fetched_at": datetime.now(UTC)},
    }
