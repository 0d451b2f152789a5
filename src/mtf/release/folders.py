"""The published files of one identity: each face is encoded once, however many variants and tasks show it.

Further names of a file are hard links where the file system has them, else copies. Published files are never
written to again, only replaced or removed, so that a link in DVC's cache or in another variant keeps its bytes.
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

# What was published, and from what: `made_from` is the digest of the crop's shard and of how it is encoded.
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
    """A published file, as a row of FILES."""

    path: str
    identity: str
    face_id: str
    made_from: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True)
class Picture:
    """A face to publish: its place in the crop shard, its box in the crop, and the paths it is published under."""

    face_id: str
    offset: int
    size_bytes: int
    face: Box
    paths: tuple[str, ...]


@dataclass(frozen=True)
class Job:
    """One identity's part of a release. `before` is what an earlier run published of it."""

    identity: str
    shard: Path
    root: Path
    size_px: int
    jpeg_quality: int
    made_from: str
    pictures: tuple[Picture, ...]
    before: tuple[File, ...]


@dataclass(frozen=True)
class Done:
    files: list[File]
    encoded: int


def publish(job: Job) -> Done:
    """Write, link or leave every file of one identity; only faces without a good file from before are encoded."""
    good = dict(_still_good(job))
    files: list[File] = []
    encoded = 0
    with shards.reader(job.shard) as shard:
        for picture in job.pictures:
            first = good.get(picture.face_id)
            if first is None:
                first = _encode(job, picture, shard.read(picture.offset, picture.size_bytes))
                encoded += 1
            files += _under_every_name(job, picture, first)
    return Done(files, encoded)


def _still_good(job: Job) -> Iterator[tuple[str, File]]:
    """Files of before whose bytes are what was recorded, and that would be made the same today."""
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


def _under_every_name(job: Job, picture: Picture, first: File) -> Iterator[File]:
    for path in picture.paths:
        _link(job.root / first.path, job.root / path, sha256=first.sha256)
        yield File(path, job.identity, picture.face_id, job.made_from, first.sha256, first.size_bytes)


def _link(source: Path, target: Path, *, sha256: str) -> None:
    """Have `target` be the file `source`. One that has its bytes already, as after a checkout, is left alone."""
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
    """As `atomic.replacing`, but not flushed: a torn file differs from its recorded digest and is made again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        yield beside
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def remove_others(root: Path, folders: Iterable[str], wanted: set[str]) -> int:
    """Remove all files below `folders` of `root` that are not `wanted`, and folders left empty; returns how many."""
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
    rows = [(f.path, f.identity, f.face_id, f.made_from, f.sha256, f.size_bytes) for f in files]
    return pl.DataFrame(rows, schema=FILES, orient="row").sort("path")


def read(path: Path) -> pl.DataFrame:
    """What an earlier run published; nothing where there was none or its record is unreadable."""
    try:
        return pl.read_parquet(path).select(pl.col(name).cast(dtype) for name, dtype in FILES.items())
    except (OSError, pl.exceptions.PolarsError):
        return pl.DataFrame(schema=FILES)


def write(files: pl.DataFrame, path: Path) -> None:
    with replacing(path) as beside:
        files.write_parquet(beside, statistics=False)
