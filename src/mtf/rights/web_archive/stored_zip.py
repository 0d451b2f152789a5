"""ZIP files without compression, of which every byte follows from names and contents.

A ZIP has fields that no reader looks at (times, versions, attributes): a change there would go unnoticed. Here they are
constants, so that a file can be compared with what it must be. WACZ wants archives stored without compression anyway.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO

from mtf.core.errors import BadInput

# Bytes of a file, and files, that a ZIP without ZIP64 holds.
MAX_BYTES = 2**32 - 1
MAX_MEMBERS = 2**16 - 1
_COPIED = 2**20
_TIME, _DATE = 0, 0x21  # 1 January 1980, 0:00: the earliest date that the format knows
_VERSION, _UTF_8 = 20, 0x800


@dataclass(frozen=True, slots=True)
class Member:
    """One file of a ZIP.

    size_bytes, crc: of its contents.
    """

    name: str
    size_bytes: int
    crc: int

    @property
    def header(self) -> bytes:
        """Local header."""
        name = self.name.encode("utf-8")
        return b"PK\x03\x04" + struct.pack("<HHHHHIIIHH", *self._common, len(name), 0) + name

    def directory_entry(self, offset: int) -> bytes:
        name = self.name.encode("utf-8")
        head = struct.pack("<HHHHHHIIIHHHHHII", _VERSION, *self._common, len(name), 0, 0, 0, 0, 0, offset)
        return b"PK\x01\x02" + head + name

    @property
    def _common(self) -> tuple[int, ...]:
        return (_VERSION, _UTF_8, 0, _TIME, _DATE, self.crc, self.size_bytes, self.size_bytes)


def directory(members: Sequence[Member]) -> bytes:
    """Central directory and end record, the bytes after the last member. Raises BadInput for too large a file."""
    offset, entries = 0, b""
    for member in members:
        entries += member.directory_entry(min(offset, MAX_BYTES))
        offset += len(member.header) + member.size_bytes
    if offset + len(entries) > MAX_BYTES or len(members) > MAX_MEMBERS:
        raise BadInput(f"{offset:,} bytes of evidence for one identity; a WACZ holds 4 GiB here: use --format warc")
    return entries + b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, len(members), len(members), len(entries), offset, 0)


def write(out: BinaryIO, contents: Sequence[tuple[str, BinaryIO | bytes]]) -> None:
    """Write a ZIP with the given names and contents; files are read from their beginning."""
    members = [_measured(name, content) for name, content in contents]
    tail = directory(members)
    for member, (_, content) in zip(members, contents, strict=True):
        out.write(member.header)
        for piece in _pieces(content):
            out.write(piece)
    out.write(tail)


def _measured(name: str, content: BinaryIO | bytes) -> Member:
    size_bytes = crc = 0
    for piece in _pieces(content):
        size_bytes += len(piece)
        crc = zlib.crc32(piece, crc)
    return Member(name, size_bytes, crc)


def _pieces(content: BinaryIO | bytes):
    if isinstance(content, bytes):
        yield content
        return
    content.seek(0)
    while piece := content.read(_COPIED):
        yield piece
