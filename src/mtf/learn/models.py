"""The networks, by name. Each is made for a number of labels and takes RGB pictures of any size from 32 px."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from mtf.errors import BadInput, bad_value

if TYPE_CHECKING:
    from torch import nn


def small_cnn(labels: int) -> nn.Module:
    """Four convolutions, small enough for a CPU: about 0.1 M parameters."""
    from torch import nn

    def block(inputs: int, outputs: int) -> list[nn.Module]:
        convolution = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        return [convolution, nn.BatchNorm2d(outputs), nn.ReLU(), nn.MaxPool2d(2)]

    features = [*block(3, 16), *block(16, 32), *block(32, 64), *block(64, 64)]
    return nn.Sequential(*features, nn.AdaptiveAvgPool2d(3), nn.Flatten(), nn.Dropout(0.2), nn.Linear(64 * 9, labels))


REGISTRY: dict[str, Callable[[int], nn.Module]] = {"small_cnn": small_cnn}


def build(name: str, labels: int, *, seed: int = 0) -> nn.Module:
    """The network `name` with one output per label, its first weights drawn from `seed`.

    Raises BadInput, naming the known models.
    """
    import torch

    if name not in REGISTRY:
        raise bad_value("model", name, ", ".join(REGISTRY))
    if labels < 2:
        raise BadInput(f"model {name}: {labels} label leaves nothing to decide; at least two are needed")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return REGISTRY[name](labels)


def parameter_count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)
