"""SFace embedding (Zhong et al., 2021) in OpenCV, which distinguishes people. `mtf models fetch sface` fetches it."""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Self

import cv2
import numpy as np

from mtf.config import Screen
from mtf.core.errors import BadInput
from mtf.faces.alignment import aligned
from mtf.faces.box import Box
from mtf.faces.detectors.protocol import Landmarks
from mtf.faces.embeddings.protocol import EMBEDDINGS
from mtf.faces.face_vectors import box_with_context, unit
from mtf.faces.model_files import FOLDER, Agreed, ModelFile, digest_of, of_path, register

FILE = "face_recognition_sface_2021dec.onnx"
WEIGHTS = register(
    ModelFile(
        name="sface",
        used_for="embedding",
        file=FILE,
        size_bytes=38_696_353,
        sha256="0ba9fbfa01b5270c96627c4ef784da859931e02f04419c829e83484087c34e79",
        license="Apache-2.0",
        trained_on="CASIA-WebFace, VGGFace2 or MS-Celeb-1M; the publisher does not say which",
        data_license="LicenseRef-Non-Commercial-Research",
        agreed=Agreed.NOT_ASKED,
        url=f"https://github.com/opencv/opencv_zoo/raw/main/models/face_recognition_sface/{FILE}",
    )
)
INPUT_PX = 112


@EMBEDDINGS.register("sface")
class SFace:
    """SFace on the face aligned by its landmarks, as it was trained; without landmarks, on the face's box."""

    distinguishes_people: ClassVar[bool] = True

    def __init__(self, weights: Path) -> None:
        self._weights = weights

    @classmethod
    def from_params(cls, screen: Screen, *, root: Path) -> Self:
        """Create SFace from the published file, or from the ONNX file `screen.embedding_weights`.

        Raises BadInput if the file does not exist, or is none that OpenCV can read.
        """
        weights = _weights_file(screen, root=root)
        _model(weights)
        return cls(weights)

    @classmethod
    def model_files(cls, screen: Screen, *, root: Path) -> list[ModelFile]:
        """The network; the published one, or one of your own."""
        return [of_path(root / screen.embedding_weights, WEIGHTS) if screen.embedding_weights else WEIGHTS]

    def fingerprint(self) -> dict[str, Any]:
        """OpenCV's version and the digest of the model file."""
        return {"name": "sface", "version": cv2.__version__, "weights": digest_of(self._weights)}

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
    where = "params.yaml: screen.embedding_weights"
    if screen.embedding_weights is None:
        return WEIGHTS.located("params.yaml: screen.embedding: 'sface'", root=root)
    path = root / screen.embedding_weights
    fetch = f"`mtf models fetch {WEIGHTS.name}` puts {FILE} at {root / FOLDER / FILE}; null finds it there"
    if not path.is_file():
        raise BadInput(f"{where}: no file {screen.embedding_weights!r}; {fetch}")
    if path.name == FILE and not WEIGHTS.is_copy(path):
        raise BadInput(f"{where}: {screen.embedding_weights!r} is not the published {FILE}: another sha256; {fetch}")
    return path


@cache
def _model(weights: Path) -> cv2.FaceRecognizerSF:
    """Model, loaded once per process. Raises BadInput."""
    try:
        return cv2.FaceRecognizerSF.create(str(weights), "")
    except cv2.error as error:
        reason = " ".join(str(error).split())[:120]
        raise BadInput(f"{weights.name}: not a model that OpenCV can read: {reason}") from None
