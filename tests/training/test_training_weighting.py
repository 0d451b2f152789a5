"""Loss weightings, against values worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torchjd import aggregation, autojac

from mtf.core import extras
from mtf.core.errors import BadInput, MtfError
from mtf.training import loss_weighting
from mtf.training.weighting import Weighting

LOSSES = torch.tensor([1.0, 3.0])
FEATURES = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
SHARED = [nn.Parameter(torch.ones(1))]


def total(chosen: Weighting, losses: torch.Tensor = LOSSES) -> float:
    return float(chosen(losses, FEATURES, SHARED).detach())


def test_equal_is_the_mean() -> None:
    assert total(loss_weighting.build("equal", 2, width=2, seed=1)) == 2.0


def dynamic(name: str = "dynamic") -> Weighting:
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


def step(chosen: Weighting) -> torch.Tensor:
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


def test_uncertainty_learns_from_kendalls_loss_and_gives_the_network_weights_that_sum_to_one() -> None:
    # s = (ln 2, ln 4): Kendall's loss is 1/2 + 3/4 + (ln 2 + ln 4) / 2; the weights 1/2 and 1/4 become 2/3 and 1/3.
    chosen = loss_weighting.build("uncertainty", 2, width=2, seed=1)
    assert isinstance(chosen, loss_weighting.Uncertainty)
    with torch.no_grad():
        chosen.log_variance.copy_(torch.tensor([math.log(2), math.log(4)]))
    losses = LOSSES.clone().requires_grad_()
    value = chosen(losses, FEATURES, SHARED)
    assert float(value.detach()) == pytest.approx(2 / 3 + 3 / 3 + 1.25 + 1.5 * math.log(2))
    value.backward()
    torch.testing.assert_close(losses.grad, torch.tensor([2 / 3, 1 / 3]))
    # Kendall's: 1/2 - L / variance.
    torch.testing.assert_close(chosen.log_variance.grad, torch.tensor([0.5 - 1 / 2, 0.5 - 3 / 4]))


def test_dwa_weighs_by_the_ratio_of_the_last_two_epochs() -> None:
    chosen = loss_weighting.build("dwa", 2, width=2, seed=1)
    assert total(chosen) == 2.0
    chosen.epoch_ended(torch.tensor([2.0, 2.0]))
    assert total(chosen) == 2.0  # one epoch says nothing of a rate
    chosen.epoch_ended(torch.tensor([1.0, 2.0]))
    # Ratios 1/2 and 1, halved by the temperature: softmax(1/4, 1/2); the paper's and LibMTL's weights are twice these.
    first = 1 / (1 + math.exp(0.25))
    torch.testing.assert_close(chosen.current, torch.tensor([first, 1 - first]))
    assert total(chosen) == pytest.approx(first + 3 * (1 - first))


def two_losses(shared: nn.Parameter) -> torch.Tensor:
    """Losses whose gradients on `shared` = (1, 1) have the norms 5 and 1, and whose values are 7 and 2."""
    return torch.stack([3 * shared[0] + 4 * shared[1], shared[1] + 1])


def test_gradnorm_adds_the_distance_of_each_gradients_norm_from_its_target() -> None:
    shared = nn.Parameter(torch.ones(2))
    chosen = loss_weighting.GradNorm(2, asymmetry=1.0)
    # First step: both rates are 1, the mean norm 3: |5 - 3| + |1 - 3| = 4, beside the mean of the losses, 4.5.
    assert float(chosen(two_losses(shared), FEATURES, [shared]).detach()) == pytest.approx(8.5)
    # The second task's loss has halved since: rates (1, 1/2), relative 4/3 and 2/3, targets 4 and 2.
    chosen.first = torch.tensor([7.0, 4.0])
    assert float(chosen(two_losses(shared), FEATURES, [shared]).detach()) == pytest.approx(4.5 + 1 + 1)


def test_gradnorm_takes_weight_from_the_task_with_the_steep_gradient_and_keeps_the_sum() -> None:
    shared = nn.Parameter(torch.ones(2))
    chosen = loss_weighting.GradNorm(2)
    optimizer = torch.optim.SGD(chosen.parameters(), lr=0.05)
    for _ in range(5):
        optimizer.zero_grad()
        chosen(two_losses(shared), FEATURES, [shared]).backward()
        optimizer.step()
    chosen(two_losses(shared), FEATURES, [shared])
    assert chosen.current[0] < 0.5 < chosen.current[1]
    assert float(chosen.weights.detach().sum()) == pytest.approx(2.0)  # as in LibMTL


def test_gradnorm_changes_the_networks_gradient_by_its_weights_only() -> None:
    shared = nn.Parameter(torch.ones(2))
    chosen = loss_weighting.GradNorm(2)
    chosen(two_losses(shared), FEATURES, [shared]).backward()
    torch.testing.assert_close(shared.grad, torch.tensor([1.5, 2.5]))


def network_and_losses(seed: int) -> tuple[nn.ModuleDict, torch.Tensor, list[torch.Tensor]]:
    """Shared layers, two heads, and the features and losses of a batch, whose gradients conflict."""
    torch.manual_seed(seed)
    body = nn.Sequential(nn.Linear(6, 4), nn.Tanh(), nn.Linear(4, 3))
    network = nn.ModuleDict({"body": body, "first": nn.Linear(3, 1), "second": nn.Linear(3, 1)})
    features = body(torch.randn(8, 6))
    wanted = torch.randn(8, 1)
    first, second = network["first"](features) - wanted, network["second"](features) + wanted
    return network, features, [first.square().mean(), 3 * second.square().mean()]


@pytest.mark.parametrize("name", loss_weighting.WEIGHTINGS)
def test_the_network_gets_weights_that_sum_to_one_from_every_weighting(name: str) -> None:
    chosen = loss_weighting.build(name, 2, width=3, seed=1)
    # Weights that have been learnt are no longer equal.
    optimizer = torch.optim.SGD([*chosen.parameters(), nn.Parameter(torch.zeros(1))], lr=0.1)
    for epoch in range(3):
        network, features, losses = network_and_losses(5)
        optimizer.zero_grad()
        chosen(torch.stack(losses), features, list(network["body"].parameters())).backward()
        optimizer.step()
        chosen.epoch_ended(torch.tensor([2.0, 3.0 - epoch]))
    network, features, losses = network_and_losses(5)
    live = torch.stack(losses)
    shared = list(network["body"].parameters())
    value = chosen(live, features, shared)
    assert float(chosen.current.sum()) == pytest.approx(1.0, abs=1e-6)
    assert (name == "equal") == bool((chosen.current == 0.5).all())
    if name == "dynamic":  # its weights are minimised over the network, too
        return
    got = torch.autograd.grad(value, shared, retain_graph=True)
    wanted = torch.autograd.grad((chosen.current * live).sum(), shared)
    for own, theirs in zip(got, wanted, strict=True):
        torch.testing.assert_close(own, theirs)


@pytest.mark.parametrize(
    ("name", "aggregator"),
    [
        ("upgrad", aggregation.UPGrad()),
        ("cagrad", aggregation.CAGrad(c=0.5)),
        ("nash_mtl", aggregation.NashMTL(n_tasks=2, max_norm=0.0)),
    ],
)
def test_gradients_are_aggregated_as_torchjd_does_but_for_their_length(
    name: str, aggregator: aggregation.Aggregator
) -> None:
    chosen = loss_weighting.build(name, 2, width=3, seed=1)
    for seed in (5, 6):  # Nash-MTL remembers the step before
        network, features, losses = network_and_losses(seed)
        shared = list(network["body"].parameters())
        own = torch.autograd.grad(chosen(torch.stack(losses), features, shared), shared, retain_graph=True)
        autojac.mtl_backward(losses, features=features)
        weights = autojac.jac_to_grad(shared, aggregator)
        for ours, parameter in zip(own, shared, strict=True):
            torch.testing.assert_close(ours, parameter.grad / weights.sum(), rtol=1e-4, atol=1e-6)


def test_nash_mtl_continues_from_the_weights_in_its_checkpoint() -> None:
    first, second = (loss_weighting.build("nash_mtl", 2, width=3, seed=1) for _ in range(2))
    for seed in (5, 6):
        network, features, losses = network_and_losses(seed)
        first(torch.stack(losses), features, list(network["body"].parameters()))
    second.load_state_dict(first.state_dict())
    network, features, losses = network_and_losses(7)
    for each in (first, second):
        each(torch.stack(losses), features, list(network["body"].parameters()))
    assert first.current.equal(second.current)


def test_a_weighting_whose_extra_is_missing_is_answered_with_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda module: None if module == "ecos" else object())
    wanted = (
        r"^multitask\.weightings: nash_mtl needs ecos, which is not installed; `pip install 'mtf\[gradients\]'` brings"
    )
    with pytest.raises(MtfError, match=wanted):
        loss_weighting.build("nash_mtl", 2, width=3, seed=1)


def test_an_unknown_weighting_is_answered_with_the_known_ones() -> None:
    with pytest.raises(BadInput, match=r"'magic' is not permitted; permitted: equal, dynamic, .*nash_mtl"):
        loss_weighting.build("magic", 2, width=2, seed=1)
