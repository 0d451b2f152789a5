"""Members of a tar: headers as the library tarfile writes and reads them, without an object for each member.

Only name, size and checksum differ between the headers of plain files (POSIX ustar), so a template is filled. What the
template cannot hold goes through tarfile.
"""

from __future__ import annotations

import os
import tarfile

BLOCK_BYTES = 512
# Places in a member's header.
_MAX_NAME_CHARS = 100
_SIZE, _CHECKSUM, _TYPE, _MAGIC, _PREFIX = slice(124, 136), slice(148, 156), 156, slice(257, 263), 345
_NAMELESS = tarfile.TarInfo("").tobuf(tarfile.PAX_FORMAT)
_BEFORE_SIZE = _NAMELESS[_MAX_NAME_CHARS : _SIZE.start]
_AFTER_SIZE = _NAMELESS[_SIZE.stop : _CHECKSUM.start]
_AFTER_CHECKSUM = _NAMELESS[_CHECKSUM.stop :]
# Of the checksum's own bytes, each counts as a space.
_SUM_OF_REST = sum(_BEFORE_SIZE + _AFTER_SIZE + _AFTER_CHECKSUM) + 8 * ord(" ")


def header(name: str, size_bytes: int) -> bytes:
    """Header of a member, as tarfile writes it. No times, owners or modes: the same files give the same bytes."""
    if len(name) > _MAX_NAME_CHARS or not name.isascii() or size_bytes >= 8**11:
        info = tarfile.TarInfo(name)
        info.size = size_bytes
        return info.tobuf(tarfile.PAX_FORMAT)
    named, size = name.encode("ascii"), b"%011o\0" % size_bytes
    checksum = b"%06o\0 " % (_SUM_OF_REST + sum(named) + sum(size))
    return b"".join((named.ljust(_MAX_NAME_CHARS, b"\0"), _BEFORE_SIZE, size, _AFTER_SIZE, checksum, _AFTER_CHECKSUM))


def padding(size_bytes: int) -> bytes:
    """Bytes that follow a member's content, up to a whole block."""
    return bytes(-size_bytes % BLOCK_BYTES)


def places(descriptor: int) -> dict[str, tuple[int, int]] | None:
    """Name → (offset, size) of each member of an open tar; None if tarfile has to read it.

    That is so if a header is not as `header` makes it, or if the tar is cut.
    """
    found: dict[str, tuple[int, int]] = {}
    offset = 0
    while len(block := os.pread(descriptor, BLOCK_BYTES, offset)) == BLOCK_BYTES:
        if not any(block):
            return found or None
        size, is_usual = block[_SIZE], block[_TYPE] == ord("0") and block[_MAGIC] == _NAMELESS[_MAGIC]
        if not is_usual or block[_PREFIX] or not size[:-1].isdigit() or size[-1]:
            return None
        try:
            if int(block[_CHECKSUM].rstrip(b"\0 "), 8) != _checksum(block):
                return None
            name, size_bytes = block[:_MAX_NAME_CHARS].rstrip(b"\0").decode("ascii"), int(size[:-1], 8)
        except ValueError:
            return None
        found[name] = (offset + BLOCK_BYTES, size_bytes)
        offset += BLOCK_BYTES + size_bytes + -size_bytes % BLOCK_BYTES
    return None


def _checksum(header: bytes | bytearray) -> int:
    """Sum of a header's bytes, those of the checksum itself taken for spaces."""
    return sum(header) - sum(header[_CHECKSUM]) + 8 * ord(" ")
