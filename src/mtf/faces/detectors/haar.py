"""Haar cascades of OpenCV (Viola and Jones, 2001), the detector of MTF, section 3.2."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Self

import cv2
import numpy as np

from mtf.config import Crop
from mtf.faces.box import Box
from mtf.faces.detectors.protocol import DETECTORS, Detection
from mtf.faces.model_files import ModelFile
from mtf.faces.opencv import CASCADES, cascade


@DETECTORS.register("haar")
class Haar:
    """Haar cascade: boxes of frontal faces, without score and landmarks.

    The smallest face is `crop.min_face_share` of the shorter side, and at least the cascade's own window, 20 to 24
    pixels.

    A scale factor of 1.17 samples a face at fewer sizes than 1.1, so the default needs fewer neighbours. Measured on
    the 535 Congress portraits: a factor of 1.17 and 2 neighbours find 547 boxes and a face in 524 portraits; 1.1 and 5,
    at full size, find 550 boxes and a face in 520.
    """

    colour: ClassVar[bool] = False

    def __init__(self, crop: Crop) -> None:
        self._crop = crop
        self.side_px = crop.detection_side_px

    @classmethod
    def from_params(cls, crop: Crop, *, root: Path) -> Self:  # noqa: ARG003  (the cascades lie in OpenCV's package)
        """Create it from cascade, scale_factor, min_neighbors, min_face_share and detection_side_px of `crop`."""
        return cls(crop)

    @classmethod
    def model_files(cls, crop: Crop, *, root: Path) -> list[ModelFile]:  # noqa: ARG003  (OpenCV's own)
        """The cascade."""
        return [CASCADES[crop.cascade]]

    @classmethod
    def describe(cls, crop: Crop) -> str:
        """Name of the cascade and its parameters."""
        return f"the Haar cascade {crop.cascade} (scale factor {crop.scale_factor}, {crop.min_neighbors} neighbours)"

    def fingerprint(self) -> dict[str, Any]:
        """OpenCV's version, which includes the cascades, and the parameters."""
        parameters = ("cascade", "scale_factor", "min_neighbors", "min_face_share", "detection_side_px")
        return {"name": "haar", "version": cv2.__version__} | {key: getattr(self._crop, key) for key in parameters}

    def __call__(self, pixels: np.ndarray) -> list[Detection]:
        """Faces in grey `pixels` (height, width; uint8), sorted by box."""
        smallest_px = max(round(self._crop.min_face_share * min(pixels.shape)), 1)
        rectangles = cascade(self._crop.cascade).detectMultiScale(
            pixels,
            scaleFactor=self._crop.scale_factor,
            minNeighbors=self._crop.min_neighbors,
            minSize=(smallest_px, smallest_px),
        )
        return [Detection(box) for box in sorted({Box(*(int(value) for value in box)) for box in rectangles})]
