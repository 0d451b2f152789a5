"""Alignment of faces by five landmarks: the similarity transform onto a template.

Stored crops are not aligned. An aligned face is computed from the landmarks in the table `faces`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np

from mtf.faces.landmarks import Landmarks

# The five points of ArcFace (Deng et al., 2019) in a square of 112 pixels; SFace's network expects them too.
TEMPLATE_SIDE_PX = 112
TEMPLATE = Landmarks(
    left_eye=(38.2946, 51.6963),
    right_eye=(73.5318, 51.5014),
    nose=(56.0252, 71.7366),
    left_mouth=(41.5493, 92.3655),
    right_mouth=(70.7299, 92.2041),
)


def similarity_transform(points: np.ndarray, onto: np.ndarray) -> np.ndarray:
    """Similarity transform of `points` to `onto`, both (n, 2): a (2, 3) matrix of rotation, uniform scale and shift.

    It minimises the sum of squared distances and contains no reflection (Umeyama, 1991, eq. 40 to 43). Raises
    ValueError if all `points` coincide, so that no scale exists.
    """
    points, onto = np.asarray(points, np.float64), np.asarray(onto, np.float64)
    middle, middle_onto = points.mean(axis=0), onto.mean(axis=0)
    variance = ((points - middle) ** 2).sum() / len(points)
    if not variance > 0:
        raise ValueError("points that coincide have no similarity transform")
    covariance = (onto - middle_onto).T @ (points - middle) / len(points)
    left, singular, right = np.linalg.svd(covariance)
    signs = np.array([1.0, np.sign(np.linalg.det(left) * np.linalg.det(right)) or 1.0])
    rotation = left @ np.diag(signs) @ right
    scale = (singular * signs).sum() / variance
    linear = scale * rotation
    return np.column_stack([linear, middle_onto - linear @ middle])


def aligned_face(
    pixels: np.ndarray, row: Mapping[str, Any], *, side_px: int, origin: tuple[int, int] = (0, 0)
) -> np.ndarray | None:
    """Aligned face of a row of the table faces; None if it has no landmarks, or landmarks that coincide.

    pixels: (height, width, 3), whose upper left corner is `origin` (x, y) in the image. A larger face is reduced first:
    a transform that shrinks much would skip pixels.

    Returns (side_px, side_px, 3).
    """
    landmarks = Landmarks.of_row(row, origin=origin)
    if landmarks is None:
        return None
    shape = (pixels.shape[0], pixels.shape[1])
    try:
        scale = np.sqrt(abs(np.linalg.det(similarity_transform(np.asarray(landmarks), _template(side_px))[:, :2])))
        if scale < 1:
            smaller = max(round(shape[0] * scale), 1), max(round(shape[1] * scale), 1)
            pixels = cv2.resize(pixels, (smaller[1], smaller[0]), interpolation=cv2.INTER_AREA)
            landmarks = landmarks.scaled(shape, smaller)
        return aligned(pixels, landmarks, side_px=side_px)
    except ValueError:
        return None


def aligned_side_px(landmarks: Landmarks) -> float:
    """Side of the aligned face's square in the picture, in its pixels. Raises ValueError if the landmarks coincide."""
    transform = similarity_transform(np.asarray(landmarks), np.asarray(TEMPLATE))
    return TEMPLATE_SIDE_PX / float(np.sqrt(abs(np.linalg.det(transform[:, :2]))))


def aligned(
    pixels: np.ndarray, landmarks: Landmarks, *, side_px: int = TEMPLATE_SIDE_PX, onto: Landmarks | None = None
) -> np.ndarray:
    """Aligned face: turned upright and cut so that its landmarks match a template.

    pixels: (height, width, 3) or (height, width), uint8.
    landmarks: in pixels of the picture.
    onto: the template, in pixels of the result; by default ArcFace's, scaled to `side_px`.

    Returns (side_px, side_px, …); past the picture's edge, its border pixels repeat. Raises ValueError if the landmarks
    coincide.
    """
    template = _template(side_px) if onto is None else np.asarray(onto)
    matrix = similarity_transform(np.asarray(landmarks), template)
    return cv2.warpAffine(pixels, matrix, (side_px, side_px), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _template(side_px: int) -> np.ndarray:
    return np.asarray(TEMPLATE) * (side_px / TEMPLATE_SIDE_PX)
