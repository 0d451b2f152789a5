"""Bounds on what a JPEG may cost to decode, judged without decoding it.

A progressive JPEG repeats scans over the whole picture, and any number of fill bytes may stand before a marker (ITU
T.81, sections B.1.1.2 and G.1.2): 123 KB of the first, or 12 MB of the second, hold a decoder for half a minute.
Encoders write 20 scans at most and no fill bytes.
"""

from __future__ import annotations

MAX_SCANS = 100
MAX_FILL_BYTES = 100_000
_START = b"\xff\xd8"
_SCAN = b"\xff\xda"
_FILL = b"\xff\xff"


def excess(data: bytes) -> str | None:
    """What of a JPEG exceeds the bounds, in words; None where nothing does, and for other formats.

    In coded data each 0xFF is followed by 0x00 or a marker, so a scan's marker is not met by chance. Thumbnails in the
    header add their own few scans.
    """
    if not data.startswith(_START):
        return None
    if (scans := data.count(_SCAN)) > MAX_SCANS:
        return f"{scans} scans; permitted: {MAX_SCANS}"
    if (fill_bytes := 2 * data.count(_FILL)) > MAX_FILL_BYTES:
        return f"{fill_bytes} fill bytes; permitted: {MAX_FILL_BYTES}"
    return None
