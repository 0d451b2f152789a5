"""Loss weightings for multi-task training that work on the losses, and the registry of all weightings.

A weighting is called at each step with the tasks' losses and returns the loss to minimise; after each epoch it receives
the mean losses. Its parameters, if it has any, are trained with those of the network. The weights of the network's
losses sum to 1 in all of them; where a paper has another sum, its weights are divided by that.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from mtf.config.training import WEIGHTINGS
from mtf.core.errors import bad_value
from mtf.training.weighting import SMALL, Weighting


class Equal(Weighting):
    """Equal weights: the mean of the losses."""

    def forward(self, losses: torch.Tensor, features: torch.Tensor, shared: Sequence[nn.Parameter]) -> torch.Tensor:  # noqa: ARG002
        return losses.mean()


class Dynamic(Weighting):
    """Dynamic weights of Das et al., section 3.1.

    A linear layer and a softmax on the shared features give one positive weight per task, summing to 1, averaged over
    the batch; the weighted sum is minimised over the network and the weights together. Without a constraint the weight
    moves to the easiest task: the authors say so, and a test shows it.
    """

    def __init__(self, tasks: int, *, width: int) -> None:
        super().__init__(tasks)
        self.unit = nn.Linear(width, tasks)

    def forward(self, losses: torch.Tensor, features: torch.Tensor, shared: Sequence[nn.Parameter]) -> torch.Tensor:  # noqa: ARG002
        weights = self.unit(features).softmax(dim=1).mean(dim=0)
        self.current = weights.detach()
        return (weights * losses).sum()


class DynamicHard(Dynamic):
    """Dynamic weights whose layer has a loss of its own, Σ wᵢ / Lᵢ, so that hard tasks gain weight."""

    def forward(self, losses: torch.Tensor, features: torch.Tensor, shared: Sequence[nn.Parameter]) -> torch.Tensor:  # noqa: ARG002
        weights = self.unit(features.detach()).softmax(dim=1).mean(dim=0)
        self.current = weights.detach()
        return (self.current * losses).sum() + (weights / (losses.detach() + SMALL)).sum()


class Uncertainty(Weighting):
    """Uncertainty weighting (Kendall et al. 2018) for classification: Σ Lᵢ / σᵢ² + log σᵢ, with sᵢ = log σᵢ² learnt.

    The sᵢ learn from that sum; the network's losses get 1 / σᵢ², divided by their sum. Undivided, they start at the
    number of tasks and grow as the losses fall, which is a higher learning rate and no weighting.
    """

    def __init__(self, tasks: int) -> None:
        super().__init__(tasks)
        self.log_variance = nn.Parameter(torch.zeros(tasks))

    def forward(self, losses: torch.Tensor, features: torch.Tensor, shared: Sequence[nn.Parameter]) -> torch.Tensor:  # noqa: ARG002
        weights = torch.exp(-self.log_variance)
        self.current = (weights / weights.sum()).detach()
        return (self.current * losses).sum() + (weights * losses.detach() + self.log_variance / 2).sum()


class DynamicAverage(Weighting):
    """Dynamic weight average, DWA (Liu et al. 2019): softmax(rᵢ / 2), the paper's weights divided by the tasks.

    rᵢ is the ratio of a task's mean losses in the last two epochs. In the first two epochs all weights are equal.
    """

    TEMPERATURE = 2.0

    def __init__(self, tasks: int) -> None:
        super().__init__(tasks)
        self.register_buffer("previous", torch.zeros(tasks))
        self.previous: torch.Tensor

    def forward(self, losses: torch.Tensor, features: torch.Tensor, shared: Sequence[nn.Parameter]) -> torch.Tensor:  # noqa: ARG002
        return (self.current * losses).sum()

    def epoch_ended(self, mean_losses: torch.Tensor) -> None:
        mean_losses = mean_losses.to(self.previous)
        if bool(self.previous.any()):
            ratio = mean_losses / (self.previous + SMALL)
            self.current = (ratio / self.TEMPERATURE).softmax(dim=0)
        self.previous = mean_losses.clone()


class GradNorm(Weighting):
    """GradNorm (Chen et al. 2018).

    Weights are learnt so that the norm of each task's gradient on the last shared layer is the mean norm times the
    task's relative training rate to the power of `asymmetry`. They are kept positive, with the number of tasks as sum,
    as in the paper; the network's losses get them divided by the number of tasks.
    """

    def __init__(self, tasks: int, *, asymmetry: float = 1.5) -> None:
        super().__init__(tasks)
        self.weights = nn.Parameter(torch.ones(tasks))
        self.register_buffer("first", torch.zeros(tasks))
        self.first: torch.Tensor
        self._asymmetry = asymmetry

    def forward(self, losses: torch.Tensor, features: torch.Tensor, shared: Sequence[nn.Parameter]) -> torch.Tensor:  # noqa: ARG002
        with torch.no_grad():
            positive = self.weights.clamp(min=1e-3)
            self.weights.copy_(positive * self.tasks / positive.sum())
        # Not an `if`: that would synchronise with an accelerator at every step.
        self.first = torch.where(self.first.any(), self.first, losses.detach())
        self.current = self.weights.detach() / self.tasks
        return (self.current * losses).sum() + self._imbalance(losses, _last_weights(shared))

    def _imbalance(self, losses: torch.Tensor, shared: nn.Parameter) -> torch.Tensor:
        """Loss of the weights, Σ |Gᵢ - target|.

        The norm of wᵢ·∇Lᵢ is wᵢ times that of ∇Lᵢ, so that no second derivative is needed.
        """
        if not torch.is_grad_enabled():
            return losses.new_zeros(())
        gradients = [torch.autograd.grad(loss, shared, retain_graph=True)[0].norm() for loss in losses]
        norms = self.weights * torch.stack(gradients)
        rate = losses.detach() / (self.first + SMALL)
        target = norms.mean() * (rate / rate.mean()) ** self._asymmetry
        return (norms - target.detach()).abs().sum()


def _last_weights(shared: Sequence[nn.Parameter]) -> nn.Parameter:
    """Weights of the last shared convolution or linear layer, which have more than one axis."""
    return next((each for each in reversed(shared) if each.ndim > 1), shared[-1])


def build(name: str, tasks: int, *, width: int, seed: int) -> Weighting:
    """Weighting `name` of params.yaml's multitask.weightings, for features of `width`, its parameters from `seed`.

    Raises BadInput for an unknown name, naming the known ones, and MtfError if its extra is not installed.
    """
    made = {
        "equal": lambda: Equal(tasks),
        "dynamic": lambda: Dynamic(tasks, width=width),
        "dynamic_hard": lambda: DynamicHard(tasks, width=width),
        "uncertainty": lambda: Uncertainty(tasks),
        "dwa": lambda: DynamicAverage(tasks),
        "gradnorm": lambda: GradNorm(tasks),
    }
    if name not in WEIGHTINGS:
        raise bad_value("weighting", name, ", ".join(WEIGHTINGS))
    if name not in made:
        from mtf.training import gradient_aggregation

        return gradient_aggregation.build(name, tasks)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return made[name]()
