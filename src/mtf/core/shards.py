"""A shard: an uncompressed tar that holds one identity's files of one stage.

Its first member is `digest`, what the shard was made from: a stage leaves a shard alone whose digest still
holds. Its last is `rows.parquet`, this identity's rows of the stage's table, so that the whole of one identity
travels, and is erased, in one file. Members between are read by offset, without looking at the rest.
"""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from mtf.core.atomic_files import replacing, sweep

DIGEST = "digest"
ROWS = "rows.parquet"
_BLOCK = 512
_COPIED = 2**20  # bytes at a time: most members go in one piece


class ShardWriter:
    """Adds members to a shard that is being written. Made by `writing`."""

    def __init__(self, path: Path, digest: str) -> None:
        self._tar = tarfile.TarFile(path, "w", format=tarfile.PAX_FORMAT, copybufsize=_COPIED)
        self._has_rows = False
        self.add(DIGEST, digest.encode("ascii"))

    def add(self, name: str, data: bytes) -> tuple[int, int]:
        """Append `data` as member `name`; returns its offset and size in the shard, in bytes."""
        if "/" in name or name.startswith("."):
            raise ValueError(f"a shard's members have plain names, not {name!r}")
        # No times, owners or modes: the same files give the same bytes.
        info = tarfile.TarInfo(name)
        info.size = len(data)
        self._tar.addfile(info, io.BytesIO(data))
        padded = -(-len(data) // _BLOCK) * _BLOCK
        return self._tar.offset - padded, len(data)

    def finish(self, rows: pl.DataFrame) -> None:
        """Add the identity's rows; the shard is complete with this."""
        buffer = io.BytesIO()
        rows.write_parquet(buffer, statistics=False)
        self.add(ROWS, buffer.getvalue())
        self._has_rows = True

    def close(self) -> None:
        self._tar.close()
        if not self._has_rows:
            raise ValueError("a shard is finished with its rows before it is closed")


@contextmanager
def writing(path: Path, digest: str) -> Generator[ShardWriter]:
    """Write a shard that takes the place of `path` when the block ends without an error."""
    with replacing(path) as beside:
        writer = ShardWriter(beside, digest)
        try:
            yield writer
        except BaseException:
            writer._tar.close()
            raise
        writer.close()


def digest_of(path: Path) -> str | None:
    """The digest a shard was written with; None where there is no readable shard."""
    try:
        with path.open("rb") as file:
            head = file.read(2 * _BLOCK)
        info = tarfile.TarInfo.frombuf(head[:_BLOCK], "utf-8", "strict")
    except (OSError, tarfile.TarError):
        return None
    if info.name != DIGEST or len(head) < _BLOCK + info.size:
        return None
    return head[_BLOCK : _BLOCK + info.size].decode("ascii", "replace")


def rows_of(path: Path) -> pl.DataFrame:
    """The rows of the identity whose shard this is."""
    return pl.read_parquet(io.BytesIO(read_member(path, ROWS)))


def read(path: Path, offset: int, size_bytes: int) -> bytes:
    """One member by its place, as `ShardWriter.add` gave it."""
    with path.open("rb") as file:
        return os.pread(file.fileno(), size_bytes, offset)


def reader(path: Path) -> _Reader:
    """Keep a shard open to read many members of it; use it in a `with`."""
    return _Reader(path)


class _Reader:
    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")

    def read(self, offset: int, size_bytes: int) -> bytes:
        return os.pread(self._file.fileno(), size_bytes, offset)

    def __enter__(self) -> _Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def members(path: Path) -> dict[str, tuple[int, int]]:
    """Name → (offset, size) of every member."""
    with tarfile.open(path, "r:") as tar:
        return {info.name: (info.offset_data, info.size) for info in tar}


def read_member(path: Path, name: str) -> bytes:
    """One member by its name: looks through the headers, so prefer `read` where the offset is known."""
    with tarfile.open(path, "r:") as tar:
        file = tar.extractfile(name)
        if file is None:
            raise KeyError(name)
        return file.read()


def remove_except(folder: Path, wanted: Callable[[str], bool]) -> list[str]:
    """Remove the shards of identities that are no longer wanted, and what killed writers left; returns the slugs."""
    sweep(folder)
    gone = [path for path in sorted(folder.glob("*.tar")) if not wanted(path.stem)]
    for path in gone:
        path.unlink()
    return [path.stem for path in gone]
