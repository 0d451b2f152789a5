"""OpenCV settings of worker processes (threads, log), and its cascades."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import cv2
import cv2.data


def use_one_thread() -> None:
    """Set OpenCV to one thread, for a worker process: the work is parallel over identities already.

    OpenCV also stops logging to standard error: unreadable pictures are rows of the table.
    """
    cv2.setNumThreads(1)
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


@cache
def cascade(name: str) -> cv2.CascadeClassifier:
    """Cascade of OpenCV (`frontalface_default`, `eye`, …), loaded once per process."""
    path = Path(cv2.data.haarcascades) / f"haarcascade_{name}.xml"
    return cv2.CascadeClassifier(str(path))
