"""Published files of a release, written by one job per identity.

- A job has the faces to publish, and the files that an earlier run published. Each face is encoded once for all
  variants and tasks, as a square without metadata. It has the side asked for, or its own if that is smaller: more
  pixels than the crop has would be made up. `release.enlarge` makes all faces one size.
- Further paths of a file are hard links if the file system supports them, otherwise copies.
- Published files are replaced or removed and never modified, so that a link in DVC's cache or in another variant keeps
  its bytes.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass, replace
from pathlib import Path

import PIL
import polars as pl

from mtf.config import Release
from mtf.core import shards
from mtf.core.atomic_files import replacing
from mtf.core.errors import BadInput
from mtf.core.hashing import file_digest, fingerprint
from mtf.faces.box import Box
from mtf.faces.landmarks import Landmarks
from mtf.release import encoding
from mtf.release.encoding import EncodedSquare, Encoding, published_aligned, published_square
from mtf.schemas import FACE, LANDMARKS

# Columns of the record of published files; `made_from` is a digest of the crop's shard and the encoding, `side_px` the
# side of the published square, `crop_px` that of the square in the crop.
FILES = {
    "path": pl.String,
    "identity": pl.String,
    "face_id": pl.String,
    "made_from": pl.String,
    "sha256": pl.String,
    "size_bytes": pl.Int64,
    "side_px": pl.Int32,
    "crop_px": pl.Int32,
}
PLACE = ["offset", "size_bytes", "x", "y", "width", "height"]


@dataclass(frozen=True)
class PublishedFile:
    """Published file, a row of FILES.

    - `path`: relative to the release, with `/`;
    - `identity`, `face_id`: the face;
    - `made_from`: digest of the crop's shard and the encoding;
    - `sha256`: SHA-256 (hex) of its bytes;
    - `size_bytes`: number of bytes;
    - `side_px`, `crop_px`: side of the published square, and of the square in the crop.
    """

    path: str
    identity: str
    face_id: str
    made_from: str
    sha256: str
    size_bytes: int
    side_px: int
    crop_px: int


@dataclass(frozen=True)
class PublishedFace:
    """Face to publish.

    - `face_id`: the face;
    - `offset`, `size_bytes`: position of the crop in its shard;
    - `face`: box of the face in the crop;
    - `paths`: paths to publish it under;
    - `landmarks`: in the crop, by which it is aligned; None for a crop as the picture stands.
    """

    face_id: str
    offset: int
    size_bytes: int
    face: Box
    paths: tuple[str, ...]
    landmarks: Landmarks | None = None


@dataclass(frozen=True)
class ReleaseJob:
    """Part of a release for one identity.

    - `identity`: its slug;
    - `shard`: file with its crops;
    - `root`: folder of the release;
    - `encoding`: how the pictures are encoded;
    - `made_from`: digest of the shard and the encoding;
    - `pictures`: faces to publish;
    - `before`: files that an earlier run published.
    """

    identity: str
    shard: Path
    root: Path
    encoding: Encoding
    made_from: str
    pictures: tuple[PublishedFace, ...]
    before: tuple[PublishedFile, ...]


@dataclass(frozen=True)
class PublishResult:
    """Result of a job.

    - `files`: published files;
    - `encoded`: number of faces that were encoded.
    """

    files: list[PublishedFile]
    encoded: int


def publish(job: ReleaseJob) -> PublishResult:
    """Write, link or keep every file of one identity; only faces without a valid earlier file are encoded."""
    valid = dict(valid_files(job))
    files: list[PublishedFile] = []
    encoded = 0
    with shards.reader(job.shard) as shard:
        for picture in job.pictures:
            first = valid.get(picture.face_id)
            if first is None:
                first = _encode(job, picture, shard.read(picture.offset, picture.size_bytes))
                encoded += 1
            files += _link_all_paths(job, picture, first)
    return PublishResult(files, encoded)


def valid_files(job: ReleaseJob) -> Iterator[tuple[str, PublishedFile]]:
    """Earlier files with the recorded bytes that a new encoding would give again, by face_id."""
    for file in job.before:
        if file.made_from == job.made_from and _sha256(job.root / file.path) == file.sha256:
            yield file.face_id, file


def encoded_square(job: ReleaseJob, picture: PublishedFace, crop: bytes) -> EncodedSquare:
    """Published square of a face. Raises BadInput if it cannot be aligned."""
    try:
        if picture.landmarks is None:
            return published_square(crop, face=picture.face, encoding=job.encoding)
        return published_aligned(crop, picture.landmarks, encoding=job.encoding)
    except ValueError as error:
        raise BadInput(f"face {picture.face_id}: {error}; release.alignment: none publishes it as it is") from None


def published_file(job: ReleaseJob, picture: PublishedFace, square: EncodedSquare) -> PublishedFile:
    """Row of a square under the face's first path."""
    return PublishedFile(
        picture.paths[0],
        job.identity,
        picture.face_id,
        job.made_from,
        sha256=hashlib.sha256(square.data).hexdigest(),
        size_bytes=len(square.data),
        side_px=square.side_px,
        crop_px=square.crop_px,
    )


def write_file(path: Path, data: bytes) -> None:
    """Write a published file. It is not flushed to disk: digests reveal a torn file."""
    with _replacing(path) as beside:
        beside.write_bytes(data)


