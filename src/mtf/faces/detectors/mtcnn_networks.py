"""Networks of MTCNN (Zhang et al., 2016) in torch, with the weights of the package facenet-pytorch.

Layers have the names of the weight files. The input is red, green, blue, (pixel − 127.5) / 128.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import NamedTuple, TypeVar

import cv2
import torch
from torch import Tensor, nn

from mtf.core import torch_files
from mtf.core.errors import BadInput


class ProposalNetwork(nn.Module):
    """P-Net, convolutional: (n, 3, height, width) to a face's probability and its box's corrections per cell."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.prelu1 = nn.Conv2d(3, 10, 3), nn.PReLU(10)
        self.pool1 = nn.MaxPool2d(2, 2, ceil_mode=True)
        self.conv2, self.prelu2 = nn.Conv2d(10, 16, 3), nn.PReLU(16)
        self.conv3, self.prelu3 = nn.Conv2d(16, 32, 3), nn.PReLU(32)
        self.conv4_1, self.conv4_2 = nn.Conv2d(32, 2, 1), nn.Conv2d(32, 4, 1)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Probabilities (n, rows, columns) and corrections (n, 4, rows, columns): windows of 12 pixels, 2 apart."""
        features = self.pool1(self.prelu1(self.conv1(pixels)))
        features = self.prelu3(self.conv3(self.prelu2(self.conv2(features))))
        return self.conv4_1(features).softmax(1)[:, 1], self.conv4_2(features)


class RefinementNetwork(nn.Module):
    """R-Net: (n, 3, 24, 24) to probabilities (n,) and corrections (n, 4)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.prelu1 = nn.Conv2d(3, 28, 3), nn.PReLU(28)
        self.pool1 = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.conv2, self.prelu2 = nn.Conv2d(28, 48, 3), nn.PReLU(48)
        self.pool2 = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.conv3, self.prelu3 = nn.Conv2d(48, 64, 2), nn.PReLU(64)
        self.dense4, self.prelu4 = nn.Linear(576, 128), nn.PReLU(128)
        self.dense5_1, self.dense5_2 = nn.Linear(128, 2), nn.Linear(128, 4)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        features = self.pool1(self.prelu1(self.conv1(pixels)))
        features = self.pool2(self.prelu2(self.conv2(features)))
        features = self.prelu4(self.dense4(_flat(self.prelu3(self.conv3(features)))))
        return self.dense5_1(features).softmax(1)[:, 1], self.dense5_2(features)


class OutputNetwork(nn.Module):
    """O-Net: (n, 3, 48, 48) to probabilities (n,), corrections (n, 4) and landmarks (n, 10): five x, then five y."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.prelu1 = nn.Conv2d(3, 32, 3), nn.PReLU(32)
        self.pool1 = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.conv2, self.prelu2 = nn.Conv2d(32, 64, 3), nn.PReLU(64)
        self.pool2 = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.conv3, self.prelu3 = nn.Conv2d(64, 64, 3), nn.PReLU(64)
        self.pool3 = nn.MaxPool2d(2, 2, ceil_mode=True)
        self.conv4, self.prelu4 = nn.Conv2d(64, 128, 2), nn.PReLU(128)
        self.dense5, self.prelu5 = nn.Linear(1152, 256), nn.PReLU(256)
        self.dense6_1, self.dense6_2, self.dense6_3 = nn.Linear(256, 2), nn.Linear(256, 4), nn.Linear(256, 10)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        features = self.pool1(self.prelu1(self.conv1(pixels)))
        features = self.pool2(self.prelu2(self.conv2(features)))
        features = self.prelu4(self.conv4(self.pool3(self.prelu3(self.conv3(features)))))
        features = self.prelu5(self.dense5(_flat(features)))
        return self.dense6_1(features).softmax(1)[:, 1], self.dense6_2(features), self.dense6_3(features)


Network = TypeVar("Network", bound=nn.Module)


class Networks(NamedTuple):
    """Networks of the cascade, with their weights."""

    proposal: ProposalNetwork
    refinement: RefinementNetwork
    output: OutputNetwork


@cache
def load(proposal: Path, refinement: Path, output: Path) -> Networks:
    """Load the networks and their weights, once per process. Raises BadInput for a file without these weights.

    Only tensors are read from the files: code in a pickle is not run. If OpenCV uses one thread, torch does, too
    (`opencv.use_one_thread`).
    """
    if cv2.getNumThreads() <= 1:
        torch.set_num_threads(1)
    return Networks(
        _loaded(ProposalNetwork(), proposal),
        _loaded(RefinementNetwork(), refinement),
        _loaded(OutputNetwork(), output),
    )


def _loaded(network: Network, path: Path) -> Network:
    try:
        network.load_state_dict(torch_files.read(path, wanted="weights of MTCNN"))
    except BadInput as error:
        raise BadInput(f"{path.name}: no weights of MTCNN: {error}") from None
    except Exception as error:  # a file from outside may hold anything in place of the weights
        reason = " ".join(str(error).split())[:120]
        raise BadInput(f"{path.name}: no weights of MTCNN: {reason}") from None
    return network.eval().requires_grad_(requires_grad=False)


def _flat(features: Tensor) -> Tensor:
    """Features (n, channels, rows, columns) flattened to (n, …), in the order of the weights' original Caffe model."""
    return features.permute(0, 3, 2, 1).flatten(1)
