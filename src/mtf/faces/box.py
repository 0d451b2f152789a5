"""Box of a face, and the face id that is derived from it."""

from __future__ import annotations

import hashlib
from typing import NamedTuple


class Box(NamedTuple):
    """A box in whole pixels of a picture; its methods take the picture's `shape` (height, width).

    x, y: left and top edge.
    """

    x: int
    y: int
    width: int
    height: int

    @classmethod
    def of_corners(cls, left: float, top: float, right: float, bottom: float, *, shape: tuple[int, int]) -> Box:
        """Box between two corners, rounded and cut at the picture's edge; at least one pixel wide and high."""
        return _inside(round(left), round(top), round(right), round(bottom), shape=shape)

    def scaled(self, shape: tuple[int, int], to: tuple[int, int]) -> Box:
        """Box scaled from a picture of `shape` to one of shape `to`; inside it, at least one pixel wide and high."""
        down, across = to[0] / shape[0], to[1] / shape[1]
        return _inside(
            round(self.x * across),
            round(self.y * down),
            round((self.x + self.width) * across),
            round((self.y + self.height) * down),
            shape=to,
        )

    def squared(self, *, shape: tuple[int, int]) -> Box:
        """Smallest square around the box, shifted and limited to lie inside the picture."""
        height, width = shape
        side = min(max(self.width, self.height), height, width)
        left = round(self.x + (self.width - side) / 2)
        top = round(self.y + (self.height - side) / 2)
        return Box(min(max(left, 0), width - side), min(max(top, 0), height - side), side, side)

    def with_margin(self, share: float, *, shape: tuple[int, int]) -> Box:
        """Box with a margin of `share` of its size on every side, cut at the picture's edge."""
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
    """Id of a face (32 hexadecimal characters), from the image and the box in the image's own pixels."""
    place = ",".join(str(value) for value in box)
    return hashlib.sha256(f"{image_id}:{place}".encode("ascii")).hexdigest()[:32]
