"""A face's box, and what names a face."""

from __future__ import annotations

import hashlib
from typing import NamedTuple


class Box(NamedTuple):
    """Left, top, width and height in whole pixels of some picture, whose `shape` is (height, width)."""

    x: int
    y: int
    width: int
    height: int

    @classmethod
    def of_corners(cls, left: float, top: float, right: float, bottom: float, *, shape: tuple[int, int]) -> Box:
        """The box between two corners, rounded; inside a picture of `shape`, and at least one pixel wide and high."""
        return _inside(round(left), round(top), round(right), round(bottom), shape=shape)

    def scaled(self, shape: tuple[int, int], to: tuple[int, int]) -> Box:
        """The same place in a picture of shape `to`; inside it, and at least one pixel wide and high."""
        down, across = to[0] / shape[0], to[1] / shape[1]
        return _inside(
            round(self.x * across),
            round(self.y * down),
            round((self.x + self.width) * across),
            round((self.y + self.height) * down),
            shape=to,
        )

    def squared(self, *, shape: tuple[int, int]) -> Box:
        """The smallest square around the box, about its middle as far as the picture of `shape` allows.

        It lies inside the picture, so its side is at most the picture's shorter one.
        """
        height, width = shape
        side = min(max(self.width, self.height), height, width)
        left = round(self.x + (self.width - side) / 2)
        top = round(self.y + (self.height - side) / 2)
        return Box(min(max(left, 0), width - side), min(max(top, 0), height - side), side, side)

    def with_margin(self, share: float, *, shape: tuple[int, int]) -> Box:
        """Wider by `share` of its own size on every side, as far as the picture goes."""
        across, down = round(self.width * share), round(self.height * share)
        return _inside(
            self.x - across,
            self.y - down,
            self.x + self.width + across,
            self.y + self.height + down,
            shape=shape,
        )


def _inside(left: int, top: int, right: int, bottom: int, *, shape: tuple[int, int]) -> Box:
    height, width = shape
    left, top = min(max(left, 0), width - 1), min(max(top, 0), height - 1)
    return Box(left, top, max(min(right, width) - left, 1), max(min(bottom, height) - top, 1))


def face_id(image_id: str, box: Box) -> str:
    """32 hexadecimal characters, from the image and the box in the image's own pixels."""
    place = ",".join(str(value) for value in box)
    return hashlib.sha256(f"{image_id}:{place}".encode("ascii")).hexdigest()[:32]
