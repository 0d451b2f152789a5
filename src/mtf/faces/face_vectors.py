"""The face's pixels that an embedding reads, and the distances of its vectors.

How far a face lies from the middle of its identity's faces: a hint at the wrong person.
"""

from __future__ import annotations

import cv2
import numpy as np

from mtf.faces.box import Box


def box_with_context(pixels: np.ndarray, box: Box, *, share: float, side_px: int) -> np.ndarray:
    """The box and `share` of its size around it, at side_px × side_px; border pixels repeat past the edge."""
    across, down = round(box.width * share), round(box.height * share)
    left, top = box.x - across, box.y - down
    right, bottom = box.x + box.width + across, box.y + box.height + down
    height, width = pixels.shape[:2]
    inside = pixels[max(top, 0) : min(bottom, height), max(left, 0) : min(right, width)]
    past = (max(-top, 0), max(bottom - height, 0), max(-left, 0), max(right - width, 0))
    whole = cv2.copyMakeBorder(inside, *past, borderType=cv2.BORDER_REPLICATE) if any(past) else inside
    return cv2.resize(whole, (side_px, side_px), interpolation=cv2.INTER_AREA)


def distances(embeddings: np.ndarray, to: np.ndarray) -> np.ndarray:
    """Cosine distances, 0 to 2: rows of `embeddings` (n, d) to the vector or the rows `to`; all of length one."""
    return np.clip(1 - embeddings.astype(np.float32) @ to.astype(np.float32).T, 0, 2)


def unit(vector: np.ndarray) -> np.ndarray:
    """`vector` (d,) scaled to length one, float32; a zero vector (a blank picture) becomes the first axis."""
    length = float(np.linalg.norm(vector))
    if length < 1e-6:
        vector, length = np.eye(1, len(vector))[0], 1.0
    return (vector / length).astype(np.float32)


# With one or two faces, none of them is the odd one out.
LEAST_FACES = 3
# The half of the faces that lie nearest to the medoid: up to half may be strangers.
KEPT_SHARE = 0.5


def identity_distances(embeddings: np.ndarray) -> list[float | None]:
    """Cosine distance, 0 to 2, of each row of `embeddings` (n, d) to the identity's middle; None for n < 3.

    The middle is the mean of the half nearest to the medoid (the face least far from all others). The medoid is
    sought among 512 faces at most, evenly picked.
    """
    if len(embeddings) < LEAST_FACES:
        return [None] * len(embeddings)
    faces = embeddings.astype(np.float32)
    to_medoid = distances(faces, _medoid(faces))
    nearest = np.argsort(to_medoid, kind="stable")[: max(int(len(faces) * KEPT_SHARE), LEAST_FACES - 1)]
    middle = faces[nearest].mean(axis=0)
    length = float(np.linalg.norm(middle))
    return [float(value) for value in distances(faces, middle / max(length, 1e-6))]


def _medoid(faces: np.ndarray) -> np.ndarray:
    picked = faces[:: -(-len(faces) // 512)]
    return picked[int(distances(picked, picked).sum(axis=1).argmin())]
