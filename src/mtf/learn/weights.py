"""Published weights: torchvision's, by its own download and cache, or a local file."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError

import torch
from torch import nn
from torchvision.models import get_model_weights

from mtf.errors import BadInput, listed
from mtf.fingerprint import file_digest

Weights = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Origin:
    """The file that a network began with: DVC does not see it, so its digest is what tells two of them apart."""

    weights: str
    weights_sha256: str


def origin(network: str, local: Path | None) -> Origin:
    """Of the `local` file, or of torchvision's in torch's cache, after `fetch`."""
    path = local or _cached(_published(network))
    return Origin(path.name, file_digest(path))


def fetch(network: str, *, setting: str) -> Weights:
    """torchvision's first ImageNet weights of `network`: what `pretrained=True` meant when the paper was written.

    Raises BadInput that says which file to put where, if it is neither in torch's cache nor to be fetched; `setting`
    of params.yaml names a file in its place.
    """
    url = _published(network)
    file = _cached(url)
    try:
        return torch.hub.load_state_dict_from_url(
            url, model_dir=str(file.parent), map_location="cpu", progress=False, check_hash=True, weights_only=True
        )
    except (URLError, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", error)
        raise BadInput(
            f"{network}-pretrained: no weights at {file} and none to be had from {url} ({reason}); "
            f"put the file there, or name one under {setting}"
        ) from None
    except (RuntimeError, pickle.UnpicklingError, EOFError) as error:
        raise BadInput(f"{file}: damaged ({' '.join(str(error).split())[:120]}); remove it and run again") from None


def _published(network: str) -> str:
    return get_model_weights(network)["IMAGENET1K_V1"].url


def _cached(url: str) -> Path:
    return Path(torch.hub.get_dir()) / "checkpoints" / url.rsplit("/", 1)[1]


def read(path: Path) -> Weights:
    """A local file of weights: a state dict, or a mapping that holds one under `state_dict`, `model` or `weights`.

    Only tensors are unpickled. Raises BadInput where there is no such file or it holds something else.
    """
    try:
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror or error}") from None
    except (RuntimeError, pickle.UnpicklingError, EOFError, ValueError) as error:
        raise BadInput(f"{path}: not a file of torch weights: {' '.join(str(error).split())[:120]}") from None
    for key in ("state_dict", "model", "weights"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict) or not any(isinstance(value, torch.Tensor) for value in content.values()):
        raise BadInput(f"{path}: no state dict in it; a mapping of names to tensors is wanted")
    return {str(name): value for name, value in content.items() if isinstance(value, torch.Tensor)}


def load_body(network: nn.Module, found: Weights, *, where: str, last: Sequence[str]) -> None:
    """Put `found` into `network`; the layers named in `last` take theirs only where the shapes agree.

    Raises BadInput, naming `where`, if any other layer is missing or of another shape.
    """
    own = network.state_dict()
    fitting = {name: value for name, value in found.items() if name in own and value.shape == own[name].shape}
    # Older files do not count the batches that a normalisation has seen; nothing is lost with that.
    needless = tuple(f"{layer}." for layer in last)
    unfit = [
        name
        for name in own
        if name not in fitting and not name.startswith(needless) and not name.endswith("num_batches_tracked")
    ]
    if unfit:
        raise BadInput(f"{where}: not weights of this network; missing or of another shape: {listed(unfit, 4)}")
    network.load_state_dict(own | fitting)


def last_layer(network: nn.Module) -> str:
    """The name of the layer that gives one output per label."""
    return [name for name, layer in network.named_modules() if isinstance(layer, nn.Linear)][-1]


def drop_last_layer(network: nn.Module) -> int:
    """Make `network` give the features that its last layer took; returns how many."""
    name = last_layer(network)
    layer = network.get_submodule(name)
    assert isinstance(layer, nn.Linear)  # noqa: S101 (by `last_layer`)
    network.set_submodule(name, nn.Identity())
    return layer.in_features
