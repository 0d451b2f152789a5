"""FaceNet for training: the embedding network with a head for one task (Das et al., section 3)."""

from __future__ import annotations

import torch
from torch import nn

from mtf.faces.networks.inception_resnet import EMBEDDING, LAST, MIN_PX, InceptionResnetV1

__all__ = ["EMBEDDING", "LAST", "MIN_PX", "TRUNK", "FaceNet", "FaceNetTrunk", "InceptionResnetV1"]

# Features that FaceNet's last dropout returns, of which its embedding is made.
TRUNK = 1792


class FaceNet(nn.Module):
    """FaceNet with a head for one task: (n, 3, size, size) → logits (n, labels) (Das et al., Table 1)."""

    def __init__(self, labels: int) -> None:
        super().__init__()
        self.backbone = InceptionResnetV1()
        self.head = nn.Linear(EMBEDDING, labels)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        return self.head(self.backbone(pictures))


class FaceNetTrunk(InceptionResnetV1):
    """FaceNet up to its last dropout: (n, 3, size, size) → (n, TRUNK), the features that the tasks of Das et al. share.

    It has the names of FaceNet's layers but for LAST, so that files of its weights load.
    """

    def __init__(self) -> None:
        super().__init__()
        for name in LAST:
            delattr(self, name)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        for layer in self.children():
            pictures = layer(pictures)
        return pictures
