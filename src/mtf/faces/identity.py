"""How far a face lies from the middle of its identity's faces: a hint at the wrong person."""

from __future__ import annotations

import numpy as np

from mtf.faces import embed

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
    to_medoid = embed.distances(faces, _medoid(faces))
    nearest = np.argsort(to_medoid, kind="stable")[: max(int(len(faces) * KEPT_SHARE), LEAST_FACES - 1)]
    middle = faces[nearest].mean(axis=0)
    length = float(np.linalg.norm(middle))
    return [float(value) for value in embed.distances(faces, middle / max(length, 1e-6))]


def _medoid(faces: np.ndarray) -> np.ndarray:
    picked = faces[:: -(-len(faces) // 512)]
    return picked[int(embed.distances(picked, picked).sum(axis=1).argmin())]
