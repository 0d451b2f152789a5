"""Five landmarks of a face."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from mtf import schemas


class Landmarks(NamedTuple):
    """Five points of a face, each (x, y) in pixels. Left and right are the picture's, not the person's.

    The order is that of MTCNN, CenterFace and ArcFace's alignment template.
    """

    left_eye: tuple[float, float]
    right_eye: tuple[float, float]
    nose: tuple[float, float]
    left_mouth: tuple[float, float]
    right_mouth: tuple[float, float]

    def as_row(self) -> dict[str, float]:
        """Columns of the landmarks in the table faces."""
        return dict(zip(schemas.LANDMARKS, (value for point in self for value in point), strict=True))

    @classmethod
    def of_row(cls, row: Mapping[str, Any], *, origin: tuple[int, int] = (0, 0)) -> Landmarks | None:
        """Landmarks of a row of the table faces, in pixels from `origin` (x, y); None if it has none."""
        values = [row[name] for name in schemas.LANDMARKS]
        if values[0] is None:
            return None
        return cls(*((x - origin[0], y - origin[1]) for x, y in zip(values[::2], values[1::2], strict=True)))

    def scaled(self, shape: tuple[int, int], to: tuple[int, int]) -> Landmarks:
        """Landmarks scaled from a picture of `shape` to one of shape `to`; both are (height, width)."""
        down, across = to[0] / shape[0], to[1] / shape[1]
        return Landmarks(*((x * across, y * down) for x, y in self))
