"""OpenCV's Haar cascades (Viola and Jones, 2001), the detector of MTF, section 3.2."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Self

import cv2
import numpy as np

from mtf.config import Crop
from mtf.faces.box import Box
from mtf.faces.detectors.protocol import DETECTORS, Detection
from mtf.faces.opencv import cascade


@DETECTORS.register("haar")
class Haar:
    """Boxes of frontal faces, without score and landmarks.

    The smallest face is `crop.min_face_share` of the shorter side (and never under the cascade's own window, 20
    to 24 pixels). A detector that steps by 1.17 meets a face in fewer sizes than one that steps by 1.1, so the
    default asks for fewer neighbours: on the 535 Congress portraits, 524 with a face and 547 boxes, where 1.1 and 5
    at full size give 520 and 550.
    """

    colour: ClassVar[bool] = False

    def __init__(self, crop: Crop) -> None:
        self._crop = crop
        self.side_px = crop.detection_side_px

    @classmethod
    def from_params(cls, crop: Crop, *, root: Path) -> Self:  # noqa: ARG003  (the cascades lie in OpenCV's package)
        """Haar with `cascade`, `scale_factor`, `min_neighbors`, `min_face_share` and `detection_side_px` of `crop`."""
        return cls(crop)

    @classmethod
    def describe(cls, crop: Crop) -> str:
        """The cascade and its parameters."""
        return f"the Haar cascade {crop.cascade} (scale factor {crop.scale_factor}, {crop.min_neighbors} neighbours)"

    def fingerprint(self) -> dict[str, Any]:
        """The cascades come with OpenCV, so its version stands for their digest."""
        parameters = ("cascade", "scale_factor", "min_neighbors", "min_face_share", "detection_side_px")
        return {"name": "haar", "version": cv2.__version__} | {key: getattr(self._crop, key) for key in parameters}

    def __call__(self, pixels: np.ndarray) -> list[Detection]:
        """The faces in grey `pixels` (height, width, uint8), sorted by box."""
        smallest_px = max(round(self._crop.min_face_share * min(pixels.shape)), 1)
        found = cascade(self._crop.cascade).detectMultiScale(
            pixels,
            scaleFactor=self._crop.scale_factor,
            minNeighbors=self._crop.min_neighbors,
            minSize=(smallest_px, smallest_px),
        )
        return [Detection(box) for box in sorted({Box(*(int(value) for value in box)) for box in found})]
