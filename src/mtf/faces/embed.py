"""A face as a vector of length one; the cosine distance of two, 0 to 2, says how unlike they look.

`appearance` needs no weights. It sees the same shot in two pictures (a burst, another size or compression, other
light), not the same person in two shots; for that there is `sface`, which needs OpenCV's model file.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from mtf.errors import BadInput
from mtf.faces.box import Box
from mtf.params import Screen

SFACE_ADDRESS = "https://github.com/opencv/opencv_zoo/tree/main/models/face_recognition_sface"

# The box and a fifth around it: hair, collar and background tell shots apart that the face alone does not.
CONTEXT_SHARE = 0.2
SIDE_PX = 64
CELL_PX = 16
ORIENTATIONS = 9
# Less blur, and JPEG's noise weighs; more, and the eyes go. Found on shifted and recompressed shots of ORL.
BLUR_PX = 1.0
# Colours of 4 × 4 fields, against outlines of length one. Twice this, and a warmer white balance parts a burst.
COLOUR_FIELDS = 4
COLOUR_WEIGHT = 0.25


class Embedding(Protocol):
    """Pixels of a crop (height, width, 3; blue, green, red) and the face's box in them to a vector of length one."""

    def __call__(self, pixels: np.ndarray, box: Box) -> np.ndarray: ...


def embedding(screen: Screen, *, root: Path) -> Embedding:
    """The embedding that `screen` names; `root` is what a relative `embedding_weights` is relative to.

    Raises BadInput where its weights are needed and absent.
    """
    if screen.embedding == "appearance":
        return appearance
    return _sface(weights_file(screen, root=root))


def weights_file(screen: Screen, *, root: Path) -> Path:
    """The model file of `sface`. Raises BadInput, with where it is to be had, if it is not there."""
    wanted = f"{SFACE_ADDRESS} has face_recognition_sface_2021dec.onnx; put it there"
    if screen.embedding_weights is None:
        raise BadInput(f"params.yaml: screen.embedding_weights: 'sface' needs the path of its ONNX file; {wanted}")
    path = root / screen.embedding_weights
    if not path.is_file():
        raise BadInput(f"params.yaml: screen.embedding_weights: no file {screen.embedding_weights!r}; {wanted}")
    return path


def appearance(pixels: np.ndarray, box: Box) -> np.ndarray:
    """Outlines (HOG) and coarse colours of the face and a little around it: (356,) float32."""
    around = box_with_context(pixels, box, share=CONTEXT_SHARE, side_px=SIDE_PX)
    return _unit(np.concatenate([_outlines(around), _colours(around)]))


def box_with_context(pixels: np.ndarray, box: Box, *, share: float, side_px: int) -> np.ndarray:
    """The box and `share` of its size around it, at side_px × side_px; border pixels repeat past the edge."""
    across, down = round(box.width * share), round(box.height * share)
    left, top = box.x - across, box.y - down
    right, bottom = box.x + box.width + across, box.y + box.height + down
    height, width = pixels.shape[:2]
    inside = pixels[max(top, 0) : min(bottom, height), max(left, 0) : min(right, width)]
    past = (max(-top, 0), max(bottom - height, 0), max(-left, 0), max(right - width, 0))
    whole = cv2.copyMakeBorder(inside, *past, borderType=cv2.BORDER_REPLICATE) if any(past) else inside
    return cv2.resize(whole, (side_px, side_px), interpolation=cv2.INTER_AREA)


def distances(embeddings: np.ndarray, to: np.ndarray) -> np.ndarray:
    """Cosine distances, 0 to 2: rows of `embeddings` (n, d) to the vector or the rows `to`; all of length one."""
    return np.clip(1 - embeddings.astype(np.float32) @ to.astype(np.float32).T, 0, 2)


def _outlines(around: np.ndarray) -> np.ndarray:
    """Histograms of gradients, each without its mean: the mean is alike in all pictures and would hide the rest."""
    grey = cv2.GaussianBlur(cv2.cvtColor(around, cv2.COLOR_BGR2GRAY), (0, 0), BLUR_PX)
    histograms = np.asarray(_hog().compute(grey), np.float32).reshape(-1, ORIENTATIONS)
    return _unit((histograms - histograms.mean(axis=1, keepdims=True)).ravel())


def _colours(around: np.ndarray) -> np.ndarray:
    """The two colour channels of CIE Lab, without lightness: a grey picture has none."""
    fields = cv2.resize(around, (COLOUR_FIELDS, COLOUR_FIELDS), interpolation=cv2.INTER_AREA)
    lab = cv2.cvtColor(fields.astype(np.float32) / 255, cv2.COLOR_BGR2Lab)
    return COLOUR_WEIGHT * (lab[:, :, 1:] / 100).ravel()


def _unit(vector: np.ndarray) -> np.ndarray:
    """Of length one; a picture without any outline or colour is the first axis, so that its kind is alike."""
    length = float(np.linalg.norm(vector))
    if length < 1e-6:
        vector, length = np.eye(1, len(vector))[0], 1.0
    return (vector / length).astype(np.float32)


@cache
def _hog() -> cv2.HOGDescriptor:
    block = (2 * CELL_PX, 2 * CELL_PX)
    return cv2.HOGDescriptor((SIDE_PX, SIDE_PX), block, (CELL_PX, CELL_PX), (CELL_PX, CELL_PX), ORIENTATIONS)


@cache
def _sface(weights: Path) -> _SFace:
    """Loaded once per process."""
    return _SFace(weights)


class _SFace:
    """OpenCV's SFace (Zhong et al., 2021), fed with the box: it is not aligned by landmarks here."""

    INPUT_PX = 112

    def __init__(self, weights: Path) -> None:
        try:
            self._model = cv2.FaceRecognizerSF.create(str(weights), "")
        except cv2.error as error:
            reason = " ".join(str(error).split())[:120]
            raise BadInput(f"{weights.name}: not a model that OpenCV can read: {reason}") from None

    def __call__(self, pixels: np.ndarray, box: Box) -> np.ndarray:
        face = box_with_context(pixels, box, share=0.0, side_px=self.INPUT_PX)
        return _unit(np.asarray(self._model.feature(face), np.float32).ravel())
