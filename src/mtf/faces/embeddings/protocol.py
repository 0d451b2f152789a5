"""The embedding protocol: a face's crop in, a vector of length one out."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np

from mtf.config import Screen
from mtf.faces.box import Box
from mtf.faces.detectors.protocol import Landmarks
from mtf.faces.registry import Registry


class Embedding(Protocol):
    """A face embedding. The cosine distance of two vectors, 0 to 2, says how unlike the faces are."""

    @classmethod
    def from_params(cls, screen: Screen, *, root: Path) -> Self:
        """The embedding with its parameters in `screen`; `root` is what relative paths of model files start from.

        Raises BadInput for a model file that is missing or unreadable.
        """
        ...

    def fingerprint(self) -> dict[str, Any]:
        """All that decides its results: name, version, parameters and the sha256 of its weights, as JSON values."""
        ...

    def __call__(self, pixels: np.ndarray, box: Box, landmarks: Landmarks | None = None) -> np.ndarray:
        """The vector (d,) float32, of length one, of a face.

        pixels: the crop (height, width, 3; blue, green, red; uint8).
        box, landmarks: of the face, in pixels of the crop; landmarks are None where its detector finds none.
        """
        ...


EMBEDDINGS: Registry[type[Embedding]] = Registry(key="screen.embedding", group="mtf.embeddings")


def create(screen: Screen, *, root: Path = Path()) -> Embedding:
    """The embedding that `screen.embedding` names. Raises BadInput for an unknown name; see also from_params."""
    return EMBEDDINGS.get(screen.embedding).from_params(screen, root=root)
