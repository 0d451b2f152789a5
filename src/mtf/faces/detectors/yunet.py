"""YuNet (Wu et al., 2023): boxes and five landmarks from OpenCV's implementation.

`mtf models fetch yunet` fetches the network.

The weights (MIT) were trained on WIDER FACE.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

import cv2
import numpy as np
from pydantic import Field

from mtf.config import Crop, Section, Share
from mtf.core.errors import BadInput
from mtf.faces.detectors.protocol import DETECTORS, Detection, parameters
from mtf.faces.detectors.suppression import Candidates, best
from mtf.faces.model_files import FOLDER, Agreed, ModelFile, digest_of, of_path, register

FILE = "face_detection_yunet_2023mar.onnx"
WEIGHTS = register(
    ModelFile(
        name="yunet",
        used_for="detector",
        file=FILE,
        size_bytes=232_589,
        sha256="8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
        license="MIT",
        trained_on="WIDER FACE",
        data_license="CC-BY-NC-ND-4.0",
        agreed=Agreed.NOT_ASKED,
        url=f"https://github.com/opencv/opencv_zoo/raw/main/models/face_detection_yunet/{FILE}",
    )
)
_FETCH = f"`mtf models fetch {WEIGHTS.name}` puts it at {FOLDER}/{FILE}"
MAX_CANDIDATES = 5000
SIDES_PX = (320,)


class YuNetParameters(Section):
    """Parameters `crop.detectors.yunet`.

    weights: path of the ONNX file, relative to the project.
    min_score: lowest confidence of a face, 0 to 1.
    sides_px: longer side of the picture at each scale.
    max_overlap: largest intersection over union of two boxes; beyond it, the one with the higher score stays.
    """

    weights: str = f"{FOLDER}/{FILE}"
    min_score: Share = 0.6
    sides_px: Annotated[tuple[Annotated[int, Field(ge=64, le=2048)], ...], Field(min_length=1, max_length=4)] = SIDES_PX
    max_overlap: Share = 0.3


@DETECTORS.register("yunet")
class YuNet:
    """YuNet at one or several scales; finds faces down to `crop.min_face_share` of the picture's shorter side."""

    colour: ClassVar[bool] = True

    def __init__(self, weights: Path, settings: YuNetParameters, *, min_face_share: float) -> None:
        self._weights = weights
        self._settings = settings
        self._min_face_share = min_face_share
        self.side_px = max(settings.sides_px)

    @classmethod
    def from_params(cls, crop: Crop, *, root: Path) -> Self:
        """Create YuNet from `crop.detectors.yunet`.

        Raises BadInput for a missing file, a file named FILE with another digest, and a file that OpenCV cannot read.
        A file of another name may be any YuNet.
        """
        settings = parameters(crop, "yunet", YuNetParameters)
        path = root / settings.weights
        _check(path, name=settings.weights)
        _network(path, (32, 32))
        return cls(path, settings, min_face_share=crop.min_face_share)

    @classmethod
    def model_files(cls, crop: Crop, *, root: Path) -> list[ModelFile]:
        """The network; the published one, or one of your own."""
        return [of_path(root / parameters(crop, "yunet", YuNetParameters).weights, WEIGHTS)]

    @classmethod
    def describe(cls, crop: Crop) -> str:
        """Name, paper and lowest score."""
        settings = parameters(crop, "yunet", YuNetParameters)
        return f"the detector YuNet (Wu et al., 2023; a score of at least {settings.min_score})"

    def fingerprint(self) -> dict[str, Any]:
        """OpenCV's version, the digest of the network, and the parameters without the file's path."""
        return {
            "name": "yunet",
            "version": cv2.__version__,
            "min_face_share": self._min_face_share,
            **self._settings.model_dump(mode="json"),
            "weights": digest_of(self._weights),
        }

    def __call__(self, pixels: np.ndarray) -> list[Detection]:
        """Faces in `pixels` (height, width, 3; blue, green, red), highest score first."""
        shape = (pixels.shape[0], pixels.shape[1])
        by_scale = [self._at_scale(pixels, side_px) for side_px in self._settings.sides_px]
        smallest_px = max(self._min_face_share * min(shape), 1.0)
        candidates = Candidates.joined(by_scale).inside(shape)
        return best(candidates, max_overlap=self._settings.max_overlap, min_side_px=smallest_px).detections(shape)

    def _at_scale(self, pixels: np.ndarray, side_px: int) -> Candidates:
        scale = side_px / max(pixels.shape[:2])
        height, width = (max(round(side * scale), 1) for side in pixels.shape[:2])
        resized = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        network = _network(self._weights, (width, height))
        network.setScoreThreshold(self._settings.min_score)
        network.setNMSThreshold(self._settings.max_overlap)
        rows = network.detect(resized)[1]
        # Each row: left, top, width, height; right eye, left eye, nose and corners of the mouth by the person's side,
        # which is left to right in the picture; score.
        rows = np.zeros((0, 15), np.float32) if rows is None else rows
        corners = np.concatenate([rows[:, :2], rows[:, :2] + rows[:, 2:4]], axis=1)
        return Candidates(corners / scale, rows[:, 14], rows[:, 4:14].reshape(-1, 5, 2) / scale)


def _check(path: Path, *, name: str) -> None:
    where = "params.yaml: crop.detectors.yunet.weights"
    if not path.is_file():
        raise BadInput(f"{where}: no file {name!r}; {_FETCH}")
    if path.name == FILE and not WEIGHTS.is_copy(path):
        raise BadInput(f"{where}: {name!r} is not the published {FILE}: another sha256; {_FETCH}")


@lru_cache(maxsize=12)
def _network(weights: Path, size: tuple[int, int]) -> cv2.FaceDetectorYN:
    """Network, loaded once per process and (width, height) of the input. Raises BadInput."""
    try:
        return cv2.FaceDetectorYN.create(str(weights), "", size, top_k=MAX_CANDIDATES)
    except cv2.error as error:
        reason = " ".join(str(error).split())[:120]
        raise BadInput(f"{weights.name}: not a model that OpenCV can read: {reason}") from None
