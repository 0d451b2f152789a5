"""Kinds of files by their first bytes, and pictures as members of a file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO, NamedTuple

HEAD_BYTES = 512
MAX_PICTURE_BYTES = 1 << 28
COMPRESSIONS = {b"\x1f\x8b": "gz", b"BZh": "bz2", b"\xfd7zXZ\0": "xz"}
ZIPS = (b"PK\x03\x04", b"PK\x05\x06")
PARQUET, ARROW = b"PAR1", b"ARROW1"
# Containers that cannot be looked into here.
CLOSED = {
    b"7z\xbc\xaf\x27\x1c": "7-Zip", b"Rar!\x1a\x07": "RAR", b"\x89HDF\r\n\x1a\n": "HDF5",
    b"\x28\xb5\x2f\xfd": "Zstandard", b"\x93NUMPY": "NumPy", b"SQLite format 3\0": "SQLite", b"\x80\x02": "pickle",
    b"\x80\x03": "pickle", b"\x80\x04": "pickle", b"\x80\x05": "pickle", b"ORC": "ORC", b"Obj\x01": "Avro",
}  # fmt: skip
CLOSED_SUFFIXES = {
    ".lmdb": "LMDB", ".mdb": "LMDB", ".tfrecord": "TFRecord", ".tfrecords": "TFRecord", ".rec": "RecordIO",
    ".beton": "FFCV", ".lance": "Lance",
}  # fmt: skip


class NotLookedInto(Exception):
    """Error: a file, or the rest of it, could not be looked into."""


class Member(NamedTuple):
    """Picture in a file.

    place: number by which it is removed: offset in a tar, index in a zip, row of a table; -1 for the file itself.
    name: for people.
    data: its bytes; None if it could not be read.
    why: reason why not.
    """

    place: int
    name: str
    data: bytes | None
    why: str = ""


def is_picture(head: bytes) -> bool:
    """True if a file that begins with `head` is a picture of a kind that Pillow may decode."""
    return (
        head.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*"))
        or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")
        or (head[:2] == b"BM" and head[6:10] == b"\0\0\0\0")
        or (
            head[:1] == b"P"
            and head[1:2] in (b"1", b"2", b"3", b"4", b"5", b"6")
            and head[2:3] in (b" ", b"\t", b"\r", b"\n", b"#")
        )
        or head[4:12] in (b"ftypavif", b"ftypavis", b"ftypmif1")
    )


def holds_more(head: bytes) -> bool:
    """True if a member that begins with `head` is itself an archive or a table."""
    return is_tar(head) or head.startswith((*ZIPS, PARQUET, ARROW, *COMPRESSIONS, *CLOSED))


def is_tar(head: bytes) -> bool:
    """True if a file that begins with `head` is an uncompressed tar."""
    return head[257:262] == b"ustar"


def open_regular(path: Path) -> IO[bytes]:
    """Open a file for reading, but not through a link at its end, and without waiting for a pipe. Raises OSError."""
    flags = os.O_RDONLY
    for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY"):  # each is missing on some system
        flags |= getattr(os, name, 0)
    return os.fdopen(os.open(path, flags), "rb")


def one_line(error: Exception) -> str:
    """Message of an error on one line, at most 160 characters."""
    return (" ".join(str(error).split()) or type(error).__name__)[:160]
