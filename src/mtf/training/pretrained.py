"""Pretrained weights, and frozen layers for fine-tuning (Das et al., section 3.2).

Weights are torchvision's, in torch's cache, or from a local file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from mtf.core import downloads, torch_files
from mtf.core.errors import BadInput, bad_value, listed
from mtf.core.hashing import file_digest
from mtf.faces.networks.inception_resnet import PER_PICTURE
from mtf.training.weight_files import IMAGENET

Weights = dict[str, torch.Tensor]
# Name of the part of a network that is a whole network of its own, without the heads.
BACKBONE = "backbone"


@dataclass(frozen=True)
class Origin:
    """File of initial weights. DVC does not track it; its digest distinguishes two versions.

    - `weights`: name of the file;
    - `weights_sha256`: SHA-256 (hex) of its bytes.
    """

    weights: str
    weights_sha256: str


def origin(network: str, local: Path | None) -> Origin:
    """Origin of the `local` file, or of torchvision's file in torch's cache, once `fetch` has put it there."""
    path = local or IMAGENET[network].place(Path())
    return Origin(path.name, file_digest(path))


def fetch(network: str, *, setting: str) -> Weights:
    """First ImageNet weights of `network` in torchvision: those of `pretrained=True` when the paper was written.

    Raises BadInput if the file is not in torch's cache and cannot be downloaded, or is another one there; its message
    tells where to put the file, and that the parameter `setting` can name another one.
    """
    entry = IMAGENET[network]
    file = entry.place(Path())
    if not file.is_file():
        try:
            downloads.fetch(str(entry.url), file, sha256=entry.sha256, max_bytes=entry.max_bytes)
        except BadInput as error:
            raise BadInput(
                f"{network}-pretrained: no weights at {file} and none to be had ({error}); "
                f"run `mtf models fetch {entry.name}`, put the file there, or name one under {setting}"
            ) from None
    elif not entry.is_copy(file):
        raise BadInput(f"{file}: damaged, or another file: its sha256 does not begin with {entry.sha256}; remove it")
    return read(file)


def read(path: Path) -> Weights:
    """State dict in a local file, or in a mapping there under `state_dict`, `model` or `weights`.

    Only tensors are unpickled. Raises BadInput if there is no such file or it has no state dict.
    """
    content: Any = torch_files.read(path, wanted="a file of torch weights")
    for key in ("state_dict", "model", "weights"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict) or not any(isinstance(value, torch.Tensor) for value in content.values()):
        raise BadInput(f"{path}: no state dict in it; a mapping of names to tensors is wanted")
    return {str(name): value for name, value in content.items() if isinstance(value, torch.Tensor)}


def load_body(network: nn.Module, found: Weights, *, where: str, last: Sequence[str]) -> None:
    """Load `found` into `network`; the layers named in `last` are loaded only if their shapes agree.

    Raises BadInput, naming `where`, if any other layer is missing or has another shape.
    """
    own = network.state_dict()
    fitting = {name: value for name, value in found.items() if name in own and value.shape == own[name].shape}
    # Older files have no `num_batches_tracked`, which training here does not use.
    optional = tuple(f"{layer}." for layer in last)
    unusable = [
        name
        for name in own
        if name not in fitting and not name.startswith(optional) and not name.endswith("num_batches_tracked")
    ]
    if unusable:
        raise BadInput(f"{where}: not weights of this network; missing or of another shape: {listed(unusable, 4)}")
    # Not among the network's own names until it is loaded.
    standardised = {name: value for name, value in found.items() if name == PER_PICTURE}
    network.load_state_dict(own | fitting | (standardised if hasattr(network, "standardise") else {}))


def last_layer(network: nn.Module) -> str:
    """Name of the last linear layer, which has one output per label."""
    return [name for name, layer in network.named_modules() if isinstance(layer, nn.Linear)][-1]


def drop_last_layer(network: nn.Module) -> int:
    """Replace the last layer of `network`, so that it returns features; return their number."""
    name = last_layer(network)
    layer = network.get_submodule(name)
    assert isinstance(layer, nn.Linear)  # noqa: S101 (by `last_layer`)
    network.set_submodule(name, nn.Identity())
    return layer.in_features


def freeze_first(body: nn.Module, share: float, *, head: nn.Module | None = None) -> list[nn.Module]:
    """Freeze the first layers of `body` that have weights, from the input on; return them.

    `share` (0 to 1) of the layers, up to the nearest border of two `blocks`: a residual block is frozen as a whole or
    not at all. `head`, a layer of `body` with new weights, is never frozen. Raises BadInput if no convolution or linear
    layer other than the head is left to train.
    """
    found = blocks(body, head=head)
    borders = np.cumsum([0, *map(len, found)])
    wanted = share * borders[-1]
    frozen_blocks = int(np.abs(borders - wanted).argmin())
    frozen = [layer for block in found[:frozen_blocks] for layer in block]
    for layer in frozen:
        for parameter in layer.parameters(recurse=False):
            parameter.requires_grad_(False)
    left = [layer for block in found[frozen_blocks:] for layer in block]
    if not any(isinstance(layer, nn.Conv2d | nn.Linear) for layer in left):
        raise bad_value("frozen_share", share, "less, so that a layer of the backbone is trained")
    return frozen


def blocks(body: nn.Module, *, head: nn.Module | None = None) -> list[list[nn.Module]]:
    """Blocks of `body` from the input on, each as its layers that have weights of their own, without `head`.

    A block is a module that is more than a sequence of others, such as a residual block; or a layer, with the batch
    normalisation behind it.
    """
    found: list[list[nn.Module]] = []
    for name, module in body.named_children():
        if type(module) is nn.Sequential or name == BACKBONE:
            found += blocks(module, head=head)
            continue
        layers = [each for each in module.modules() if list(each.parameters(recurse=False)) and each is not head]
        if found and isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            found[-1] += layers
        elif layers:
            found.append(layers)
    return found
