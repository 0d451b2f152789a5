"""A detector and an embedding as another package would bring them: registered when this module is imported."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from mtf.config import Crop, Screen
from mtf.faces.box import Box
from mtf.faces.detectors import DETECTORS, Detection, Landmarks
from mtf.faces.embeddings import EMBEDDINGS


@DETECTORS.register("middle")
class Middle:
    """The middle half of every picture is a face."""

    colour: ClassVar[bool] = True
    side_px: int = 100
    version: ClassVar[str] = "1"

    @classmethod
    def from_params(cls, crop: Crop, *, root: Path) -> Self:  # noqa: ARG003
        return cls()

    @classmethod
    def describe(cls, crop: Crop) -> str:  # noqa: ARG003
        return "the detector that finds the middle"

    def fingerprint(self) -> dict[str, Any]:
        return {"name": "middle", "version": self.version}

    def __call__(self, pixels: np.ndarray) -> list[Detection]:
        height, width, _ = pixels.shape
        box = Box(width // 4, height // 4, width // 2, height // 2)
        points = ((0.4, 0.4), (0.6, 0.4), (0.5, 0.5), (0.4, 0.6), (0.6, 0.6))
        return [Detection(box, 0.75, Landmarks(*((x * width, y * height) for x, y in points)))]


@EMBEDDINGS.register("mean-colour")
class MeanColour:
    """The mean colour of the face, as a direction."""

    @classmethod
    def from_params(cls, screen: Screen, *, root: Path) -> Self:  # noqa: ARG003
        return cls()

    def fingerprint(self) -> dict[str, Any]:
        return {"name": "mean-colour", "version": "1"}

    def __call__(self, pixels: np.ndarray, box: Box, landmarks: Landmarks | None = None) -> np.ndarray:  # noqa: ARG002
        face = pixels[box.y : box.y + box.height, box.x : box.x + box.width]
        mean = face.reshape(-1, 3).mean(axis=0) + 1
        return (mean / np.linalg.norm(mean)).astype(np.float32)
