"""Bounds on the cost of a picture's file, checked by a walk over its markers or chunks before anything parses it.

A few bytes can hold a decoder for minutes, though the picture has few pixels:

- JPEG: a progressive file has any number of scans, each over the whole picture, and any number of segments and fill
  bytes (ITU T.81, sections B.1.1.2, B.2.4 and G.1.2). The authors of libjpeg-turbo leave the bound to the application
  ("Two Issues with the JPEG Standard", LJT-01-003).
- PNG and GIF: any number of chunks and extension blocks (PNG, section 11.3; GIF89a, section 23 to 26).
- TIFF: any number of strips, tiles or other values (TIFF 6.0, section 2).
- PNM: comments of any length in its header.

Encoders stay far below these bounds. A walk ends at the first bound that is exceeded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import Literal

MAX_SCANS = 100
MAX_FILL_BYTES = 100_000
MAX_SEGMENTS = 4_000
MAX_CHUNKS = 4_000
MAX_PIXEL_CHUNKS = 100_000
MAX_BLOCKS = 100_000
MAX_COMPRESSED_CHUNKS = 64
MAX_TIFF_VALUES = 200_000
MAX_PNM_HEADER_BYTES = 100_000

_JPEG, _PNG, _GIF = b"\xff\xd8", b"\x89PNG\r\n\x1a\n", (b"GIF87a", b"GIF89a")
_TIFF: dict[bytes, Literal["little", "big"]] = {b"II": "little", b"MM": "big"}
# Pillow takes the version in either order of bytes; 43 is BigTIFF, with numbers of 64 bits.
_VERSIONS = {b"*\0": 2, b"\0*": 2, b"+\0": 8, b"\0+": 8}
_PNM = re.compile(rb"P[1-6]\s|P[1-6]#")
_SCAN, _END, _FILL = 0xDA, 0xD9, 0xFF
# In coded data, 0xFF is followed by 0x00 or by a restart marker (0xD0 to 0xD7); any other byte makes a marker.
_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
_WITHOUT_LENGTH = {0x01, 0xD8}
_PIXEL_CHUNKS = (b"IDAT", b"fdAT", b"fcTL")
_COMPRESSED_CHUNKS = (b"zTXt", b"iTXt", b"iCCP")
# Bytes and texts, which are not taken apart.
_TIFF_BYTES = (1, 2, 6, 7)


def excess(data: bytes) -> str | None:
    """Exceeded bound of a picture's file, in words; None if there is none, and for other formats.

    A malformed file has no excess as far as it can be walked: its decoder names what is wrong.
    """
    return walked(data)[0]


def walked(data: bytes) -> tuple[str | None, bytes]:
    """Exceeded bound as `excess` gives it, and the file without its coded pixels: the part that may hold metadata.

    Only of a JPEG are the pixels left out.
    """
    if data.startswith(_JPEG):
        return _jpeg_walked(data)
    return _other_excess(data), data


def _other_excess(data: bytes) -> str | None:
    if data.startswith(_PNG):
        return _png_excess(data)
    if data.startswith(_GIF):
        return _gif_excess(data)
    if (order := _TIFF.get(data[:2])) and (count_bytes := _VERSIONS.get(data[2:4])):
        return _tiff_excess(data, order, count_bytes)
    if _PNM.match(data):
        return _pnm_excess(data)
    return None


def scans_at_most(data: bytes) -> int:
    """Upper bound on the scans of a JPEG, or of the JPEGs inside a TIFF, at least 1.

    It counts the marker's two bytes anywhere, those in metadata and in bytes after the end included.
    """
    return max(data.count(bytes([0xFF, _SCAN])), 1)


def _jpeg_walked(data: bytes) -> tuple[str | None, bytes]:
    scans = fill_bytes = kept = previous = 0
    parts: list[bytes] = []
    for segments, (place, start, marker) in enumerate(_jpeg_markers(data), start=1):
        if data[start - 1] == _FILL and start > place:
            between = data[place:start]
            fill_bytes += len(between) - len(between.rstrip(b"\xff"))
        if previous == _SCAN:  # what follows its header is coded pixels
            parts.append(data[kept:place])
            kept = start
        previous = marker
        scans += marker == _SCAN
        if scans > MAX_SCANS:
            return f"JPEG: {scans_at_most(data)} scans; permitted: {MAX_SCANS}", data
        if fill_bytes > MAX_FILL_BYTES:
            return f"JPEG: {fill_bytes} fill bytes; permitted: {MAX_FILL_BYTES}", data
        if segments > MAX_SEGMENTS:
            return f"JPEG: more than {MAX_SEGMENTS} segments", data
    return None, b"".join([*parts, data[kept:]])


def _jpeg_markers(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield (end of the segment before, place of the marker, marker) up to the end marker.

    What lies between the two places is skipped. It may end with fill bytes.
    """
    place = 2
    while found := _MARKER.search(data, place):
        start = found.start()
        marker = data[start + 1]
        yield place, start, marker
        if marker == _END:
            return
        place = start + 2
        if marker not in _WITHOUT_LENGTH:
            place += max(int.from_bytes(data[place : place + 2], "big"), 2)


