"""FaceNet (Schroff et al., 2015): Inception-ResNet-v1 with public weights, or with weights that you trained.

`mtf models fetch facenet` fetches the public weights. A file of your own is the `model.pt` of a training with FaceNet,
or any state dict of the network.
"""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import cv2
import numpy as np

from mtf.config import Screen
from mtf.core import torch_files
from mtf.core.errors import BadInput
from mtf.faces.alignment import aligned
from mtf.faces.box import Box
from mtf.faces.detectors.protocol import Landmarks
from mtf.faces.embeddings.protocol import EMBEDDINGS
from mtf.faces.face_vectors import box_with_context, unit
from mtf.faces.model_files import ModelFile, digest_of, of_path
from mtf.faces.networks.public_facenet import VGGFACE2

if TYPE_CHECKING:
    from torch import nn

SIDE_PX = 160
# The public weights were trained on boxes with a margin of 32 of 160 pixels. The same width about the face comes from
# ArcFace's template at this share of the side, in its middle.
TEMPLATE_SHARE = 0.8
CONTEXT_SHARE = 0.125
# Where the network's layers stand in a file: FaceNet's public file, and the `model.pt` of a training here.
_PREFIXES = ("", "backbone.")


@EMBEDDINGS.register("facenet")
class FaceNet:
    """FaceNet on the face aligned by its landmarks; without landmarks, on the face's box."""

    distinguishes_people: ClassVar[bool] = True

    def __init__(self, weights: Path) -> None:
        self._weights = weights

    @classmethod
    def from_params(cls, screen: Screen, *, root: Path) -> Self:
        """Create FaceNet with its public weights, or with those of the file `screen.embedding_weights`.

        Raises BadInput if the file is missing, or holds no weights of this network.
        """
        if screen.embedding_weights is None:
            path = VGGFACE2.located("params.yaml: screen.embedding: 'facenet'", root=root)
        else:
            path = root / screen.embedding_weights
            if not path.is_file():
                where = "params.yaml: screen.embedding_weights"
                raise BadInput(f"{where}: no file {screen.embedding_weights!r}; null takes the public weights")
        _network(path)
        return cls(path)

    @classmethod
    def model_files(cls, screen: Screen, *, root: Path) -> list[ModelFile]:
        """The network; the published one, or one of your own."""
        return [of_path(root / screen.embedding_weights, VGGFACE2) if screen.embedding_weights else VGGFACE2]

    def fingerprint(self) -> dict[str, Any]:
        """torch's version and the digest of the weights."""
        import torch

        return {"name": "facenet", "version": torch.__version__, "weights": digest_of(self._weights)}

    def __call__(self, pixels: np.ndarray, box: Box, landmarks: Landmarks | None = None) -> np.ndarray:
        """Vector (d,) float32, of length one; d is 512 for the public weights. Raises BadInput for a bad file."""
        import torch

        face = torch.from_numpy(np.ascontiguousarray(network_input(pixels, box, landmarks)[:, :, ::-1]))
        batch = (face.permute(2, 0, 1)[None].float() - 127.5) / 128
        with torch.inference_mode():
            return unit(_network(self._weights)(batch)[0].numpy())


def network_input(pixels: np.ndarray, box: Box, landmarks: Landmarks | None) -> np.ndarray:
    """Face (160, 160, 3) in blue, green, red: aligned, or the box if there are no landmarks or they coincide."""
    if landmarks is not None:
        margin = SIDE_PX * (1 - TEMPLATE_SHARE) / 2
        side_px = SIDE_PX * TEMPLATE_SHARE
        with suppress(ValueError):
            return aligned(pixels, landmarks, side_px=SIDE_PX, onto=_template(side_px, margin))
    return box_with_context(pixels, box, share=CONTEXT_SHARE, side_px=SIDE_PX)


@cache
def _template(side_px: float, margin: float) -> Landmarks:
    from mtf.faces.alignment import TEMPLATE, TEMPLATE_SIDE_PX

    scale = side_px / TEMPLATE_SIDE_PX
    return Landmarks(*((margin + x * scale, margin + y * scale) for x, y in TEMPLATE))


@cache
def _network(weights: Path) -> nn.Module:
    """Network, loaded once per process. Raises BadInput.

    If OpenCV uses one thread, torch does, too (`opencv.use_one_thread`).
    """
    import torch

    from mtf.faces.networks.inception_resnet import InceptionResnetV1

    if cv2.getNumThreads() <= 1:
        torch.set_num_threads(1)
    wanted = "weights of FaceNet"
    content = torch_files.read(weights, wanted=wanted)
    try:
        layers = _layers(content)
        network = InceptionResnetV1(len(layers["last_linear.weight"]))
        network.load_state_dict(layers)
    except Exception as error:  # a file from outside may hold anything
        raise torch_files.not_wanted(weights, wanted, error) from None
    return network.eval().requires_grad_(requires_grad=False)


def _layers(content: Any) -> dict[str, Any]:
    """State dict of the network in a file's content, without the layers of other heads. Raises ValueError."""
    content = content.get("weights", content)
    for prefix in _PREFIXES:
        if f"{prefix}last_linear.weight" in content:
            layers = {name.removeprefix(prefix): value for name, value in content.items() if name.startswith(prefix)}
            # The public file also classifies the people that it was trained on.
            return {name: value for name, value in layers.items() if not name.startswith("logits.")}
    raise ValueError("no layer last_linear.weight")
