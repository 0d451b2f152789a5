"""Canvas for soft shapes: polygons and strokes, blurred, translucent, and clipped by a mask."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np

Colour = tuple[float, float, float]
"""Blue, green, red; each 0 to 255."""
Points = np.ndarray
"""Float array of shape (n, 2): x to the right, y down."""

_SHIFT = 4  # fillPoly takes fixed-point corners: 1/16 pixel
_ANGLES = np.linspace(0, 2 * np.pi, 32, endpoint=False)
_UNIT_CIRCLE = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1)


class Canvas:
    """Float32 pixels of shape (height, width, 3), BGR, painted in place."""

    def __init__(self, width_px: int, height_px: int, colour: Colour = (255, 255, 255)) -> None:
        self.pixels = np.empty((height_px, width_px, 3), np.float32)
        self.pixels[:] = colour

    @property
    def size_px(self) -> tuple[int, int]:
        """Width and height."""
        return self.pixels.shape[1], self.pixels.shape[0]

    def fill(
        self, shape: Points, colour: Colour, *, opacity: float = 1.0, soft_px: float = 0, inside: Mask | None = None
    ) -> Mask:
        """Paint a closed shape. Returns its mask, which can clip other shapes (`inside`)."""
        return self.fill_all([shape], colour, opacity=opacity, soft_px=soft_px, inside=inside)

    def fill_all(
        self,
        shapes: Sequence[Points],
        colour: Colour,
        *,
        opacity: float = 1.0,
        soft_px: float = 0,
        inside: Mask | None = None,
    ) -> Mask:
        """Paint closed shapes as one: overlaps are not painted twice."""
        area = _area_around(np.concatenate(shapes), 3 * soft_px + 2, self.size_px)
        mask = _blank(area)
        for shape in shapes if mask.size else ():
            cv2.fillPoly(mask, [_fixed(shape, area)], 255, cv2.LINE_AA, _SHIFT)
        return self._blend(Mask(area, mask), colour, opacity=opacity, soft_px=soft_px, inside=inside)

    def stroke(
        self,
        line: Points,
        colour: Colour,
        *,
        width_px: float,
        opacity: float = 1.0,
        soft_px: float = 0,
        inside: Mask | None = None,
    ) -> Mask:
        """Paint an open line."""
        return self.stroke_all([line], colour, width_px=width_px, opacity=opacity, soft_px=soft_px, inside=inside)

    def stroke_all(
        self,
        lines: Sequence[Points],
        colour: Colour,
        *,
        width_px: float,
        opacity: float = 1.0,
        soft_px: float = 0,
        inside: Mask | None = None,
    ) -> Mask:
        """Paint open lines as one: crossings are not painted twice."""
        thickness = max(1, round(width_px))
        area = _area_around(np.concatenate(lines), 3 * soft_px + thickness + 2, self.size_px)
        mask = _blank(area)
        if mask.size:
            cv2.polylines(mask, [_fixed(line, area) for line in lines], False, 255, thickness, cv2.LINE_AA, _SHIFT)
        return self._blend(Mask(area, mask), colour, opacity=opacity, soft_px=soft_px, inside=inside)

    def disc(
        self,
        centre: Points,
        radius_px: float,
        colour: Colour,
        *,
        opacity: float = 1.0,
        soft_px: float = 0,
        inside: Mask | None = None,
    ) -> Mask:
        """Paint a disc."""
        return self.fill(circle(centre, radius_px), colour, opacity=opacity, soft_px=soft_px, inside=inside)

    def _blend(self, shape: Mask, colour: Colour, *, opacity: float, soft_px: float, inside: Mask | None) -> Mask:
        left, top, right, bottom = shape.area
        if not shape.values.size:
            return shape
        mask = shape.values if soft_px <= 0 else _blurred(shape.values, soft_px)
        alpha = mask.astype(np.float32) * (opacity / 255)
        if inside is not None:
            alpha *= inside.over(shape.area) / np.float32(255)
        view = self.pixels[top:bottom, left:right]
        view += alpha[..., None] * (np.asarray(colour, np.float32) - view)
        return shape


@dataclass(frozen=True)
class Mask:
    """Coverage of a shape.

    - `area`: left, top, right, bottom in pixels of the canvas; there is no coverage outside it;
    - `values`: coverage of its pixels, 0 to 255.
    """

    area: tuple[int, int, int, int]
    values: np.ndarray

    def over(self, area: tuple[int, int, int, int]) -> np.ndarray:
        """Coverage within another area."""
        left, top, right, bottom = area
        found = np.zeros((bottom - top, right - left), np.float32)
        x0, y0 = max(left, self.area[0]), max(top, self.area[1])
        x1, y1 = min(right, self.area[2]), min(bottom, self.area[3])
        if x0 < x1 and y0 < y1:
            own = self.values[y0 - self.area[1] : y1 - self.area[1], x0 - self.area[0] : x1 - self.area[0]]
            found[y0 - top : y1 - top, x0 - left : x1 - left] = own
        return found

    def box(self) -> tuple[int, int, int, int]:
        """Bounding box (x, y, width, height) of the coverage."""
        rows = np.flatnonzero(self.values.max(axis=1) > 127)
        columns = np.flatnonzero(self.values.max(axis=0) > 127)
        x, y = self.area[0] + int(columns[0]), self.area[1] + int(rows[0])
        return x, y, int(columns[-1] - columns[0]) + 1, int(rows[-1] - rows[0]) + 1


def circle(centre: Points | tuple[float, float], radius: float, *, height: float | None = None) -> Points:
    """A circle, or an ellipse of half-width `radius` and half-height `height`."""
    return np.asarray(centre) + _UNIT_CIRCLE * (radius, radius if height is None else height)


def curve(points: Points | list[tuple[float, float]], *, closed: bool = False, steps: int = 8) -> Points:
    """A smooth line through `points` (Catmull-Rom), `steps` corners from one to the next."""
    given = np.asarray(points, float)
    ends = (given[-1:], given[:2]) if closed else (given[:1], given[-1:])
    around = np.concatenate([ends[0], given, ends[1]])
    windows = np.stack([around[:-3], around[1:-2], around[2:-1], around[3:]])
    line = np.einsum("sk,knd->nsd", _weights(steps), windows).reshape(-1, 2)
    return line if closed else np.concatenate([line, given[-1:]])


@cache
def _weights(steps: int) -> np.ndarray:
    """Catmull-Rom weights (steps, 4) of four neighbouring points, for the steps between the middle two."""
    t = np.linspace(0, 1, steps, endpoint=False)
    return 0.5 * np.stack(
        [-t + 2 * t**2 - t**3, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3, -(t**2) + t**3], axis=1
    )


def mixed(one: Colour, other: Colour, share: float) -> Colour:
    """Mix of two colours, with `share` (0 to 1) of `other`."""
    blue, green, red = (a + share * (b - a) for a, b in zip(one, other, strict=True))
    return blue, green, red


def shade(colour: Colour, factor: float) -> Colour:
    """Colour made darker (factor < 1) or lighter (factor > 1, towards white)."""
    return mixed((0, 0, 0), colour, factor) if factor <= 1 else mixed(colour, (255, 255, 255), factor - 1)


def hsv(hue_degrees: float, saturation: float, value: float) -> Colour:
    """Colour by hue in degrees, saturation and value from 0 to 1."""
    pixel = np.array([[[hue_degrees % 360, saturation, value]]], np.float32)
    blue, green, red = (255 * cv2.cvtColor(pixel, cv2.COLOR_HSV2BGR)[0, 0]).tolist()
    return blue, green, red


def _area_around(points: Points, margin_px: float, size_px: tuple[int, int]) -> tuple[int, int, int, int]:
    """Left, top, right, bottom; empty where the points lie outside of the canvas."""
    (left, top), (right, bottom) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    x0, y0 = _clamp(math.floor(left - margin_px), size_px[0]), _clamp(math.floor(top - margin_px), size_px[1])
    x1, y1 = _clamp(math.ceil(right + margin_px) + 1, size_px[0]), _clamp(math.ceil(bottom + margin_px) + 1, size_px[1])
    return x0, y0, max(x0, x1), max(y0, y1)


def _clamp(value: int, highest: int) -> int:
    return min(max(value, 0), highest)


def _blank(area: tuple[int, int, int, int]) -> np.ndarray:
    return np.zeros((area[3] - area[1], area[2] - area[0]), np.uint8)


def _fixed(points: Points, area: tuple[int, int, int, int]) -> np.ndarray:
    return np.rint((points - area[:2]) * 2**_SHIFT).astype(np.int32)


def _blurred(mask: np.ndarray, soft_px: float) -> np.ndarray:
    """Gaussian blur of a mask. Wide blurs are computed at a quarter of the size, with no visible difference."""
    if soft_px < 8 or min(mask.shape) < 16:
        return cv2.GaussianBlur(mask, (0, 0), soft_px)
    small = cv2.resize(mask, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    return cv2.resize(cv2.GaussianBlur(small, (0, 0), soft_px / 4), mask.shape[::-1], interpolation=cv2.INTER_LINEAR)
