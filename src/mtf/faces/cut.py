"""From a picture's bytes to its faces' crops."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from mtf.faces import decode, detect
from mtf.faces.box import Box
from mtf.params import Crop


class CutFace(NamedTuple):
    """A face: its detected box, the box with its margin as cut, the image's (height, width), and the crop as JPEG.

    Boxes are in pixels of the upright image.
    """

    box: Box
    place: Box
    shape: tuple[int, int]
    jpeg: bytes


def cut_faces(data: bytes, crop: Crop, *, max_pixels: int) -> list[CutFace]:
    """The faces of a picture, sorted by box; none where the detector finds none.

    All of the picture's pixels are decoded only where it has a face. Raises decode.Unreadable.
    """
    header = decode.header(data, max_pixels=max_pixels)
    grey = decode.grey_for_detection(data, header, side_px=crop.detection_side_px)
    found = detect.find_faces(grey, crop)
    if not found:
        return []
    pixels = decode.colour(data, header)
    shape = (pixels.shape[0], pixels.shape[1])
    boxes = sorted({box.scaled((grey.shape[0], grey.shape[1]), shape) for box in found})
    return [_cut_face(pixels, box, crop, shape) for box in boxes]


def _cut_face(pixels: np.ndarray, box: Box, crop: Crop, shape: tuple[int, int]) -> CutFace:
    place = box.with_margin(crop.margin_share, shape=shape)
    return CutFace(box, place, shape, encoded(cut(pixels, place), quality=crop.jpeg_quality))


def cut(pixels: np.ndarray, place: Box) -> np.ndarray:
    """The part of `pixels` (height, width, …) that `place` covers; a view, not a copy."""
    return pixels[place.y : place.y + place.height, place.x : place.x + place.width]


def encoded(pixels: np.ndarray, *, quality: int) -> bytes:
    """JPEG of blue, green, red pixels. Nothing but pixels goes in: no EXIF, no place, no profile."""
    _, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return data.tobytes()


def decoded(jpeg: bytes) -> np.ndarray:
    """A crop's pixels again: (height, width, 3), blue, green, red. Raises ValueError for bytes that are no crop."""
    pixels = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    if pixels is None:
        raise ValueError("these bytes are no crop that `encoded` wrote")
    return pixels
