"""Embedding by a network that was trained here: the features before its last layer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from mtf.faces.box import Box
from mtf.faces.detectors import Landmarks
from mtf.faces.face_vectors import unit
from mtf.faces.model_files import digest_of
from mtf.training import input_cache

if TYPE_CHECKING:
    from torch import nn


class NetworkEmbedding:
    """Features of a `model.pt` of `mtf train` or `mtf multitask`, on the whole crop, as in its training."""

    def __init__(self, path: Path) -> None:
        """Load the file. Raises BadInput if it is missing, or holds no network of this version."""
        self._path = path
        self._network, self._input_px, self._normalise = _loaded(path)

    def fingerprint(self) -> dict[str, Any]:
        """torch's version and the digest of the file."""
        import torch

        return {"name": self._path.name, "version": torch.__version__, "weights": digest_of(self._path)}

    def __call__(self, pixels: np.ndarray, box: Box, landmarks: Landmarks | None = None) -> np.ndarray:  # noqa: ARG002
        """Vector (d,) float32, of length one, of a crop (height, width, 3; blue, green, red)."""
        import torch

        from mtf.training import augmentation

        picture = cv2.cvtColor(input_cache.resized(pixels, size_px=self._input_px), cv2.COLOR_BGR2RGB)
        with torch.inference_mode():
            ready = augmentation.as_input(torch.from_numpy(picture)[None])
            features = self._network(augmentation.normalised(ready, self._normalise))
        return unit(features.flatten().numpy())


def features(
    network: nn.Module, pictures: np.ndarray, rows: np.ndarray, *, normalise: str, batch: int = 128
) -> np.ndarray:
    """Outputs of an embedding network for the pictures `rows` (m,): (m, width) float32, as they are.

    pictures: (n, size, size, 3) uint8 RGB. batch: pictures at a time.
    """
    import torch

    from mtf.training import augmentation, data

    device = torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")
    network.to(device).eval()
    with torch.inference_mode():
        parts = [
            network(augmentation.normalised(augmentation.as_input(torch.from_numpy(some).to(device)), normalise))
            for some in data.batches(pictures, rows, size=batch)
        ]
    return torch.cat(parts).cpu().numpy()


def _loaded(path: Path) -> tuple[nn.Module, int, str]:
    """Network without its last layers, side of its input in pixels, and the normalisation of the input."""
    import torch

    from mtf.training import pretrained, trained_network

    if cv2.getNumThreads() <= 1:
        torch.set_num_threads(1)
    found = trained_network.load(path)
    if found.is_multitask:
        return found.network.backbone, found.input_px, found.normalise
    pretrained.drop_last_layer(found.network)
    return found.network, found.input_px, found.normalise
