"""From a picture's bytes to its faces' crops."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from mtf.config import Crop
from mtf.faces import decoding, detectors
from mtf.faces.box import Box
from mtf.faces.detectors import Detection, Detector, Landmarks


class CutFace(NamedTuple):
    """A face, in pixels of the upright image.

    box: as detected.
    place: the box with its margin, as cut.
    shape: the image's (height, width).
    jpeg: the crop's file.
    score: the detector's confidence, 0 to 1, if it has one.
    landmarks: five points, if the detector finds them.
    """

    box: Box
    place: Box
    shape: tuple[int, int]
    jpeg: bytes
    score: float | None = None
    landmarks: Landmarks | None = None


def cut_faces(data: bytes, crop: Crop, *, max_pixels: int, detector: Detector | None = None) -> list[CutFace]:
    """The faces of a picture, sorted by box; none where the detector finds none.

    `detector` is the one of `crop` unless given. All of the picture's pixels are decoded only where it has a face.
    Raises decode.Unreadable, and BadInput for a detector that cannot be had.
    """
    detector = detector or detectors.create(crop)
    header = decoding.header(data, max_pixels=max_pixels)
    reduced = decoding.reduced(data, header, side_px=detector.side_px, colour=detector.colour)
    found = detector(reduced)
    if not found:
        return []
    pixels = decoding.colour(data, header)
    faces = {face.box: face for face in _in_full_size(found, reduced, pixels)}
    return [_cut_face(pixels, faces[box], crop) for box in sorted(faces)]


def _in_full_size(found: list[Detection], reduced: np.ndarray, pixels: np.ndarray) -> list[Detection]:
    shape, to = (reduced.shape[0], reduced.shape[1]), (pixels.shape[0], pixels.shape[1])
    return [
        Detection(face.box.scaled(shape, to), face.score, face.landmarks and face.landmarks.scaled(shape, to))
        for face in found
    ]


def _cut_face(pixels: np.ndarray, face: Detection, crop: Crop) -> CutFace:
    shape = (pixels.shape[0], pixels.shape[1])
    place = face.box.with_margin(crop.margin_share, shape=shape)
    jpeg = encoded(cut(pixels, place), quality=crop.jpeg_quality)
    return CutFace(face.box, place, shape, jpeg, face.score, face.landmarks)


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
