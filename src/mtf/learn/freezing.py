"""Frozen layers for fine-tuning (Das et al., section 3.2)."""

from __future__ import annotations

from torch import nn

from mtf.errors import bad_value


def freeze_first(body: nn.Module, share: float, *, head: nn.Module | None = None) -> list[nn.Module]:
    """Freeze the first `share` (0 to 1) of the layers of `body` that have weights, from the input on; return them.

    `head`, a layer of `body` with new weights, is never frozen. Raises BadInput if no convolution or linear layer
    other than the head is left to train.
    """
    layers = [layer for layer in body.modules() if list(layer.parameters(recurse=False)) and layer is not head]
    frozen = layers[: round(share * len(layers))]
    for layer in frozen:
        for parameter in layer.parameters(recurse=False):
            parameter.requires_grad_(False)
    if not any(isinstance(layer, nn.Conv2d | nn.Linear) for layer in layers[len(frozen) :]):
        raise bad_value("frozen_share", share, "less, so that a layer of the backbone is trained")
    return frozen


def trained_weights(body: nn.Module) -> list[nn.Parameter]:
    """Weights of the convolutions and linear layers of `body` that are not frozen, from the input on."""
    weights = [layer.weight for layer in body.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    return [weight for weight in weights if isinstance(weight, nn.Parameter) and weight.requires_grad]
