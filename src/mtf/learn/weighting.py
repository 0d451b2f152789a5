"""How several tasks' losses become one: six ways, one interface.

A weighting is called once per step with the tasks' losses and gives the loss to minimise; it is told the mean
losses of each epoch. Its parameters, where it has any, are trained beside the network's.
"""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import nn

from mtf.errors import bad_value

SMALL = 1e-8


class Weighting(nn.Module):
    """`current` holds the weights of the latest step, shape (tasks,), for the record."""

    def __init__(self, tasks: int) -> None:
        super().__init__()
        self.tasks = tasks
        self.register_buffer("current", torch.full((tasks,), 1 / tasks))
        self.current: torch.Tensor

    @abstractmethod
    def forward(self, losses: torch.Tensor, features: torch.Tensor, shared: nn.Parameter) -> torch.Tensor:
        """One loss, a scalar, from `losses` (tasks,).

        `features` (n, width) is what the heads share; `shared` the weights of the last layer that makes it.
        """

    def epoch_ended(self, mean_losses: torch.Tensor) -> None:
        """`mean_losses` (tasks,): of the epoch that has just ended. Most weightings need not know."""


class Equal(Weighting):
    """Each task alike: the mean of the losses."""

    def forward(self, losses: torch.Tensor, features: torch.Tensor, shared: nn.Parameter) -> torch.Tensor:  # noqa: ARG002
        return losses.mean()


class Dynamic(Weighting):
    """Das et al., section 3.1: a layer and a softmax on the shared features give one positive weight per task,
    summing to 1, averaged over the batch; the weighted sum is minimised over network and weights alike.

    With nothing to hold it, the weight moves to the task that is easy: the authors say so, and a test shows it.
    """

    def __init__(self, tasks: int, *, width: int) -> None:
        super().__init__(tasks)
        self.unit = nn.Linear(width, tasks)

    def forward(self, losses: torch.Tensor, features: torch.Tensor, shared: nn.Parameter) -> torch.Tensor:  # noqa: ARG002
        weights = self.unit(features).softmax(dim=1).mean(dim=0)
        self.current = weights.detach()
        return (weights * losses).sum()


class DynamicHard(Dynamic):
    """As `Dynamic`, but the weight unit has a loss of its own, Σ wᵢ / Lᵢ, by which hard tasks gain weight."""

    def forward(self, losses: torch.Tensor, features: torch.Tensor, shared: nn.Parameter) -> torch.Tensor:  # noqa: ARG002
        weights = self.unit(features.detach()).softmax(dim=1).mean(dim=0)
        self.current = weights.detach()
        return (self.current * losses).sum() + (weights / (losses.detach() + SMALL)).sum()


class Uncertainty(Weighting):
    """Kendall et al. 2018, for classification: Σ Lᵢ / σᵢ² + log σᵢ, with sᵢ = log σᵢ² learnt."""

    def __init__(self, tasks: int) -> None:
        super().__init__(tasks)
        self.log_variance = nn.Parameter(torch.zeros(tasks))

    def forward(self, losses: torch.Tensor, features: torch.Tensor, shared: nn.Parameter) -> torch.Tensor:  # noqa: ARG002
        weights = torch.exp(-self.log_variance)
        self.current = weights.detach()
        return (weights * losses + self.log_variance / 2).sum()


class DynamicAverage(Weighting):
    """DWA (Liu et al. 2019): tasks · softmax(rᵢ / 2), rᵢ the ratio of a task's last two epochs' mean losses.

    In the first two epochs every weight is 1.
    """

    TEMPERATURE = 2.0

    def __init__(self, tasks: int) -> None:
        super().__init__(tasks)
        self.current = torch.ones(tasks)
        self.register_buffer("previous", torch.zeros(tasks))
        self.previous: torch.Tensor

    def forward(self, losses: torch.Tensor, features: torch.Tensor, shared: nn.Parameter) -> torch.Tensor:  # noqa: ARG002
        return (self.current * losses).sum()

    def epoch_ended(self, mean_losses: torch.Tensor) -> None:
        mean_losses = mean_losses.to(self.previous)
        if bool(self.previous.any()):
            ratio = mean_losses / (self.previous + SMALL)
            self.current = self.tasks * (ratio / self.TEMPERATURE).softmax(dim=0)
        self.previous = mean_losses.clone()


class GradNorm(Weighting):
    """Chen et al. 2018: weights learnt so that each task's gradient on the last shared layer is of the mean norm,
    times its relative training rate to the power of `asymmetry`; they are kept positive and summing to the tasks.
    """

    def __init__(self, tasks: int, *, asymmetry: float = 1.5) -> None:
        super().__init__(tasks)
        self.weights = nn.Parameter(torch.ones(tasks))
        self.register_buffer("first", torch.zeros(tasks))
        self.first: torch.Tensor
        self._asymmetry = asymmetry

    def forward(self, losses: torch.Tensor, features: torch.Tensor, shared: nn.Parameter) -> torch.Tensor:  # noqa: ARG002
        with torch.no_grad():
            positive = self.weights.clamp(min=1e-3)
            self.weights.copy_(positive * self.tasks / positive.sum())
        # Not as a condition: it would wait for an accelerator at every step.
        self.first = torch.where(self.first.any(), self.first, losses.detach())
        self.current = self.weights.detach().clone()
        return (self.current * losses).sum() + self._imbalance(losses, shared)

    def _imbalance(self, losses: torch.Tensor, shared: nn.Parameter) -> torch.Tensor:
        """Σ |Gᵢ - target|. The norm of wᵢ·∇Lᵢ is wᵢ times that of ∇Lᵢ: no second derivative is needed."""
        if not torch.is_grad_enabled():
            return losses.new_zeros(())
        gradients = [torch.autograd.grad(loss, shared, retain_graph=True)[0].norm() for loss in losses]
        norms = self.weights * torch.stack(gradients)
        rate = losses.detach() / (self.first + SMALL)
        target = norms.mean() * (rate / rate.mean()) ** self._asymmetry
        return (norms - target.detach()).abs().sum()


def build(name: str, tasks: int, *, width: int, seed: int) -> Weighting:
    """The weighting `name` of params.yaml's multitask.weightings, for features of `width`."""
    made = {
        "equal": lambda: Equal(tasks),
        "dynamic": lambda: Dynamic(tasks, width=width),
        "dynamic_hard": lambda: DynamicHard(tasks, width=width),
        "uncertainty": lambda: Uncertainty(tasks),
        "dwa": lambda: DynamicAverage(tasks),
        "gradnorm": lambda: GradNorm(tasks),
    }
    if name not in made:
        raise bad_value("weighting", name, ", ".join(made))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return made[name]()
