"""OpenCV settings of worker processes (threads, log), and its cascades."""

from __future__ import annotations

from functools import cache
from pathlib import Path, PurePosixPath

import cv2
import cv2.data

from mtf.faces.model_files import NOT_PUBLISHED, ModelFile, PackagedFile, register


def _registered(name: str, size_bytes: int, sha256: str, *, used_for: str = "detector") -> ModelFile:
    file = f"haarcascade_{name}.xml"
    return register(
        ModelFile(
            name=f"haar-{name.replace('_', '-')}",
            used_for=used_for,
            file=file,
            size_bytes=size_bytes,
            sha256=sha256,
            license="LicenseRef-Intel-OpenCV",
            trained_on=NOT_PUBLISHED,
            package=PackagedFile("cv2", "opencv-python-headless", str(PurePosixPath("data", file))),
            url=f"https://raw.githubusercontent.com/opencv/opencv/4.x/data/haarcascades/{file}",
        )
    )


CASCADES = {
    "frontalface_default": _registered(
        "frontalface_default", 930_127, "0f7d4527844eb514d4a4948e822da90fbb16a34a0bbbbc6adc6498747a5aafb0"
    ),
    "frontalface_alt": _registered(
        "frontalface_alt", 676_709, "6281df13459cc218ff047d02b2ae3859b12ff14a93ffe8952f7b33fad7b9697b"
    ),
    "frontalface_alt2": _registered(
        "frontalface_alt2", 540_616, "7b0c967d9abbdfbde025eb9c786947d151b6426040d07a8f9562ed8fd90724b4"
    ),
    "profileface": _registered(
        "profileface", 828_514, "b39a4a3be45539db146a7fc1d3e761a292c196eb88421185e6a615b3055e612d"
    ),
    "eye": _registered(
        "eye",
        341_406,
        "71cc64fc305a355dc60067880f6fbbd43dd155bd63ee3844661a1bda34b2fd8c",
        used_for="measure of a face",
    ),
}


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
