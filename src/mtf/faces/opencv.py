"""OpenCV in worker processes: threads, log and cascades."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import cv2
import cv2.data


def use_one_thread() -> None:
    """For a worker process: the identities are the parallel work, and OpenCV's own threads would fight over cores.

    OpenCV also stops writing on standard error: a picture's fault is a row of the table.
    """
    cv2.setNumThreads(1)
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


@cache
def cascade(name: str) -> cv2.CascadeClassifier:
    """One of OpenCV's cascades (`frontalface_default`, `eye`, …), loaded once per process."""
    path = Path(cv2.data.haarcascades) / f"haarcascade_{name}.xml"
    return cv2.CascadeClassifier(str(path))
