"""Shards: uncompressed tars, each with one identity's files of one stage.

The first member is `digest`, the digest of the shard's inputs: a stage skips a shard whose digest is unchanged. The
last is `rows.parquet`, the identity's rows of the stage's table, so that one file holds all of an identity and can be
moved or erased alone. The members between are read by offset, without reading the rest.
"""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import polars as pl

from mtf.core import tar_members
from mtf.core.atomic_files import replacing, sweep
from mtf.core.tar_members import BLOCK_BYTES

DIGEST = "digest"
ROWS = "rows.parquet"
HEAD_BYTES = 2 * BLOCK_BYTES
"""Bytes at the beginning of a shard that hold its digest."""
_CHUNK_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class Member:
    """Member of a shard, with its place in bytes. A call reads it."""

    path: Path
    offset: int
    size_bytes: int

    def __call__(self) -> bytes:
        return read(self.path, self.offset, self.size_bytes)


class ShardWriter:
    """Writer that adds members to a shard. Created by `writing`."""

    def __init__(self, path: Path, digest: str) -> None:
        self._file = path.open("wb")
        self._offset = 0
        self._has_rows = False
        self._copied: _CopiedRange | None = None
        self.add(DIGEST, digest.encode("ascii"))

    def add(self, name: str, data: bytes) -> tuple[int, int]:
        """Append `data` as member `name`; return its offset and size in the shard, in bytes."""
        header = _header(name, len(data))
        self._end_copy()
        start = self._offset + len(header)
        for part in (header, data, tar_members.padding(len(data))):
            self._file.write(part)
            self._offset += len(part)
        return start, len(data)

    def add_from(self, name: str, data: Callable[[], bytes]) -> tuple[int, int]:
        """Append what `data` returns, as `add` does. A `Member` of another shard is copied without being read.

        Members that follow each other in both shards are copied together, with their headers.
        """
        if not isinstance(data, Member):
            return self.add(name, data())
        header = _header(name, data.size_bytes)
        if self._copied is None or self._copied.path != data.path:
            self._end_copy()
            self._copied = _CopiedRange(data.path)
        if not self._copied.has(header, data):
            return self.add(name, data())
        begin = data.offset - len(header)
        if begin != self._copied.end:
            self._copied.write_to(self._file)
            self._copied.begin = begin
        self._copied.end = data.offset + data.size_bytes + len(tar_members.padding(data.size_bytes))
        start = self._offset + len(header)
        self._offset += self._copied.end - begin
        return start, data.size_bytes

    def _end_copy(self) -> None:
        if self._copied is not None:
            copied, self._copied = self._copied, None
            with copied:
                copied.write_to(self._file)

    def finish(self, rows: pl.DataFrame) -> None:
        """Add the identity's rows as the last member."""
        self.add(ROWS, parquet_bytes(rows))
        self._has_rows = True

    def close(self) -> None:
        """End the tar as tarfile does: two empty blocks, and whole records."""
        self._end_copy()
        self._file.write(bytes(2 * BLOCK_BYTES + -(self._offset + 2 * BLOCK_BYTES) % tarfile.RECORDSIZE))
        self.abandon()
        if not self._has_rows:
            raise ValueError("a shard is finished with its rows before it is closed")

    def abandon(self) -> None:
        """Close the files as they are."""
        if self._copied is not None:
            self._copied.close()
        self._file.close()


