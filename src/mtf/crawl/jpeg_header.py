"""Plain headers of JPEGs, as programs write that keep no metadata. Pillow judges all others, and takes longer."""

from __future__ import annotations

from struct import unpack_from

_START = b"\xff\xd8"
_FRAMES = frozenset({0xC0, 0xC1, 0xC2})  # baseline, extended, progressive
_SCAN, _QUANTIZATION, _APP0, _APP2, _APP14 = 0xDA, 0xDB, 0xE0, 0xE2, 0xEE
_SKIPPED = frozenset({0xC4, 0xDD, 0xFE})  # Huffman tables, restart interval, comment
_ICC_PROFILE = b"ICC_PROFILE\0"
# Least lengths of segments whose fields Pillow reads.
_LEAST_BYTES = {_APP0: 16, _APP2: 16, _APP14: 14}
_TABLE_BYTES = 65


def plain_size(data: bytes) -> tuple[int, int] | None:
    """Width and height of a JPEG with a plain header, in pixels; None for any other file.

    In a plain header, segments of known kinds and sizes follow one another up to the scan. There is one frame of 8 bits
    with one or three components, no metadata (APP1, APP13) and no second picture (APP2).
    """
    if not data.startswith(_START):
        return None
    size, place = None, len(_START)
    while place + 4 <= len(data) and data[place] == 0xFF:
        marker, length = data[place + 1], int.from_bytes(data[place + 2 : place + 4], "big")
        end = place + 2 + length
        if length < 2 or end > len(data):
            return None
        if marker == _SCAN:
            return size
        if marker in _FRAMES:
            if size is not None or (size := _frame_size(data, place, length)) is None:
                return None
        elif not _is_plain(data, place, marker, length):
            return None
        place = end
    return None


def _frame_size(data: bytes, place: int, length: int) -> tuple[int, int] | None:
    """Width and height in a frame header (JPEG, ITU T.81 B.2.2); None if it is not plain."""
    if length < 8:
        return None
    bits, height, width, components = unpack_from(">BHHB", data, place + 4)
    is_plain = bits == 8 and components in (1, 3) and length == 8 + 3 * components
    return (width, height) if is_plain and width and height else None


def _is_plain(data: bytes, place: int, marker: int, length: int) -> bool:
    if marker == _QUANTIZATION:  # of 8 bits
        starts = range(place + 4, place + 2 + length, _TABLE_BYTES)
        return (length - 2) % _TABLE_BYTES == 0 and all(data[start] < 16 for start in starts)
    if marker == _APP2 and not data.startswith(_ICC_PROFILE, place + 4):
        return False
    least = _LEAST_BYTES.get(marker)
    return marker in _SKIPPED if least is None else length >= least
