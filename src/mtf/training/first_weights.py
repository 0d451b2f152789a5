"""Weights of the tasks' losses that a brute-force search found, fixed or as the start of dynamic ones (Das et al.)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import nn

from mtf.training.loss_weighting import Dynamic
from mtf.training.weighting import Weighting


class Fixed(Weighting):
    """Fixed weights: Σ wᵢ·Lᵢ with the given weights, scaled so that they sum to 1."""

    def __init__(self, weights: Sequence[float]) -> None:
        super().__init__(len(weights))
        given = torch.tensor(weights, dtype=torch.float32)
        self.current = given / given.sum()

    def forward(self, losses: torch.Tensor, features: torch.Tensor, shared: Sequence[nn.Parameter]) -> torch.Tensor:  # noqa: ARG002
        return (self.current * losses).sum()


def begin_at(weighting: Weighting, weights: Mapping[str, float] | None) -> Weighting:
    """`weighting` that begins near `weights` (task → weight, in the order of the tasks), if it is a dynamic one.

    The softmax of the layer's bias is then the weights; its other parameters stay small and random, so that the weights
    begin near them for every picture. Any other weighting, or None for the weights, changes nothing.
    """
    if weights is not None and isinstance(weighting, Dynamic):
        with torch.no_grad():
            weighting.unit.bias.copy_(torch.tensor(list(weights.values()), dtype=torch.float32).log())
    return weighting
