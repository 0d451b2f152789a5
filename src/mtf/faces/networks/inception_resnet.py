"""FaceNet: Inception-ResNet-v1 (Szegedy et al. 2017) that embeds a face as a vector of length 1.

Layers have the names of the public PyTorch conversions of FaceNet's weights, so that those files load unchanged.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional

MIN_PX = 75
# Dimensions of the embedding in Das et al.; the public weights have 512.
EMBEDDING = 128
# Name of what a file of weights says of its input, if that is standardised picture by picture.
PER_PICTURE = "standardise.per_picture"
# FaceNet's input is (x − 127.5) / 128; the smallest standard deviation below is of the values x from 0 to 255.
INPUT_SCALE = 128
# Layers that make the embedding; not taken from a file of weights with an embedding of another width.
LAST = ("last_linear", "last_bn")


def convolution(inputs: int, outputs: int, kernel: int | tuple[int, int], *, stride: int = 1, padding: str = "valid"):
    """Block of a convolution without bias, batch normalisation and ReLU; `padding` is `same` or `valid`."""
    return _Convolution(inputs, outputs, kernel, stride=stride, padding=padding)


class _Convolution(nn.Module):
    def __init__(self, inputs: int, outputs: int, kernel: int | tuple[int, int], *, stride: int, padding: str) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=padding, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=0.001)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        return functional.relu(self.bn(self.conv(pictures)))


def _chain(inputs: int, steps: Sequence[tuple[int, int | tuple[int, int]]]) -> nn.Module:
    """Sequence of convolution blocks with padding `same`; a single block is not wrapped."""
    layers = []
    for outputs, kernel in steps:
        layers.append(convolution(inputs, outputs, kernel, padding="same"))
        inputs = outputs
    return layers[0] if len(layers) == 1 else nn.Sequential(*layers)


class Residual(nn.Module):
    """Residual block: parallel branches, joined by a 1 × 1 convolution, scaled, and added to the input."""

    def __init__(
        self,
        channels: int,
        branches: Sequence[Sequence[tuple[int, int | tuple[int, int]]]],
        *,
        scale: float,
        last: bool = False,
    ) -> None:
        super().__init__()
        self._count = len(branches)
        for number, steps in enumerate(branches):
            self.add_module(f"branch{number}", _chain(channels, steps))
        self.conv2d = nn.Conv2d(sum(steps[-1][0] for steps in branches), channels, 1)
        self._scale = scale
        self._last = last

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        branches = [self.get_submodule(f"branch{number}")(pictures) for number in range(self._count)]
        joined = pictures + self._scale * self.conv2d(torch.cat(branches, dim=1))
        return joined if self._last else functional.relu(joined)


class Reduction(nn.Module):
    """Reduction block: branches that halve the sides, and a max pooling, concatenated along the channels."""

    def __init__(self, branches: Sequence[nn.Module]) -> None:
        super().__init__()
        self._count = len(branches) + 1
        for number, branch in enumerate([*branches, nn.MaxPool2d(3, stride=2)]):
            self.add_module(f"branch{number}", branch)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        return torch.cat([self.get_submodule(f"branch{number}")(pictures) for number in range(self._count)], dim=1)


def _block35() -> Residual:
    return Residual(256, [[(32, 1)], [(32, 1), (32, 3)], [(32, 1), (32, 3), (32, 3)]], scale=0.17)


def _block17() -> Residual:
    return Residual(896, [[(128, 1)], [(128, 1), (128, (1, 7)), (128, (7, 1))]], scale=0.10)


def _block8(*, scale: float = 0.20, last: bool = False) -> Residual:
    return Residual(1792, [[(192, 1)], [(192, 1), (192, (1, 3)), (192, (3, 1))]], scale=scale, last=last)


def _reduction_a() -> Reduction:
    deep = nn.Sequential(
        convolution(256, 192, 1), convolution(192, 192, 3, padding="same"), convolution(192, 256, 3, stride=2)
    )
    return Reduction([convolution(256, 384, 3, stride=2), deep])


def _reduction_b() -> Reduction:
    return Reduction(
        [
            nn.Sequential(convolution(896, 256, 1), convolution(256, 384, 3, stride=2)),
            nn.Sequential(convolution(896, 256, 1), convolution(256, 256, 3, stride=2)),
            nn.Sequential(
                convolution(896, 256, 1), convolution(256, 256, 3, padding="same"), convolution(256, 256, 3, stride=2)
            ),
        ]
    )


class Standardise(nn.Module):
    """Input of the network: as it is, or standardised picture by picture, for weights that were trained so.

    Per picture, it is (x − mean) / max(std, 1 / √n) over the n values of a picture, TensorFlow's
    `per_image_standardization`. The state dict of the network names this only where it is used, so that files of other
    weights keep their form.
    """

    def __init__(self) -> None:
        super().__init__()
        self.per_picture = False

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        if not self.per_picture:
            return pictures
        std, mean = torch.std_mean(pictures, dim=(1, 2, 3), correction=0, keepdim=True)
        return (pictures - mean) / std.clamp(min=1 / (INPUT_SCALE * math.sqrt(math.prod(pictures.shape[1:]))))

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:  # noqa: ARG002 (torch's)
        if self.per_picture:
            destination[f"{prefix}per_picture"] = torch.tensor(True)

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *_: Any, **__: Any) -> None:
        self.per_picture = bool(state_dict.get(f"{prefix}per_picture", False))


class InceptionResnetV1(nn.Module):
    """Embedding network: (n, 3, size, size), size at least 75, usually 160 → (n, embedding), each row of length 1.

    The pictures are (x − 127.5) / 128 for all weights; see `Standardise`.
    """

    def __init__(self, embedding: int = EMBEDDING, *, dropout: float = 0.6) -> None:
        super().__init__()
        self.standardise = Standardise()
        self.conv2d_1a = convolution(3, 32, 3, stride=2)
        self.conv2d_2a = convolution(32, 32, 3)
        self.conv2d_2b = convolution(32, 64, 3, padding="same")
        self.maxpool_3a = nn.MaxPool2d(3, stride=2)
        self.conv2d_3b = convolution(64, 80, 1)
        self.conv2d_4a = convolution(80, 192, 3)
        self.conv2d_4b = convolution(192, 256, 3, stride=2)
        self.repeat_1 = nn.Sequential(*(_block35() for _ in range(5)))
        self.mixed_6a = _reduction_a()
        self.repeat_2 = nn.Sequential(*(_block17() for _ in range(10)))
        self.mixed_7a = _reduction_b()
        self.repeat_3 = nn.Sequential(*(_block8() for _ in range(5)))
        self.block8 = _block8(scale=1.0, last=True)
        self.avgpool_1a = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.dropout = nn.Dropout(dropout)
        self.last_linear = nn.Linear(1792, embedding, bias=False)
        self.last_bn = nn.BatchNorm1d(embedding, eps=0.001)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        for layer in self.children():
            pictures = layer(pictures)
        return functional.normalize(pictures, dim=1)
