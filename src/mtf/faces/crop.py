"""Crops of the faces in a picture's file: decode, detect, cut with a margin, encode as JPEG."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from mtf.config import Crop
from mtf.faces import decoding, detectors
from mtf.faces.box import Box
from mtf.faces.detectors import Detection, Detector, Landmarks


class CutFace(NamedTuple):
    """A face and its crop, in pixels of the upright image.

    box: as detected.
    place: box with its margin, as cut.
    shape: (height, width) of the image.
    jpeg: file of the crop.
    score: confidence of the detector, 0 to 1; None if it has none.
    landmarks: five points; None if the detector finds none.
    """

    box: Box
    place: Box
    shape: tuple[int, int]
    jpeg: bytes
    score: float | None = None
    landmarks: Landmarks | None = None


def cut_faces(data: bytes, crop: Crop, *, max_pixels: int, detector: Detector | None = None) -> list[CutFace]:
    """Detect and cut the faces of a picture; sorted by box.

    `detector` is by default that of `crop`. The picture is decoded in full size only if it has a face. Raises
    decoding.Unreadable, and BadInput if the detector cannot be created.
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
    """Part of `pixels` (height, width, …) inside `place`; a view, not a copy."""
    return pixels[place.y : place.y + place.height, place.x : place.x + place.width]


def encoded(pixels: np.ndarray, *, quality: int) -> bytes:
    """JPEG of pixels (height, width, 3; blue, green, red), without metadata; `quality` is 1 to 100."""
    _, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return data.tobytes()


def decoded(jpeg: bytes) -> np.ndarray:
    """Pixels of a crop (height, width, 3; blue, green, red). Raises ValueError for bytes that are no picture."""
    pixels = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    if pixels is None:
        raise ValueError("these bytes are no crop that `encoded` wrote")
    return pixels
