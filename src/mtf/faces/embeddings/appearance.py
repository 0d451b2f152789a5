"""Appearance embedding of outlines and colours, to find the same shot in two pictures. It has no weights."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Self

import cv2
import numpy as np

from mtf.config import Screen
from mtf.faces.box import Box
from mtf.faces.detectors.protocol import Landmarks
from mtf.faces.embeddings.protocol import EMBEDDINGS, refuse_weights
from mtf.faces.face_vectors import box_with_context, unit
from mtf.faces.model_files import ModelFile

# Margin around the box: hair, collar and background distinguish shots that look alike in the face.
CONTEXT_SHARE = 0.2
SIDE_PX = 64
CELL_PX = 16
ORIENTATIONS = 9
# A smaller sigma lets JPEG noise dominate; a larger one removes the eyes. Chosen on shifted and recompressed ORL shots.
BLUR_PX = 1.0
# Colours of 4 × 4 fields, relative to outlines of length one. Twice this weight separates a burst by white balance.
COLOUR_FIELDS = 4
COLOUR_WEIGHT = 0.25


@EMBEDDINGS.register("appearance")
class Appearance:
    """Registered embedding `appearance`."""

    @classmethod
    def from_params(cls, screen: Screen, *, root: Path) -> Self:  # noqa: ARG003  (it has no files)
        """Create the embedding; it has no parameters. Raises BadInput if `screen` names a file of weights."""
        refuse_weights(screen)
        return cls()

    @classmethod
    def model_files(cls, screen: Screen, *, root: Path) -> list[ModelFile]:  # noqa: ARG003  (it has neither)
        """No file: it has no weights."""
        return []

    def fingerprint(self) -> dict[str, Any]:
        """OpenCV's version: OpenCV computes the gradients and colours."""
        return {"name": "appearance", "version": cv2.__version__}

    def __call__(self, pixels: np.ndarray, box: Box, landmarks: Landmarks | None = None) -> np.ndarray:  # noqa: ARG002
        """Vector (356,) float32, of length one (`appearance`)."""
        return appearance(pixels, box)


def appearance(pixels: np.ndarray, box: Box) -> np.ndarray:
    """Vector of outlines (HOG) and coarse colours of the face and its surroundings: (356,) float32, of length one."""
    around = box_with_context(pixels, box, share=CONTEXT_SHARE, side_px=SIDE_PX)
    return unit(np.concatenate([_outlines(around), _colours(around)]))


def _outlines(around: np.ndarray) -> np.ndarray:
    """Histograms of gradients without their means, which are alike in all pictures and would dominate."""
    grey = cv2.GaussianBlur(cv2.cvtColor(around, cv2.COLOR_BGR2GRAY), (0, 0), BLUR_PX)
    histograms = np.asarray(_hog().compute(grey), np.float32).reshape(-1, ORIENTATIONS)
    return unit((histograms - histograms.mean(axis=1, keepdims=True)).ravel())


def _colours(around: np.ndarray) -> np.ndarray:
    """Colour channels of CIE Lab, without lightness; zero for a grey picture."""
    fields = cv2.resize(around, (COLOUR_FIELDS, COLOUR_FIELDS), interpolation=cv2.INTER_AREA)
    lab = cv2.cvtColor(fields.astype(np.float32) / 255, cv2.COLOR_BGR2Lab)
    return COLOUR_WEIGHT * (lab[:, :, 1:] / 100).ravel()


@cache
def _hog() -> cv2.HOGDescriptor:
    block = (2 * CELL_PX, 2 * CELL_PX)
    return cv2.HOGDescriptor((SIDE_PX, SIDE_PX), block, (CELL_PX, CELL_PX), (CELL_PX, CELL_PX), ORIENTATIONS)