def _png_excess(data: bytes) -> str | None:
    chunks = compressed = 0
    for number, kind in enumerate(_png_chunks(data)):
        chunks += kind not in _PIXEL_CHUNKS
        compressed += kind in _COMPRESSED_CHUNKS
        if number - chunks > MAX_PIXEL_CHUNKS:
            return f"PNG: more than {MAX_PIXEL_CHUNKS} chunks of pixels"
        if chunks > MAX_CHUNKS:
            return f"PNG: more than {MAX_CHUNKS} chunks beside the pixels"
        if compressed > MAX_COMPRESSED_CHUNKS:
            return f"PNG: more than {MAX_COMPRESSED_CHUNKS} compressed chunks beside the pixels"
    return None


def _png_chunks(data: bytes) -> Iterator[bytes]:
    """Yield the types of the chunks: length, type, content, checksum (PNG, section 5.3)."""
    place = len(_PNG)
    while place + 8 <= len(data):
        yield data[place + 4 : place + 8]
        place += 12 + int.from_bytes(data[place : place + 4], "big")


def _gif_excess(data: bytes) -> str | None:
    if next(islice(_gif_blocks(data), MAX_BLOCKS, None), None) is not None:
        return f"GIF: more than {MAX_BLOCKS} blocks before the first picture"
    return None


def _gif_blocks(data: bytes) -> Iterator[int]:
    """Yield the places of the extensions and their sub-blocks before the first picture (GIF89a, section 15 to 26)."""
    flags = data[10] if len(data) > 10 else 0
    place = 13 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
    while place + 2 < len(data) and data[place] == 0x21:
        yield place
        place += 2
        while place < len(data) and data[place]:
            yield place
            place += 1 + data[place]
        place += 1


def _tiff_excess(data: bytes, order: Literal["little", "big"], count_bytes: int) -> str | None:
    """Excess of the first directory: its size, then (tag, type, count, value) for each field.

    count_bytes: size of the directory's number of fields, 2; 8 in a BigTIFF.
    """

    def number(start: int, size: int) -> int:
        return int.from_bytes(data[start : start + size], order)

    offset_bytes, first = (4, 4) if count_bytes == 2 else (8, 8)
    directory = number(first, offset_bytes)
    fields = min(number(directory, count_bytes), len(data) // (4 + 2 * offset_bytes))
    for index in range(fields):
        field = directory + count_bytes + index * (4 + 2 * offset_bytes)
        values = number(field + 4, offset_bytes)
        if number(field + 2, 2) not in _TIFF_BYTES and values > MAX_TIFF_VALUES:
            return f"TIFF: {values} values of tag {number(field, 2)}; permitted: {MAX_TIFF_VALUES}"
        if index > MAX_TIFF_VALUES:
            return f"TIFF: more than {MAX_TIFF_VALUES} fields"
    return None


def _pnm_excess(data: bytes) -> str | None:
    """Excess of the header: magic number, width, height and greatest value, between them white space and comments."""
    if len(data) <= MAX_PNM_HEADER_BYTES:
        return None
    words = re.sub(rb"#[^\r\n]*", b" ", data[:MAX_PNM_HEADER_BYTES]).split(maxsplit=4)
    return None if len(words) >= 4 else f"PNM: a header of more than {MAX_PNM_HEADER_BYTES} bytes"
