"""Visibility of eyes and mouth (ISO/IEC 29794-5, 7.4.5 Eyes visible, 7.4.6 Mouth occlusion prevention).

A logistic regression on histograms of oriented gradients (Dalal and Triggs, 2005) of the region around the eyes or the
mouth, aligned by the landmarks. An eye and a mouth have edges that glasses, masks and hands have not; light and skin
colour hardly change them. The weights are in `weights.json`, fitted by `benchmarks/quality.py --fit` on one
half of FairFace's pictures (CC BY 4.0), with drawn sunglasses and covered mouths.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from mtf.core.hashing import file_digest
from mtf.faces.alignment import similarity_transform
from mtf.faces.detectors import Landmarks
from mtf.faces.model_files import Agreed, ModelFile, PackagedFile, register

SIDE_PX = 128
# Places of the eyes and of the corners of the mouth in an aligned square of SIDE_PX.
PLACES = np.array([[44, 48], [84, 48], [49, 92], [79, 92]], np.float64)
CELL_PX, BINS = 16, 8
WEIGHTS_FILE = Path(__file__).with_name("weights.json")
WEIGHTS = register(
    ModelFile(
        name="occlusion",
        used_for="measure of a face",
        file="occlusion-weights.json",
        size_bytes=WEIGHTS_FILE.stat().st_size,
        sha256=file_digest(WEIGHTS_FILE),
        license="Apache-2.0",
        trained_on="FairFace",
        data_license="CC-BY-4.0",
        agreed=Agreed.NOT_ASKED,
        package=PackagedFile("mtf", "mtf", "faces/occlusion/weights.json"),
    )
)


class Region(NamedTuple):
    """Part of the aligned square, in pixels; width and height are multiples of CELL_PX."""

    x: int
    y: int
    width: int
    height: int


REGIONS = {"eyes": Region(24, 24, 80, 48), "mouth": Region(32, 64, 64, 64)}


class Visibility(NamedTuple):
    """Scores of one face from 0 (hidden) to 1 (visible)."""

    eyes: float
    mouth: float


def visibility(pixels: np.ndarray, landmarks: Landmarks) -> Visibility | None:
    """Visibility of eyes and mouth; None if the landmarks coincide.

    pixels: (height, width, 3; blue, green, red) or grey (height, width), uint8.
    landmarks: in pixels of the picture.
    """
    found = aligned_grey(pixels, landmarks)
    if found is None:
        return None
    return Visibility(*(_score(features(found, name), name) for name in ("eyes", "mouth")))


def aligned_grey(pixels: np.ndarray, landmarks: Landmarks) -> np.ndarray | None:
    """Grey face (SIDE_PX, SIDE_PX) with eyes and mouth at PLACES; None if the landmarks coincide.

    The nose is left out: in a turned head it would shift the rest.
    """
    grey = cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY) if pixels.ndim == 3 else pixels
    points = np.asarray(landmarks, np.float64)[[0, 1, 3, 4]]
    if not np.isfinite(points).all():
        return None
    try:
        matrix = similarity_transform(points, PLACES)
    except ValueError:
        return None
    # A large face is reduced first: sampled at few points, its noise would count as edges.
    scale = float(np.hypot(*matrix[:, 0]))
    if scale < 0.5:
        grey = cv2.resize(grey, None, fx=2 * scale, fy=2 * scale, interpolation=cv2.INTER_AREA)
        matrix[:, :2] /= 2 * scale
    return cv2.warpAffine(grey, matrix, (SIDE_PX, SIDE_PX), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def features(face: np.ndarray, name: str) -> np.ndarray:
    """Histograms of oriented gradients (n,) of one of REGIONS of an aligned grey face."""
    region = REGIONS[name]
    part = face[region.y : region.y + region.height, region.x : region.x + region.width]
    return np.asarray(_descriptor(region.width, region.height).compute(np.ascontiguousarray(part))).ravel()


@cache
def _descriptor(width: int, height: int) -> cv2.HOGDescriptor:
    block, cell = (2 * CELL_PX, 2 * CELL_PX), (CELL_PX, CELL_PX)
    return cv2.HOGDescriptor((width, height), block, cell, cell, BINS)


@cache
def _weights(name: str) -> tuple[np.ndarray, float]:
    stored = json.loads(WEIGHTS_FILE.read_text(encoding="utf-8"))[name]
    return np.array(stored["weights"], np.float64), float(stored["bias"])


def _score(values: np.ndarray, name: str) -> float:
    weights, bias = _weights(name)
    return float(1 / (1 + np.exp(np.clip(weights @ values + bias, -50, 50))))
