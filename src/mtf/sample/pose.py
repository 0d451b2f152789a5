"""Where a head is, which way it looks, and what its face does."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mtf.sample.paint import Points


@dataclass(frozen=True)
class Pose:
    """`size_px` is one head unit: from the face's middle to the chin. Angles in degrees."""

    x_px: float
    y_px: float
    size_px: float
    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0


@dataclass(frozen=True)
class Mood:
    """`smile` -1 to 1; `open` 0 to 1 (mouth); `lids` 0 (shut) to 1; `gaze` -1 to 1; `light_from` -1 left, 1 right."""

    smile: float = 0.3
    open: float = 0.0
    lids: float = 1.0
    gaze: float = 0.0
    brows: float = 0.0
    light_from: int = 1
    light_strength: float = 0.6


class Placed:
    """Projects points of a head of a given pose onto the canvas."""

    def __init__(self, pose: Pose, face_width: float) -> None:
        self.pose = pose
        self._face_width = face_width
        self._yaw, self._pitch, self._roll = map(math.radians, (pose.yaw, pose.pitch, pose.roll))

    def px(self, length: float) -> float:
        """A length in head units as pixels."""
        return length * self.pose.size_px

    def points(self, points: Points | Sequence[tuple[float, float]], *, depth: float | None = None) -> Points:
        """Head units to pixels. `depth` is towards the viewer; None is on the face's surface."""
        x, y = np.asarray(points, float).T
        z = self._surface(x, y) if depth is None else depth
        turned = x * math.cos(self._yaw) + z * math.sin(self._yaw)
        tilted = y * math.cos(self._pitch) + z * math.sin(self._pitch)
        across = turned * math.cos(self._roll) - tilted * math.sin(self._roll)
        down = turned * math.sin(self._roll) + tilted * math.cos(self._roll)
        return np.stack([across, down], axis=1) * self.pose.size_px + (self.pose.x_px, self.pose.y_px)

    def _surface(self, x: Points, y: Points) -> Points:
        inside = 1 - (x / (1.02 * self._face_width)) ** 2 * 0.9 - (y / 1.15) ** 2 * 0.6
        return 0.72 * np.sqrt(np.clip(inside, 0, 1))
