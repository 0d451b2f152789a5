"""Encoding of published pictures: a crop's square as a JPEG without metadata.

The same input gives the same bytes. Files have no EXIF, GPS, thumbnail, comment or colour profile.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from PIL import Image

from mtf.faces.alignment import aligned_face, aligned_side_px
from mtf.faces.box import Box
from mtf.faces.landmarks import Landmarks


@dataclass(frozen=True)
class Encoding:
    """Encoding of the published pictures: parameters of `Release`.

    - `size_px`: largest side;
    - `jpeg_quality`: 1 to 100;
    - `enlarge`: smaller crops get this side, too.
    """

    size_px: int
    jpeg_quality: int
    enlarge: bool = False

    def side_px(self, crop_px: int) -> int:
        """Side of the published square of a crop's square with the side `crop_px`."""
        return self.size_px if self.enlarge else min(self.size_px, crop_px)


class EncodedSquare(NamedTuple):
    """Encoded picture.

    - `data`: JPEG;
    - `side_px`, `crop_px`: its side, and that of the square in the crop.
    """

    data: bytes
    side_px: int
    crop_px: int


def published_square(data: bytes, *, face: Box, encoding: Encoding) -> EncodedSquare:
    """Square of a crop's file around the face.

    `data` is one picture in any format Pillow reads, `face` the face's box in its pixels. Enlarging and reducing use
    Lanczos' filter. MTF (section 3.2) publishes 1024 × 1024.
    """
    with Image.open(io.BytesIO(data)) as opened:
        pixels = opened.convert("RGB")
    left, top, crop_px = square(pixels.width, pixels.height, face)
    side = encoding.side_px(crop_px)
    window = (left, top, left + crop_px, top + crop_px)
    resized = pixels.resize((side, side), Image.Resampling.LANCZOS, box=window)
    return EncodedSquare(_encoded(resized, encoding.jpeg_quality), side, crop_px)


def published_aligned(data: bytes, landmarks: Landmarks, *, encoding: Encoding) -> EncodedSquare:
    """Square of a crop's file with the face turned upright and scaled by its landmarks, in pixels of the crop.

    Past the crop's edge, its border pixels repeat. Raises ValueError if the landmarks coincide.
    """
    with Image.open(io.BytesIO(data)) as opened:
        pixels = np.asarray(opened.convert("RGB"))
    crop_px = max(1, round(aligned_side_px(landmarks)))
    side = encoding.side_px(crop_px)
    face = aligned_face(pixels, landmarks.as_row(), side_px=side)
    if face is None:
        raise ValueError("its landmarks coincide")
    return EncodedSquare(_encoded(Image.fromarray(face), encoding.jpeg_quality), side, crop_px)


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
