"""Non-maximum suppression: of overlapping boxes, the one with the highest score stays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mtf.faces.box import Box
from mtf.faces.detectors.protocol import Detection, Landmarks

MAX_CONTAINED = 0.7


class Candidates(NamedTuple):
    """Faces before suppression, in pixels of the picture; boxes may extend past its edge.

    corners: (n, 4), left, top, right, bottom.
    scores: (n,), 0 to 1.
    landmarks: (n, 5, 2), x and y.
    """

    corners: np.ndarray
    scores: np.ndarray
    landmarks: np.ndarray

    def inside(self, shape: tuple[int, int]) -> Candidates:
        """Candidates whose middle lies in a picture of `shape` (height, width), not in its padding."""
        middles = (self.corners[:, :2] + self.corners[:, 2:]) / 2
        return self.at(np.flatnonzero(((middles >= 0) & (middles <= shape[::-1])).all(axis=1)))

    @classmethod
    def joined(cls, parts: Sequence[Candidates]) -> Candidates:
        """Candidates of several scales, concatenated."""
        return cls(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))

    def detections(self, shape: tuple[int, int]) -> list[Detection]:
        """Detections in a picture of `shape` (height, width), each box cut at the edge and widened to a square.

        Crops, measures and embeddings need squares. Haar's boxes are squares; others are some 1.3 times as high as
        wide.
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
        """Candidates at these indices, in their order."""
        return Candidates(self.corners[places], self.scores[places], self.landmarks[places])


def best(candidates: Candidates, *, max_overlap: float, min_side_px: float) -> Candidates:
    """Candidates that overlap no better one, highest score first; without those narrower than `min_side_px`.

    Two boxes overlap if their intersection is more than `max_overlap` of their union, or more than MAX_CONTAINED of the
    smaller box, such as one around the features inside one around the head.
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
    """Intersection of `one` (4,) with each of `others` (n, 4), as shares (n,) of the union and of the smaller box."""
    low, high = np.maximum(one[:2], others[:, :2]), np.minimum(one[2:], others[:, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=1)
    area = (one[2:] - one[:2]).prod()
    areas = (others[:, 2:] - others[:, :2]).prod(axis=1)
    return shared / (area + areas - shared), shared / np.minimum(area, areas)
