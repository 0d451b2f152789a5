"""Bounds on the cost of decoding a JPEG, checked without decoding it.

A progressive JPEG has several scans over the whole picture, and any number of fill bytes may precede a marker (ITU
T.81, sections B.1.1.2 and G.1.2). A file with 123 KB of scans, or 12 MB of fill bytes, occupies a decoder for half a
minute. Encoders write at most 20 scans, and no fill bytes.
"""

from __future__ import annotations

MAX_SCANS = 100
MAX_FILL_BYTES = 100_000
_START = b"\xff\xd8"
_SCAN = b"\xff\xda"
_FILL = b"\xff\xff"


def excess(data: bytes) -> str | None:
    """Exceeded bound of a JPEG, in words; None if there is none, and for other formats.

    In coded data each 0xFF is followed by 0x00 or a marker, so a scan's marker does not occur by chance. Thumbnails in
    the header add their own few scans.
    """
    if not data.startswith(_START):
        return None
    if (scans := data.count(_SCAN)) > MAX_SCANS:
        return f"{scans} scans; permitted: {MAX_SCANS}"
    if (fill_bytes := 2 * data.count(_FILL)) > MAX_FILL_BYTES:
        return f"{fill_bytes} fill bytes; permitted: {MAX_FILL_BYTES}"
    return None
