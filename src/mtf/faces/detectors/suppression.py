"""Non-maximum suppression: of boxes that show the same face, the surest one stays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mtf.faces.box import Box
from mtf.faces.detectors.protocol import Detection, Landmarks

MAX_CONTAINED = 0.7


class Candidates(NamedTuple):
    """Faces before suppression, in pixels of the picture; they may reach past its edge.

    corners: (n, 4), left, top, right, bottom.
    scores: (n,), 0 to 1.
    landmarks: (n, 5, 2), x and y.
    """

    corners: np.ndarray
    scores: np.ndarray
    landmarks: np.ndarray

    def inside(self, shape: tuple[int, int]) -> Candidates:
        """The candidates whose middle lies in a picture of `shape` (height, width): not those of its padding."""
        middles = (self.corners[:, :2] + self.corners[:, 2:]) / 2
        return self.at(np.flatnonzero(((middles >= 0) & (middles <= shape[::-1])).all(axis=1)))

    @classmethod
    def joined(cls, parts: Sequence[Candidates]) -> Candidates:
        """All candidates of several scales."""
        return cls(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))

    def detections(self, shape: tuple[int, int]) -> list[Detection]:
        """As detections in a picture of `shape` (height, width), each box cut at its edge and widened to a square.

        Crops, measures and embeddings read squares, which Haar's boxes are; others are some 1.3 times as high as wide.
        """
        return [
            Detection(
                Box.of_corners(*corners, shape=shape).squared(shape=shape),
                float(score),
                Landmarks(*((float(x), float(y)) for x, y in points)),
            )
            for corners, score, points in zip(self.corners, self.scores, self.landmarks, strict=True)
        ]

    def at(self, places: np.ndarray) -> Candidates:
        """The candidates at these places, in their order."""
        return Candidates(self.corners[places], self.scores[places], self.landmarks[places])


def best(candidates: Candidates, *, max_overlap: float, min_side_px: float) -> Candidates:
    """The candidates that no surer one overlaps, the surest first; without those narrower than `min_side_px`.

    Two overlap where they share more than `max_overlap` of their union, or more than MAX_CONTAINED of the smaller
    one: a box around the features lies inside the box around the head.
    """
    narrower = (candidates.corners[:, 2:] - candidates.corners[:, :2]).min(axis=1)
    order = np.argsort(-candidates.scores, kind="stable")
    left = candidates.at(order[narrower[order] >= min_side_px])
    kept = []
    places = np.arange(len(left.scores))
    while len(places):
        first, others = places[0], places[1:]
        kept.append(first)
        union, smaller = _overlaps(left.corners[first], left.corners[others])
        places = others[(union <= max_overlap) & (smaller <= MAX_CONTAINED)]
    return left.at(np.array(kept, np.int64))


def _overlaps(one: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shares (n,) of the union, and of the smaller box, that `one` (4,) has in common with each of `others` (n, 4)."""
    low, high = np.maximum(one[:2], others[:, :2]), np.minimum(one[2:], others[:, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=1)
    area = (one[2:] - one[:2]).prod()
    areas = (others[:, 2:] - others[:, :2]).prod(axis=1)
    return shared / (area + areas - shared), shared / np.minimum(area, areas)
