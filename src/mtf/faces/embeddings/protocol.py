"""Embedding protocol: a face's crop in, a vector of length one out."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np

from mtf.config import Screen
from mtf.core.errors import bad_value
from mtf.faces.box import Box
from mtf.faces.detectors.protocol import Landmarks
from mtf.faces.registry import Registry


class Embedding(Protocol):
    """A face embedding. The cosine distance of two vectors, 0 to 2, grows with the difference of the faces.

    One whose attribute `distinguishes_people` is True tells people apart, not only shots, and identities are proposed
    by it. Its attribute `near_duplicate_distance`, if it has one, is the `screen.embedding_distance` that suits it. One
    with weights also has `model_files`, as the built-in ones have (`mtf.faces.weights_in_use`).
    """

    @classmethod
    def from_params(cls, screen: Screen, *, root: Path) -> Self:
        """Create the embedding from its parameters in `screen`; relative paths of model files start at `root`.

        Raises BadInput for a missing or unreadable model file.
        """
        ...

    def fingerprint(self) -> dict[str, Any]:
        """Inputs of its results as JSON values: name, version, parameters, and the sha256 of its weights."""
        ...

    def __call__(self, pixels: np.ndarray, box: Box, landmarks: Landmarks | None = None) -> np.ndarray:
        """Vector of a face: (d,) float32, of length one.

        pixels: crop (height, width, 3; blue, green, red; uint8).
        box, landmarks: in pixels of the crop; landmarks are None if the detector finds none.
        """
        ...


EMBEDDINGS: Registry[type[Embedding]] = Registry(key="screen.embedding", group="mtf.embeddings")


def create(screen: Screen, *, root: Path = Path()) -> Embedding:
    """Create the embedding `screen.embedding`. Raises BadInput for an unknown name, and as from_params does."""
    return EMBEDDINGS.get(screen.embedding).from_params(screen, root=root)


def distinguishes_people(screen: Screen) -> bool:
    """True if the embedding `screen.embedding` tells people apart; one without the attribute does not."""
    return bool(getattr(EMBEDDINGS.get(screen.embedding), "distinguishes_people", False))


def refuse_weights(screen: Screen) -> None:
    """Raise BadInput if `screen.embedding_weights` names a file, for an embedding that reads no other."""
    if screen.embedding_weights is not None:
        raise bad_value(
            "params.yaml: screen.embedding_weights",
            screen.embedding_weights,
            f"null, since {screen.embedding} reads none",
        )


def distance_warning(screen: Screen) -> str | None:
    """Line for people if `screen.embedding_distance` is too wide for an embedding that tells people apart.

    Then two shots of one person count as near-duplicates. None if it is not.
    """
    if not distinguishes_people(screen) or screen.embedding_distance < Screen().embedding_distance:
        return None
    suits = getattr(EMBEDDINGS.get(screen.embedding), "near_duplicate_distance", None)
    return (
        f"params.yaml: screen.embedding_distance: {screen.embedding_distance} makes near-duplicates of different shots "
        f"of one person with {screen.embedding}; " + (f"set {suits}" if suits else "set a smaller one")
    )
