"""Hidden eyes and mouths: the scores, and the weights that they come from."""

from __future__ import annotations

from mtf.faces.occlusion.scores import (
    REGIONS,
    WEIGHTS,
    WEIGHTS_FILE,
    Visibility,
    aligned_grey,
    features,
    visibility,
)

__all__ = ["REGIONS", "WEIGHTS", "WEIGHTS_FILE", "Visibility", "aligned_grey", "features", "visibility"]
