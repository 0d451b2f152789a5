"""Where the faces are: OpenCV's Haar cascades (MTF, section 3.2)."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import cv2
import cv2.data
import numpy as np

from mtf.faces.box import Box
from mtf.params import Crop


def use_one_thread() -> None:
    """For a worker process: the identities are the parallel work, and OpenCV's own threads would fight over cores.

    OpenCV also stops writing on standard error: what is wrong with a picture is a row of the table.
    """
    cv2.setNumThreads(1)
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def find_faces(grey: np.ndarray, crop: Crop) -> list[Box]:
    """The boxes of faces in `grey` (height, width, uint8), in its pixels, sorted.

    The smallest face is `crop.min_face_share` of the shorter side (and never under the cascade's own window, 20
    to 24 pixels). A detector that steps by 1.17 meets a face in fewer sizes than one that steps by 1.1, so the
    default asks for fewer neighbours: on the 535 Congress portraits, 524 with a face and 547 boxes, where 1.1 and 5
    at full size give 520 and 550.
    """
    min_px = max(round(crop.min_face_share * min(grey.shape)), 1)
    found = cascade(crop.cascade).detectMultiScale(
        grey,
        scaleFactor=crop.scale_factor,
        minNeighbors=crop.min_neighbors,
        minSize=(min_px, min_px),
    )
    return sorted({Box(*(int(value) for value in box)) for box in found})


@cache
def cascade(name: str) -> cv2.CascadeClassifier:
    """One of OpenCV's cascades (`frontalface_default`, …), loaded once per process."""
    path = Path(cv2.data.haarcascades) / f"haarcascade_{name}.xml"
    return cv2.CascadeClassifier(str(path))
