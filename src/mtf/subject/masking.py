"""Pictures with other people's faces masked, so that one person's answer shows nobody else."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from mtf.faces import crop, decoding
from mtf.faces.box import Box
from mtf.faces.decoding import Unreadable

# Hair and ears beside the detected box are hidden, too.
MARGIN_SHARE = 0.25
JPEG_QUALITY = 90
_GREY = (128, 128, 128)


def masked(data: bytes, boxes: Sequence[tuple[int, int, int, int]], *, max_pixels: int) -> bytes | None:
    """Picture with the `boxes` (x, y, width, height; pixels of the upright picture) filled in grey.

    Without boxes the bytes themselves, unread. None if the picture cannot be decoded, so that nothing can be masked.
    """
    if not boxes:
        return data
    try:
        pixels = decoding.colour(data, decoding.header(data, max_pixels=max_pixels))
    except Unreadable:
        return None
    return crop.encoded(_filled(pixels, boxes), quality=JPEG_QUALITY)


def _filled(pixels: np.ndarray, boxes: Sequence[tuple[int, int, int, int]]) -> np.ndarray:
    shape = (pixels.shape[0], pixels.shape[1])
    filled = np.ascontiguousarray(pixels)
    for box in boxes:
        place = Box(*box).with_margin(MARGIN_SHARE, shape=shape)
        corner = (place.x + place.width, place.y + place.height)
        cv2.rectangle(filled, (place.x, place.y), corner, _GREY, thickness=cv2.FILLED)
    return filled
