"""SFace embedding (Zhong et al., 2021) in OpenCV, which distinguishes people. The model file is fetched by hand."""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Self

import cv2
import numpy as np

from mtf.config import Screen
from mtf.core.errors import BadInput
from mtf.core.hashing import file_digest
from mtf.faces.alignment import aligned
from mtf.faces.box import Box
from mtf.faces.detectors.protocol import Landmarks
from mtf.faces.embeddings.protocol import EMBEDDINGS
from mtf.faces.face_vectors import box_with_context, unit

ADDRESS = "https://github.com/opencv/opencv_zoo/tree/main/models/face_recognition_sface"
INPUT_PX = 112


@EMBEDDINGS.register("sface")
class SFace:
    """SFace on the face aligned by its landmarks, as it was trained; without landmarks, on the face's box."""

    distinguishes_people: ClassVar[bool] = True

    def __init__(self, weights: Path) -> None:
        self._weights = weights

    @classmethod
    def from_params(cls, screen: Screen, *, root: Path) -> Self:
        """Create SFace from the ONNX file `screen.embedding_weights`. Raises BadInput if it does not exist."""
        return cls(_weights_file(screen, root=root))

    def fingerprint(self) -> dict[str, Any]:
        """OpenCV's version and the digest of the model file."""
        return {"name": "sface", "version": cv2.__version__, "weights": file_digest(self._weights)}

    def __call__(self, pixels: np.ndarray, box: Box, landmarks: Landmarks | None = None) -> np.ndarray:
        """Vector (128,) float32, of length one. Raises BadInput for a file that is no model."""
        face = network_input(pixels, box, landmarks)
        return unit(np.asarray(_model(self._weights).feature(face), np.float32).ravel())


def network_input(pixels: np.ndarray, box: Box, landmarks: Landmarks | None) -> np.ndarray:
    """Face of the network's size: aligned, or the box if there are no landmarks or they coincide."""
    if landmarks is not None:
        with suppress(ValueError):
            return aligned(pixels, landmarks, side_px=INPUT_PX)
    return box_with_context(pixels, box, share=0.0, side_px=INPUT_PX)


def _weights_file(screen: Screen, *, root: Path) -> Path:
    hint = f"{ADDRESS} has face_recognition_sface_2021dec.onnx; put it there"
    if screen.embedding_weights is None:
        raise BadInput(f"params.yaml: screen.embedding_weights: 'sface' needs the path of its ONNX file; {hint}")
    path = root / screen.embedding_weights
    if not path.is_file():
        raise BadInput(f"params.yaml: screen.embedding_weights: no file {screen.embedding_weights!r}; {hint}")
    return path


@cache
def _model(weights: Path) -> cv2.FaceRecognizerSF:
    """Model, loaded once per process. Raises BadInput."""
    try:
        return cv2.FaceRecognizerSF.create(str(weights), "")
    except cv2.error as error:
        reason = " ".join(str(error).split())[:120]
        raise BadInput(f"{weights.name}: not a model that OpenCV can read: {reason}") from None
