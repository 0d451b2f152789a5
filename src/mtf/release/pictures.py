"""One crop as it is published: a square of a fixed size, made of pixels and nothing else."""

from __future__ import annotations

import io

from PIL import Image

from mtf.faces.box import Box


def published(data: bytes, *, face: Box, size_px: int, jpeg_quality: int) -> bytes:
    """A crop's file as a JPEG of `size_px` × `size_px`, without EXIF, GPS, thumbnail, comment or colour profile.

    `data` is one picture in any format Pillow reads, `face` the face's box in its pixels. The same input gives the
    same bytes. Enlarging and reducing use Lanczos' filter. MTF (section 3.2) publishes 1024 × 1024.
    """
    with Image.open(io.BytesIO(data)) as opened:
        pixels = opened.convert("RGB")
    left, top, side = square(pixels.width, pixels.height, face)
    window = (left, top, left + side, top + side)
    resized = pixels.resize((size_px, size_px), Image.Resampling.LANCZOS, box=window)
    return _encoded(resized, jpeg_quality)


def square(width: int, height: int, face: Box) -> tuple[int, int, int]:
    """Left, top and side of the largest square of a `width` × `height` crop, as nearly centred on the face as it fits.

    A crop is the square box with its margin, so it is a square but where the picture's edge cuts the margin. There
    the margin across from it is cut as well: nothing is stretched, nothing made up, and the box stays whole.
    """
    side = min(width, height)
    left = round(face.x + face.width / 2 - side / 2)
    top = round(face.y + face.height / 2 - side / 2)
    return min(max(left, 0), width - side), min(max(top, 0), height - side), side


def _encoded(pixels: Image.Image, jpeg_quality: int) -> bytes:
    # A new image of the bare pixels: what `convert` and `resize` carry along in `info` would be written otherwise.
    bare = Image.frombytes("RGB", pixels.size, pixels.tobytes())
    buffer = io.BytesIO()
    bare.save(buffer, "JPEG", quality=jpeg_quality, optimize=True)
    return buffer.getvalue()
