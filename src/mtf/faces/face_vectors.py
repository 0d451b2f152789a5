"""Vectors of faces: the input of an embedding, cosine distances, and the distance to the identity's middle.

A large distance to the middle of an identity's faces is a hint at the wrong person.
"""

from __future__ import annotations

import cv2
import numpy as np

from mtf.faces.box import Box

# Of one or two faces, none is the odd one out.
MIN_FACES = 3
# Share of the faces, nearest to the medoid, whose mean is the middle: up to half of the faces may be strangers.
KEPT_SHARE = 0.5


def box_with_context(pixels: np.ndarray, box: Box, *, share: float, side_px: int) -> np.ndarray:
    """Pixels of the box and a margin (`share` of its size), side_px × side_px; border pixels repeat past the edge."""
    across, down = round(box.width * share), round(box.height * share)
    left, top = box.x - across, box.y - down
    right, bottom = box.x + box.width + across, box.y + box.height + down
    height, width = pixels.shape[:2]
    inside = pixels[max(top, 0) : min(bottom, height), max(left, 0) : min(right, width)]
    past = (max(-top, 0), max(bottom - height, 0), max(-left, 0), max(right - width, 0))
    whole = cv2.copyMakeBorder(inside, *past, borderType=cv2.BORDER_REPLICATE) if any(past) else inside
    return cv2.resize(whole, (side_px, side_px), interpolation=cv2.INTER_AREA)


def distances(embeddings: np.ndarray, to: np.ndarray) -> np.ndarray:
    """Cosine distances, 0 to 2, of the rows of `embeddings` (n, d) to `to`, (d,) or (m, d); all of length one."""
    return np.clip(1 - embeddings.astype(np.float32) @ to.astype(np.float32).T, 0, 2)


def unit(vector: np.ndarray) -> np.ndarray:
    """Vector (d,) scaled to length one, float32; a zero vector, as of a blank picture, becomes the first axis."""
    length = float(np.linalg.norm(vector))
    if length < 1e-6:
        vector, length = np.eye(1, len(vector))[0], 1.0
    return (vector / length).astype(np.float32)


def identity_distances(embeddings: np.ndarray) -> list[float | None]:
    """Cosine distance, 0 to 2, of each row of `embeddings` (n, d) to the identity's middle; None for n < 3.

    The middle is the mean of the half that is nearest to the medoid. The medoid is the face with the least sum of
    distances to all others, of at most 512 evenly picked faces.
    """
    if len(embeddings) < MIN_FACES:
        return [None] * len(embeddings)
    faces = embeddings.astype(np.float32)
    to_medoid = distances(faces, _medoid(faces))
    nearest = np.argsort(to_medoid, kind="stable")[: max(int(len(faces) * KEPT_SHARE), MIN_FACES - 1)]
    middle = faces[nearest].mean(axis=0)
    length = float(np.linalg.norm(middle))
    return [float(value) for value in distances(faces, middle / max(length, 1e-6))]


def _medoid(faces: np.ndarray) -> np.ndarray:
    picked = faces[:: -(-len(faces) // 512)]
    return picked[int(distances(picked, picked).sum(axis=1).argmin())]
