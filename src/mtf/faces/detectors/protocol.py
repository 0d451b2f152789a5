"""The detector protocol: upright pixels in, boxes with scores and landmarks out."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol, Self

import numpy as np

from mtf.faces.box import Box
from mtf.faces.registry import Registry
from mtf.params import Crop


class Landmarks(NamedTuple):
    """Five points of a face, each (x, y) in pixels. Left and right are the picture's, not the person's.

    The order is the one of MTCNN, CenterFace and ArcFace's alignment template.
    """

    left_eye: tuple[float, float]
    right_eye: tuple[float, float]
    nose: tuple[float, float]
    left_mouth: tuple[float, float]
    right_mouth: tuple[float, float]

    def scaled(self, shape: tuple[int, int], to: tuple[int, int]) -> Landmarks:
        """The same points in a picture of shape `to`; both shapes are (height, width)."""
        down, across = to[0] / shape[0], to[1] / shape[1]
        return Landmarks(*((x * across, y * down) for x, y in self))


class Detection(NamedTuple):
    """One face, in pixels of the picture that the detector was given.

    box: inside the picture, at least one pixel wide and high.
    score: the detector's confidence, 0 to 1; None where it has none.
    landmarks: five points, which may lie outside the box; None where the detector finds none.
    """

    box: Box
    score: float | None = None
    landmarks: Landmarks | None = None


class Detector(Protocol):
    """A face detector.

    colour: the pixels it reads, (height, width, 3) in blue, green, red if true, else (height, width) in grey.
    side_px: the shorter side at which pictures are given to it; larger ones are reduced, smaller ones left alone.
    """

    colour: ClassVar[bool]
    side_px: int

    @classmethod
    def from_params(cls, crop: Crop, *, root: Path) -> Self:
        """The detector with its parameters in `crop`; `root` is what relative paths of model files start from.

        Raises BadInput for a parameter that is not permitted, and for a model file that is missing or unreadable.
        """
        ...

    def fingerprint(self) -> dict[str, Any]:
        """All that decides its results: name, version, parameters and the sha256 of its weights, as JSON values."""
        ...

    def __call__(self, pixels: np.ndarray) -> list[Detection]:
        """The faces in `pixels` (uint8, upright), in any order; an empty list where there is none."""
        ...


DETECTORS: Registry[type[Detector]] = Registry(key="crop.detector", group="mtf.detectors")


def create(crop: Crop, *, root: Path = Path()) -> Detector:
    """The detector that `crop.detector` names. Raises BadInput for an unknown name; see also Detector.from_params."""
    return DETECTORS.get(crop.detector).from_params(crop, root=root)