def _encode(job: ReleaseJob, picture: PublishedFace, crop: bytes) -> PublishedFile:
    square = encoded_square(job, picture, crop)
    write_file(job.root / picture.paths[0], square.data)
    return published_file(job, picture, square)


def _link_all_paths(job: ReleaseJob, picture: PublishedFace, first: PublishedFile) -> Iterator[PublishedFile]:
    for path in picture.paths:
        _link(job.root / first.path, job.root / path, sha256=first.sha256)
        yield replace(first, path=path)


def _link(source: Path, target: Path, *, sha256: str) -> None:
    """Link `target` to the file `source`, unless it already has the same bytes, as after a checkout."""
    if source == target or _same_file(source, target) or _sha256(target) == sha256:
        return
    with _replacing(target) as beside:
        try:
            os.link(source, beside)
        except OSError:
            shutil.copyfile(source, beside)


def _same_file(one: Path, other: Path) -> bool:
    return other.exists() and one.samefile(other)


def _sha256(path: Path) -> str | None:
    try:
        return file_digest(path)
    except OSError:
        return None


@contextmanager
def _replacing(path: Path) -> Generator[Path]:
    """Temporary file that replaces `path`, like `atomic.replacing` without the flush: digests reveal a torn file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        yield beside
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def remove_others(root: Path, folders: Iterable[str], wanted: set[str]) -> int:
    """Remove all files in `folders` of `root` that are not in `wanted`, and empty folders; return their number."""
    removed = 0
    for folder in folders:
        for parent, _, names in os.walk(root / folder, topdown=False):
            for name in names:
                path = Path(parent) / name
                if path.relative_to(root).as_posix() not in wanted:
                    path.unlink()
                    removed += 1
            if not any(Path(parent).iterdir()):
                Path(parent).rmdir()
    return removed


def frame(files: Iterable[PublishedFile]) -> pl.DataFrame:
    """Table FILES, sorted by path."""
    rows = [astuple(file) for file in files]
    return pl.DataFrame(rows, schema=FILES, orient="row").sort("path")


def read(path: Path) -> pl.DataFrame:
    """Record of an earlier run, empty if there is none or it cannot be read."""
    try:
        return pl.read_parquet(path).select(pl.col(name).cast(dtype) for name, dtype in FILES.items())
    except (OSError, pl.exceptions.PolarsError):
        return pl.DataFrame(schema=FILES)


def write(files: pl.DataFrame, path: Path) -> None:
    """Write the record of published files."""
    with replacing(path) as beside:
        files.write_parquet(beside, statistics=False)


def jobs(
    plan: pl.DataFrame, places: pl.DataFrame, before: pl.DataFrame, *, crops: Path, root: Path, release: Release
) -> list[ReleaseJob]:
    """Jobs, one per identity of `plan` (identity, face_id, path), sorted by identity.

    - `places`: position of each crop in `crops/IDENTITY.tar`, and of the face's box in the crop;
    - `before`: record of the files that were published.

    Raises BadInput if a shard is missing, and if a face that is to be aligned has no landmarks.
    """
    wanted = plan.group_by(FACE, maintain_order=True).agg(paths="path").join(places, on=FACE, validate="1:1")
    old = before.partition_by("identity", as_dict=True)
    return [
        ReleaseJob(
            identity=identity,
            shard=crops / f"{identity}.tar",
            root=root,
            encoding=Encoding(release.size_px, release.jpeg_quality, release.enlarge),
            made_from=_made_from(crops / f"{identity}.tar", release),
            pictures=tuple(_picture(row, release) for row in rows.iter_rows(named=True)),
            before=tuple(PublishedFile(**row) for row in old.get((identity,), before.clear()).iter_rows(named=True)),
        )
        for (identity,), rows in sorted(wanted.sort("face_id").partition_by("identity", as_dict=True).items())
    ]


def places(data: pl.DataFrame, faces: pl.DataFrame) -> pl.DataFrame:
    """Position of each crop of `data` in its shard, and of box and landmarks in the crop; `faces` has the crops'
    corners.
    """
    corners = faces.select(
        *FACE, "crop_x", "crop_y", *(pl.col(name) - pl.col(f"crop_{name[-1]}") for name in LANDMARKS)
    )
    return (
        data.select(*FACE, *PLACE)
        .unique(FACE)
        .join(corners, on=FACE, validate="1:1")
        .with_columns(x=pl.col("x") - pl.col("crop_x"), y=pl.col("y") - pl.col("crop_y"))
        .drop("crop_x", "crop_y")
    )


def _made_from(shard: Path, release: Release) -> str:
    digest = shards.digest_of(shard)
    if digest is None:
        raise BadInput(f"{shard}: no such shard; run the stage crop (`dvc repro`)")
    made = [release.size_px, release.jpeg_quality, release.enlarge, release.alignment]
    return fingerprint(digest, *made, PIL.__version__, code=[encoding.__name__])


def _picture(row: dict, release: Release) -> PublishedFace:
    box = Box(row["x"], row["y"], row["width"], row["height"])
    landmarks = None
    if release.alignment == "landmarks":
        landmarks = Landmarks.of_row(row)
        if landmarks is None:
            raise BadInput(
                f"params.yaml: release.alignment: landmarks: face {row['face_id']} has none; choose a crop.detector "
                "that finds them (centerface, mtcnn, yunet), or alignment: none"
            )
    return PublishedFace(row["face_id"], row["offset"], row["size_bytes"], box, tuple(row["paths"]), landmarks)
