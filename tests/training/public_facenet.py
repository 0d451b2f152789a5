"""The state dict of FaceNet's public PyTorch weights, by name and shape.

Read off the public conversion's source (facenet-pytorch, `models/inception_resnet_v1.py`), not off this project's
network: a convolution NAME has `NAME.conv.weight` and a normalisation `NAME.bn`; a block's joining convolution and
the embedding's layers are bare.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch

Shape = tuple[int, ...]

STEM: dict[str, Shape] = {
    "conv2d_1a": (32, 3, 3, 3),
    "conv2d_2a": (32, 32, 3, 3),
    "conv2d_2b": (64, 32, 3, 3),
    "conv2d_3b": (80, 64, 1, 1),
    "conv2d_4a": (192, 80, 3, 3),
    "conv2d_4b": (256, 192, 3, 3),
}
BLOCK35: dict[str, Shape] = {
    "branch0": (32, 256, 1, 1),
    "branch1.0": (32, 256, 1, 1),
    "branch1.1": (32, 32, 3, 3),
    "branch2.0": (32, 256, 1, 1),
    "branch2.1": (32, 32, 3, 3),
    "branch2.2": (32, 32, 3, 3),
    "conv2d": (256, 96, 1, 1),
}
MIXED_6A: dict[str, Shape] = {
    "branch0": (384, 256, 3, 3),
    "branch1.0": (192, 256, 1, 1),
    "branch1.1": (192, 192, 3, 3),
    "branch1.2": (256, 192, 3, 3),
}
BLOCK17: dict[str, Shape] = {
    "branch0": (128, 896, 1, 1),
    "branch1.0": (128, 896, 1, 1),
    "branch1.1": (128, 128, 1, 7),
    "branch1.2": (128, 128, 7, 1),
    "conv2d": (896, 256, 1, 1),
}
MIXED_7A: dict[str, Shape] = {
    "branch0.0": (256, 896, 1, 1),
    "branch0.1": (384, 256, 3, 3),
    "branch1.0": (256, 896, 1, 1),
    "branch1.1": (256, 256, 3, 3),
    "branch2.0": (256, 896, 1, 1),
    "branch2.1": (256, 256, 3, 3),
    "branch2.2": (256, 256, 3, 3),
}
BLOCK8: dict[str, Shape] = {
    "branch0": (192, 1792, 1, 1),
    "branch1.0": (192, 1792, 1, 1),
    "branch1.1": (192, 192, 1, 3),
    "branch1.2": (192, 192, 3, 1),
    "conv2d": (1792, 384, 1, 1),
}
EMBEDDING: dict[str, Shape] = {
    "last_linear.weight": (512, 1792),
    "last_bn.weight": (512,),
    "last_bn.bias": (512,),
    "last_bn.running_mean": (512,),
    "last_bn.running_var": (512,),
    "last_bn.num_batches_tracked": (),
}
# VGGFace2's people.
CLASSIFIER: dict[str, Shape] = {"logits.weight": (8631, 512), "logits.bias": (8631,)}


def shapes() -> dict[str, Shape]:
    """Name → shape of every tensor."""
    blocks = [("", STEM), ("mixed_6a.", MIXED_6A), ("mixed_7a.", MIXED_7A), ("block8.", BLOCK8)]
    blocks += [(f"repeat_1.{number}.", BLOCK35) for number in range(5)]
    blocks += [(f"repeat_2.{number}.", BLOCK17) for number in range(10)]
    blocks += [(f"repeat_3.{number}.", BLOCK8) for number in range(5)]
    found = {}
    for prefix, convolutions in blocks:
        for name, shape in convolutions.items():
            found |= dict(_tensors(f"{prefix}{name}", shape, joins=name == "conv2d"))
    return found | EMBEDDING | CLASSIFIER


def _tensors(name: str, shape: Shape, *, joins: bool) -> Iterator[tuple[str, Shape]]:
    channels = shape[:1]
    if joins:
        yield from {f"{name}.weight": shape, f"{name}.bias": channels}.items()
        return
    yield f"{name}.conv.weight", shape
    for figure in ("weight", "bias", "running_mean", "running_var"):
        yield f"{name}.bn.{figure}", channels
    yield f"{name}.bn.num_batches_tracked", ()


def state_dict(seed: int = 3) -> dict[str, torch.Tensor]:
    """Weights of these names and shapes; their numbers are drawn, and mean nothing."""
    generator = torch.Generator().manual_seed(seed)
    return {
        name: torch.zeros((), dtype=torch.int64) if not shape else torch.rand(shape, generator=generator)
        for name, shape in shapes().items()
    }
