"""Base class of loss weightings for multi-task training."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import nn

SMALL = 1e-8


class Weighting(nn.Module):
    """Base class of loss weightings, called at each step with the tasks' losses.

    All weightings are on one scale: the weights that the network's losses get, `current` (tasks,), sum to 1. So one
    learning rate means the same for all.
    """

    def __init__(self, tasks: int) -> None:
        super().__init__()
        self.tasks = tasks
        self.register_buffer("current", torch.full((tasks,), 1 / tasks))
        self.current: torch.Tensor

    @abstractmethod
    def forward(self, losses: torch.Tensor, features: torch.Tensor, shared: Sequence[nn.Parameter]) -> torch.Tensor:
        """Combined loss, a scalar.

        - `losses`: (tasks,);
        - `features`: (n, width), the input of the heads;
        - `shared`: parameters of the shared layers that are trained, from the input on.
        """

    def epoch_ended(self, mean_losses: torch.Tensor) -> None:
        """Receive the mean losses (tasks,) of the epoch that has just ended; most weightings ignore them."""
