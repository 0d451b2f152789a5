"""Process that makes thumbnails of files that nobody has looked at, for `thumbnails`.

A program of its own, started with Python's isolated mode. A request is the length of a file (8 bytes, big-endian) and
the file; the answer is the length of its thumbnail and the thumbnail, a JPEG file without metadata; the length 0 stands
for a file that is no picture. A file that costs more than CPU_S seconds, or too much memory, ends the process.
"""

from __future__ import annotations

import io
import signal
import struct
import sys
import warnings
from contextlib import suppress
from typing import BinaryIO

LENGTH = struct.Struct(">Q")
SIDE_PX = 96
CPU_S = 5.0
MAX_PIXELS = 120_000_000
MEMORY_BYTES = 2 * 2**30
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")


def main() -> None:
    _limit_memory()
    source, target = sys.stdin.buffer, sys.stdout.buffer
    while len(length := source.read(LENGTH.size)) == LENGTH.size:
        data = source.read(LENGTH.unpack(length)[0])
        _limit_cpu(CPU_S)
        made = thumbnail(data)
        _limit_cpu(0)
        _answer(target, made)


def thumbnail(data: bytes) -> bytes:
    """Thumbnail, at most 96 × 96 pixels, as a JPEG file; empty for a file that Pillow cannot read."""
    from PIL import Image, ImageOps

    Image.MAX_IMAGE_PIXELS = None  # the size is judged here
    try:
        with warnings.catch_warnings(), Image.open(io.BytesIO(data), formats=FORMATS) as opened:
            warnings.simplefilter("ignore")
            if opened.width * opened.height > MAX_PIXELS:
                return b""
            opened.draft("RGB", (2 * SIDE_PX, 2 * SIDE_PX))
            pixels = ImageOps.exif_transpose(opened).convert("RGB")
        pixels.thumbnail((SIDE_PX, SIDE_PX))
        bare = Image.frombytes("RGB", pixels.size, pixels.tobytes())
        buffer = io.BytesIO()
        bare.save(buffer, "JPEG", quality=70)
    except Exception:  # a hostile file may raise anything
        return b""
    return buffer.getvalue()


def _answer(target: BinaryIO, data: bytes) -> None:
    target.write(LENGTH.pack(len(data)) + data)
    target.flush()


def _limit_cpu(seconds: float) -> None:
    """End the process after so many seconds of processor time from now: no handler could interrupt a decoder."""
    if hasattr(signal, "setitimer"):  # not on Windows
        signal.setitimer(signal.ITIMER_PROF, seconds)


def _limit_memory() -> None:
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        with suppress(ValueError, OSError):  # macOS knows no such limit
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))


if __name__ == "__main__":
    main()