class _CopiedRange:
    """Range of a shard's bytes, whole members with their headers, that is still to be copied."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.begin = self.end = 0
        self._source = path.open("rb")

    def has(self, header: bytes, member: Member) -> bool:
        """True if the shard holds the member as a writer adds it: after this header, and with empty padding."""
        source, padding = self._source.fileno(), tar_members.padding(member.size_bytes)
        before = os.pread(source, len(header), member.offset - len(header)) if member.offset >= len(header) else b""
        return before == header and os.pread(source, len(padding), member.offset + member.size_bytes) == padding

    def write_to(self, target: BinaryIO) -> None:
        """Append the range to `target`, and begin a new one."""
        target.flush()
        while (left := self.end - self.begin) > 0:
            copied = self._copy(target.fileno(), left) or target.write(self._read(min(left, _CHUNK_BYTES)))
            target.flush()
            self.begin += copied
        target.seek(0, io.SEEK_END)

    def _copy(self, target: int, size_bytes: int) -> int:
        """Copy within the kernel; 0 if the system or the file system cannot."""
        with suppress(AttributeError, OSError):  # `_read` and `write` raise what stands in the way
            return os.copy_file_range(self._source.fileno(), target, size_bytes, self.begin)
        return 0

    def _read(self, size_bytes: int) -> bytes:
        data = os.pread(self._source.fileno(), size_bytes, self.begin)
        if not data:
            raise EOFError(f"{self.path}: the shard has become shorter while it was copied")
        return data

    def close(self) -> None:
        self._source.close()

    def __enter__(self) -> _CopiedRange:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _header(name: str, size_bytes: int) -> bytes:
    if "/" in name or name.startswith("."):
        raise ValueError(f"a shard's members have plain names, not {name!r}")
    return tar_members.header(name, size_bytes)


def parquet_bytes(frame: pl.DataFrame) -> bytes:
    """A Parquet file as bytes, for a member of a shard; the same frame gives the same bytes."""
    buffer = io.BytesIO()
    frame.write_parquet(buffer, statistics=False)
    return buffer.getvalue()


@contextmanager
def writing(path: Path, digest: str) -> Generator[ShardWriter]:
    """Write a shard; it replaces the file at `path` when the block ends without an error."""
    with replacing(path) as beside:
        writer = ShardWriter(beside, digest)
        try:
            yield writer
        except BaseException:
            writer.abandon()
            raise
        writer.close()


def digest_of(path: Path) -> str | None:
    """Digest that a shard was written with; None if there is no readable shard."""
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
            return digest_in(head) if _is_whole(file) else None
    except OSError:
        return None


def _is_whole(file: BinaryIO) -> bool:
    """True if a tar ends as tarfile ends one: whole records, and two empty blocks last."""
    size_bytes = file.seek(0, io.SEEK_END)
    return size_bytes > 0 and size_bytes % tarfile.RECORDSIZE == 0 and not any(_end(file))


def _end(file: BinaryIO) -> bytes:
    file.seek(-2 * BLOCK_BYTES, io.SEEK_END)
    return file.read()


def digest_in(head: bytes) -> str | None:
    """Digest in the first HEAD_BYTES of a shard; None if they are not those of a shard."""
    try:
        info = tarfile.TarInfo.frombuf(head[:BLOCK_BYTES], "utf-8", "strict")
    except tarfile.TarError:
        return None
    if info.name != DIGEST or len(head) < BLOCK_BYTES + info.size:
        return None
    return head[BLOCK_BYTES : BLOCK_BYTES + info.size].decode("ascii", "replace")


def tables(path: Path, places: Mapping[str, tuple[int, int]], names: Iterable[str]) -> dict[str, pl.DataFrame]:
    """Name → table of each of these members, which are Parquet files; those that are not in `places` are left out.

    All are read in one query: for small tables, the start of a query is most of its time.
    """
    found = [name for name in names if name in places]
    with reader(path) as shard:
        frames = [pl.scan_parquet(io.BytesIO(shard.read(*places[name]))) for name in found]
    return dict(zip(found, pl.collect_all(frames), strict=True))


def rows_of(path: Path) -> pl.DataFrame:
    """Rows of the shard's identity."""
    return pl.read_parquet(io.BytesIO(read_member(path, ROWS)))


def read(path: Path, offset: int, size_bytes: int) -> bytes:
    """Read one member by its offset and size, as returned by `ShardWriter.add`."""
    with path.open("rb") as file:
        return os.pread(file.fileno(), size_bytes, offset)


def reader(path: Path) -> _Reader:
    """Reader that keeps a shard open, to read many members; for use in a `with`."""
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
    """Name → (offset, size) of every member. Raises OSError or tarfile.TarError if it cannot be read."""
    with path.open("rb") as file:
        found = tar_members.places(file.fileno())
    if found is not None:
        return found
    with tarfile.open(path, "r:") as tar:
        return {info.name: (info.offset_data, info.size) for info in tar}


def read_member(path: Path, name: str) -> bytes:
    """Read one member by its name. It scans all headers: prefer `read` if the offset is known."""
    with tarfile.open(path, "r:") as tar:
        file = tar.extractfile(name)
        if file is None:
            raise KeyError(name)
        return file.read()


def remove_except(folder: Path, wanted: Callable[[str], bool]) -> list[str]:
    """Remove the shards of unwanted identities, and files of killed writers. Return the slugs of removed shards."""
    sweep(folder)
    gone = [path for path in sorted(folder.glob("*.tar")) if not wanted(path.stem)]
    for path in gone:
        path.unlink()
    return [path.stem for path in gone]
