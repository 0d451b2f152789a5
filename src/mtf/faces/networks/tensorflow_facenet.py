"""FaceNet's weights from TensorFlow: the checkpoints of the FaceNet library, whose 2017 models embed in 128 numbers.

Das et al. start from these. The names are those of the library's Inception-ResNet-v1 (github.com/davidsandberg/facenet)
with its layer `Bottleneck`, which makes the embedding.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from mtf.core.errors import BadInput, listed
from mtf.faces.networks import tensorflow_checkpoint
from mtf.faces.networks.inception_resnet import EMBEDDING, PER_PICTURE, InceptionResnetV1

SCOPE = "InceptionResnetV1"
EMBEDDING_WEIGHTS = f"{SCOPE}/Bottleneck/weights"
# Layer here → scope in TensorFlow.
STEM = {
    **{"conv2d_1a": "Conv2d_1a_3x3", "conv2d_2a": "Conv2d_2a_3x3", "conv2d_2b": "Conv2d_2b_3x3"},
    **{"conv2d_3b": "Conv2d_3b_1x1", "conv2d_4a": "Conv2d_4a_3x3", "conv2d_4b": "Conv2d_4b_3x3"},
    **{"mixed_6a": "Mixed_6a", "mixed_7a": "Mixed_7a", "block8": "Block8"},
    **{"last_linear": "Bottleneck", "last_bn": "Bottleneck"},
}
REPEATED = {"repeat_1": "Repeat/block35", "repeat_2": "Repeat_1/block17", "repeat_3": "Repeat_2/block8"}
REDUCED = ("Conv2d_0a_1x1", "Conv2d_1a_3x3")
REDUCED_THRICE = ("Conv2d_0a_1x1", "Conv2d_0b_3x3", "Conv2d_1a_3x3")
# Kind of block → its convolutions by branch.
BRANCHES = {
    "repeat_1": [
        ["Conv2d_1x1"],
        ["Conv2d_0a_1x1", "Conv2d_0b_3x3"],
        ["Conv2d_0a_1x1", "Conv2d_0b_3x3", "Conv2d_0c_3x3"],
    ],
    "repeat_2": [["Conv2d_1x1"], ["Conv2d_0a_1x1", "Conv2d_0b_1x7", "Conv2d_0c_7x1"]],
    "repeat_3": [["Conv2d_1x1"], ["Conv2d_0a_1x1", "Conv2d_0b_1x3", "Conv2d_0c_3x1"]],
    "mixed_6a": [["Conv2d_1a_3x3"], REDUCED_THRICE],
    "mixed_7a": [REDUCED, REDUCED, REDUCED_THRICE],
}
BRANCHES["block8"] = BRANCHES["repeat_3"]
VARIABLES = {
    **{"conv.weight": "weights", "conv2d.weight": "Conv2d_1x1/weights", "conv2d.bias": "Conv2d_1x1/biases"},
    **{"bn.bias": "BatchNorm/beta", "bn.running_mean": "BatchNorm/moving_mean"},
    **{
        "bn.running_var": "BatchNorm/moving_variance",
        "last_linear.weight": "weights",
        "last_bn.bias": "BatchNorm/beta",
    },
    **{"last_bn.running_mean": "BatchNorm/moving_mean", "last_bn.running_var": "BatchNorm/moving_variance"},
}
_BRANCH = re.compile(r"branch(\d)(?:\.(\d))?\.")


def convert(index: Path, *, per_picture: bool | None = None) -> dict[str, torch.Tensor]:
    """State dict of `InceptionResnetV1` from the checkpoint whose index is the file `index`.

    The width of the embedding is the checkpoint's. `per_picture`: True if it was trained on pictures standardised one
    by one, which the state dict then says; None for the library's models: those with 128 numbers, of 2017, were, those
    with 512, of 2018, were not (github.com/davidsandberg/facenet, issue 948).

    Raises BadInput if a tensor is missing or has another shape.
    """
    found = tensorflow_checkpoint.read(index)
    if EMBEDDING_WEIGHTS not in found:
        raise BadInput(f"{index}: not a checkpoint of FaceNet: no variable {EMBEDDING_WEIGHTS}")
    made = state_dict(found, where=str(index))
    if per_picture or (per_picture is None and len(made["last_linear.weight"]) == EMBEDDING):
        made[PER_PICTURE] = torch.tensor(True)
    return made


def state_dict(found: Mapping[str, np.ndarray], *, where: str) -> dict[str, torch.Tensor]:
    """State dict of `InceptionResnetV1` from TensorFlow's variables (name → array). Raises as `convert`."""
    with torch.device("meta"):
        own = InceptionResnetV1(found[EMBEDDING_WEIGHTS].shape[-1]).state_dict()
    made, missing = {}, []
    for name, tensor in own.items():
        if name.endswith("num_batches_tracked"):
            made[name] = torch.zeros((), dtype=torch.int64)
        elif name.endswith("bn.weight"):
            # TensorFlow's normalisation here has no scale.
            made[name] = torch.ones(tensor.shape)
        else:
            variable = variable_of(name)
            value = _transposed(found[variable]) if variable in found else None
            if value is None or value.shape != tuple(tensor.shape):
                missing.append(variable)
                continue
            made[name] = torch.from_numpy(np.array(value, order="C"))
    if missing:
        raise BadInput(f"{where}: not FaceNet's weights; missing or of another shape: {listed(missing, 4)}")
    return made


def variable_of(name: str) -> str:
    """TensorFlow's name of a parameter: `repeat_1.0.branch1.0.conv.weight` is
    `InceptionResnetV1/Repeat/block35_1/Branch_1/Conv2d_0a_1x1/weights`.
    """
    kind, _, rest = name.partition(".")
    if kind in REPEATED:
        number, _, rest = rest.partition(".")
        scope = f"{REPEATED[kind]}_{int(number) + 1}"
    else:
        scope = STEM[kind]
    if branch := _BRANCH.match(rest):
        which, step = int(branch[1]), int(branch[2] or 0)
        scope = f"{scope}/Branch_{which}/{BRANCHES[kind][which][step]}"
        rest = rest[branch.end() :]
    key = name if kind in ("last_linear", "last_bn") else rest
    return f"{SCOPE}/{scope}/{VARIABLES[key]}"


def _transposed(value: np.ndarray) -> np.ndarray:
    """TensorFlow's order of axes (height, width, in, out), or (in, out), as PyTorch's."""
    if value.ndim == 4:
        return value.transpose(3, 2, 0, 1)
    return value.T if value.ndim == 2 else value
