"""Pictures of gold questions, made from a face's crop when they are shown, and never stored."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from mtf.annotation.gold import GoldKind

JPEG_QUALITY = 92
# Standard deviation of the blur, and what is seen of a face that is cut, as shares of the picture's longer side.
BLUR_SHARE = 0.04
CUT_SHARE = 0.5


def made(jpeg: bytes, kind: GoldKind) -> bytes:
    """JPEG of a question of a kind, from the JPEG of its source face. Raises OSError if that is not readable.

    The picture of a kind that only shows another face is encoded anew, too, so that its size tells nothing.
    """
    pixels = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    if pixels is None:
        raise OSError("a crop of the shard is not readable as a picture")
    change = _CHANGES.get(kind)
    shown = change(pixels) if change else pixels
    return cv2.imencode(".jpg", shown, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1].tobytes()


def _blurred(pixels: np.ndarray) -> np.ndarray:
    return cv2.GaussianBlur(pixels, (0, 0), max(pixels.shape[:2]) * BLUR_SHARE)


def _drawn(pixels: np.ndarray) -> np.ndarray:
    """Drawing: flat colours by an edge-preserving filter, with dark lines along the edges."""
    flat = cv2.bilateralFilter(pixels, 9, 75, 75)
    flat = (flat // 48) * 48 + 24
    grey = cv2.medianBlur(cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY), 5)
    lines = cv2.adaptiveThreshold(grey, 255, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY, 9, 3)
    return cv2.bitwise_and(flat, cv2.cvtColor(lines, cv2.COLOR_GRAY2BGR))


def _cut(pixels: np.ndarray) -> np.ndarray:
    """Lower part of the picture, as wide as it is high: the eyes are outside."""
    height, width = pixels.shape[:2]
    side = max(round(min(height, width) * CUT_SHARE), 1)
    left = (width - side) // 2
    part = pixels[height - side :, left : left + side]
    return cv2.resize(part, (width, height), interpolation=cv2.INTER_LINEAR)


_CHANGES: dict[GoldKind, Callable[[np.ndarray], np.ndarray]] = {
    GoldKind.BLURRED: _blurred,
    GoldKind.DRAWN: _drawn,
    GoldKind.CUT: _cut,
}
