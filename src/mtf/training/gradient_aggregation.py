"""Loss weightings from the tasks' gradients: UPGrad, CAGrad and Nash-MTL, through torchjd (extra `gradients`).

At each step they look at the gradient of every task's loss on the shared layers, and weigh the losses so that the
joint step conflicts less with any one task. torchjd works out the weights; here they are divided by their sum, so that
all weightings of this package are on one scale.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from mtf.core import extras
from mtf.core.errors import MtfError
from mtf.training.weighting import SMALL, Weighting

# Radius of CAGrad's ball, as a share of the mean gradient's norm: the default of LibMTL.
CAGRAD_RADIUS = 0.5
EXTRA = "gradients"


class GradientAggregation(Weighting):
    """Weights of an aggregator of torchjd, which has a `weighting`: Jacobian (tasks, parameters) → weights (tasks,)."""

    def __init__(self, tasks: int, aggregator: Any) -> None:
        super().__init__(tasks)
        self._weights_of: Callable[[torch.Tensor], torch.Tensor] = aggregator.weighting

    def forward(
        self,
        losses: torch.Tensor,
        features: torch.Tensor,  # noqa: ARG002
        shared: Sequence[nn.Parameter],
    ) -> torch.Tensor:
        jacobian = torch.stack([_gradient(loss, shared) for loss in losses])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of cvxpy, on the solver that torchjd chose
            weights = self._weights_of(jacobian).detach()
        # All are 0 where no step helps every task.
        self.current = weights / weights.sum().clamp(min=SMALL)
        return (self.current * losses).sum()


class NashMtl(GradientAggregation):
    """Nash-MTL (Navon et al. 2022). Its solver starts from the weights of the step before: the checkpoint has them."""

    def __init__(self, tasks: int, aggregator: Any) -> None:
        super().__init__(tasks, aggregator)
        self._solver = aggregator.weighting

    def get_extra_state(self) -> torch.Tensor:
        return torch.from_numpy(np.array(self._solver.prvs_alpha, np.float64))

    def set_extra_state(self, state: torch.Tensor) -> None:
        self._solver.prvs_alpha = state.numpy().copy()


def build(name: str, tasks: int) -> GradientAggregation:
    """Weighting `upgrad`, `cagrad` or `nash_mtl`. Raises MtfError if torchjd or a solver is not installed."""
    if lacking := extras.lacking(EXTRA):
        brought = f"{lacking[0]}, which is not installed; {extras.install(EXTRA)} brings it"
        raise MtfError(f"multitask.weightings: {name} needs {brought}")
    from torchjd import aggregation

    if name == "nash_mtl":
        # The sum of the weights bounds the step already: no bound on its norm.
        return NashMtl(tasks, aggregation.NashMTL(n_tasks=tasks, max_norm=0.0))
    return GradientAggregation(tasks, aggregation.UPGrad() if name == "upgrad" else aggregation.CAGrad(c=CAGRAD_RADIUS))


def _gradient(loss: torch.Tensor, shared: Sequence[nn.Parameter]) -> torch.Tensor:
    """Gradient of one loss on all shared parameters, (parameters,)."""
    parts = torch.autograd.grad(loss, shared, retain_graph=True, materialize_grads=True)
    return torch.cat([part.flatten() for part in parts])
