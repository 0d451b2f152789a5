"""Published files of one identity; each face is encoded once for all variants and tasks.

Further paths of a file are hard links if the file system supports them, otherwise copies. Published files are replaced
or removed and never modified, so that a link in DVC's cache or in another variant keeps its bytes.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from mtf import shards
from mtf.atomic import replacing
from mtf.fingerprint import file_digest
from mtf.release.pictures import Box, published

# Columns of the record of published files; `made_from` is a digest of the crop's shard and the encoding.
FILES = {
    "path": pl.String,
    "identity": pl.String,
    "face_id": pl.String,
    "made_from": pl.String,
    "sha256": pl.String,
    "size_bytes": pl.Int64,
}


@dataclass(frozen=True)
class File:
    """Published file, a row of FILES.

    - `path`: relative to the release, with `/`;
    - `identity`, `face_id`: the face;
    - `made_from`: digest of the crop's shard and the encoding;
    - `sha256`: SHA-256 (hex) of its bytes;
    - `size_bytes`: number of bytes.
    """

    path: str
    identity: str
    face_id: str
    made_from: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True)
class Picture:
    """Face to publish.

    - `face_id`: the face;
    - `offset`, `size_bytes`: position of the crop in its shard;
    - `face`: box of the face in the crop;
    - `paths`: paths to publish it under.
    """

    face_id: str
    offset: int
    size_bytes: int
    face: Box
    paths: tuple[str, ...]


@dataclass(frozen=True)
class Job:
    """Part of a release for one identity.

    - `identity`: its slug;
    - `shard`: file with its crops;
    - `root`: folder of the release;
    - `size_px`, `jpeg_quality`: encoding of the pictures;
    - `made_from`: digest of the shard and the encoding;
    - `pictures`: faces to publish;
    - `before`: files that an earlier run published.
    """

    identity: str
    shard: Path
    root: Path
    size_px: int
    jpeg_quality: int
    made_from: str
    pictures: tuple[Picture, ...]
    before: tuple[File, ...]


@dataclass(frozen=True)
class PublishResult:
    """Result of a job.

    - `files`: published files;
    - `encoded`: number of faces that were encoded.
    """

    files: list[File]
    encoded: int


def publish(job: Job) -> PublishResult:
    """Write, link or keep every file of one identity; only faces without a valid earlier file are encoded."""
    valid = dict(_valid_files(job))
    files: list[File] = []
    encoded = 0
    with shards.reader(job.shard) as shard:
        for picture in job.pictures:
            first = valid.get(picture.face_id)
            if first is None:
                first = _encode(job, picture, shard.read(picture.offset, picture.size_bytes))
                encoded += 1
            files += _link_all_paths(job, picture, first)
    return PublishResult(files, encoded)


def _valid_files(job: Job) -> Iterator[tuple[str, File]]:
    """Earlier files with the recorded bytes that a new encoding would give again, by face_id."""
    for file in job.before:
        if file.made_from == job.made_from and _sha256(job.root / file.path) == file.sha256:
            yield file.face_id, file


def _encode(job: Job, picture: Picture, crop: bytes) -> File:
    data = published(crop, face=picture.face, size_px=job.size_px, jpeg_quality=job.jpeg_quality)
    path = picture.paths[0]
    with _replacing(job.root / path) as beside:
        beside.write_bytes(data)
    sha256 = hashlib.sha256(data).hexdigest()
    return File(path, job.identity, picture.face_id, job.made_from, sha256, len(data))


def _link_all_paths(job: Job, picture: Picture, first: File) -> Iterator[File]:
    for path in picture.paths:
        _link(job.root / first.path, job.root / path, sha256=first.sha256)
        yield File(path, job.identity, picture.face_id, job.made_from, first.sha256, first.size_bytes)


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


def frame(files: Iterable[File]) -> pl.DataFrame:
    """Table FILES, sorted by path."""
    rows = [(f.path, f.identity, f.face_id, f.made_from, f.sha256, f.size_bytes) for f in files]
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
