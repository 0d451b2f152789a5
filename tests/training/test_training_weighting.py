"""Loss weightings, against values worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from mtf.core.errors import BadInput
from mtf.training import loss_weighting

LOSSES = torch.tensor([1.0, 3.0])
FEATURES = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
SHARED = nn.Parameter(torch.ones(1))


def total(chosen: loss_weighting.Weighting, losses: torch.Tensor = LOSSES) -> float:
    return float(chosen(losses, FEATURES, SHARED).detach())


def test_equal_is_the_mean() -> None:
    assert total(loss_weighting.build("equal", 2, width=2, seed=1)) == 2.0


def dynamic(name: str = "dynamic") -> loss_weighting.Weighting:
    """A unit whose two rows see scores (ln 3, 0) for the first picture and (0, 0) for the second."""
    chosen = loss_weighting.build(name, 2, width=2, seed=1)
    assert isinstance(chosen, loss_weighting.Dynamic)
    with torch.no_grad():
        chosen.unit.weight.copy_(torch.tensor([[math.log(3), 0.0], [0.0, 0.0]]))
        chosen.unit.bias.zero_()
    return chosen


def test_dynamic_averages_each_pictures_softmax_over_the_batch() -> None:
    # Softmax: (3/4, 1/4) and (1/2, 1/2); their mean (5/8, 3/8); 5/8·1 + 3/8·3 = 14/8.
    chosen = dynamic()
    assert total(chosen) == pytest.approx(1.75)
    torch.testing.assert_close(chosen.current, torch.tensor([0.625, 0.375]))


def step(chosen: loss_weighting.Weighting) -> torch.Tensor:
    optimizer = torch.optim.SGD(chosen.parameters(), lr=0.5)
    chosen(LOSSES, FEATURES, SHARED).backward()
    optimizer.step()
    chosen(LOSSES, FEATURES, SHARED)
    return chosen.current


def test_dynamic_alone_moves_weight_to_the_easy_task_and_its_own_loss_to_the_hard_one() -> None:
    assert step(dynamic())[0] > 0.625
    assert step(dynamic("dynamic_hard"))[1] > 0.375


def test_the_weight_units_own_loss_divides_weights_by_losses_and_leaves_the_network_alone() -> None:
    # 5/8·1 + 3/8·3 for the network, and 5/8 / 1 + 3/8 / 3 for the unit.
    losses = LOSSES.clone().requires_grad_()
    value = dynamic("dynamic_hard")(losses, FEATURES, SHARED)
    assert float(value.detach()) == pytest.approx(1.75 + 0.75)
    value.backward()
    torch.testing.assert_close(losses.grad, torch.tensor([0.625, 0.375]))


def test_uncertainty_divides_by_the_variance_and_adds_half_its_logarithm() -> None:
    # s = (ln 2, ln 4): 1/2 + 3/4 + (ln 2 + ln 4) / 2.
    chosen = loss_weighting.build("uncertainty", 2, width=2, seed=1)
    assert isinstance(chosen, loss_weighting.Uncertainty)
    with torch.no_grad():
        chosen.log_variance.copy_(torch.tensor([math.log(2), math.log(4)]))
    assert total(chosen) == pytest.approx(1.25 + 1.5 * math.log(2))
    torch.testing.assert_close(chosen.current, torch.tensor([0.5, 0.25]))


def test_dwa_weighs_by_the_ratio_of_the_last_two_epochs() -> None:
    chosen = loss_weighting.build("dwa", 2, width=2, seed=1)
    assert total(chosen) == 4.0
    chosen.epoch_ended(torch.tensor([2.0, 2.0]))
    assert total(chosen) == 4.0  # one epoch says nothing of a rate
    chosen.epoch_ended(torch.tensor([1.0, 2.0]))
    # Ratios 1/2 and 1, halved by the temperature: weights 2·softmax(1/4, 1/2).
    first = 2 / (1 + math.exp(0.25))
    torch.testing.assert_close(chosen.current, torch.tensor([first, 2 - first]))
    assert total(chosen) == pytest.approx(first + 3 * (2 - first))


def two_losses(shared: nn.Parameter) -> torch.Tensor:
    """Losses whose gradients on `shared` = (1, 1) have the norms 5 and 1, and whose values are 7 and 2."""
    return torch.stack([3 * shared[0] + 4 * shared[1], shared[1] + 1])


def test_gradnorm_adds_the_distance_of_each_gradients_norm_from_its_target() -> None:
    shared = nn.Parameter(torch.ones(2))
    chosen = loss_weighting.GradNorm(2, asymmetry=1.0)
    # First step: both rates are 1, the mean norm 3: |5 - 3| + |1 - 3| = 4, beside the losses' 9.
    assert float(chosen(two_losses(shared), FEATURES, shared).detach()) == pytest.approx(13.0)
    # The second task's loss has halved since: rates (1, 1/2), relative 4/3 and 2/3, targets 4 and 2.
    chosen.first = torch.tensor([7.0, 4.0])
    assert float(chosen(two_losses(shared), FEATURES, shared).detach()) == pytest.approx(9 + 1 + 1)


def test_gradnorm_takes_weight_from_the_task_with_the_steep_gradient_and_keeps_the_sum() -> None:
    shared = nn.Parameter(torch.ones(2))
    chosen = loss_weighting.GradNorm(2)
    optimizer = torch.optim.SGD(chosen.parameters(), lr=0.05)
    for _ in range(5):
        optimizer.zero_grad()
        chosen(two_losses(shared), FEATURES, shared).backward()
        optimizer.step()
    chosen(two_losses(shared), FEATURES, shared)
    assert chosen.current[0] < 1 < chosen.current[1]
    assert float(chosen.current.sum()) == pytest.approx(2.0)


def test_gradnorm_changes_the_networks_gradient_by_its_weights_only() -> None:
    shared = nn.Parameter(torch.ones(2))
    chosen = loss_weighting.GradNorm(2)
    chosen(two_losses(shared), FEATURES, shared).backward()
    torch.testing.assert_close(shared.grad, torch.tensor([3.0, 5.0]))


def test_an_unknown_weighting_is_answered_with_the_known_ones() -> None:
    with pytest.raises(BadInput, match=r"'magic' is not permitted; permitted: equal, dynamic, .*gradnorm"):
        loss_weighting.build("magic", 2, width=2, seed=1)
