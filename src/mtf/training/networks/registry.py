"""Registry of networks, each for a number of labels and RGB pictures (MTF, Table 4; Das et al.).

`NAME` starts from scratch, `NAME-pretrained` from ImageNet weights, `facenet` from a local file if params.yaml names
one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from mtf.config import FACENET, MODELS, PRETRAINED
from mtf.core.errors import BadInput, bad_value

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Network:
    """Entry of the registry.

    - `make`: number of labels → network;
    - `min_px`: smallest side of an input picture in pixels.
    """

    make: Callable[[int], nn.Module]
    min_px: int


def small_cnn(labels: int) -> nn.Module:
    """Network of four convolutions for training on a CPU, about 0.06 M parameters."""
    from torch import nn

    def block(inputs: int, outputs: int) -> list[nn.Module]:
        convolution = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        return [convolution, nn.BatchNorm2d(outputs), nn.ReLU(), nn.MaxPool2d(2)]

    features = [*block(3, 16), *block(16, 32), *block(32, 64), *block(64, 64)]
    return nn.Sequential(*features, nn.AdaptiveAvgPool2d(3), nn.Flatten(), nn.Dropout(0.2), nn.Linear(64 * 9, labels))


def _torchvision(name: str, labels: int) -> nn.Module:
    from torchvision.models import get_model

    return get_model(name, weights=None, num_classes=labels)


def _facenet(labels: int) -> nn.Module:
    from mtf.training.networks import facenet

    return facenet.FaceNet(labels)


REGISTRY: dict[str, Network] = {
    "small_cnn": Network(small_cnn, min_px=16),
    "mobilenet_v3_large": Network(partial(_torchvision, "mobilenet_v3_large"), min_px=32),
    "alexnet": Network(partial(_torchvision, "alexnet"), min_px=63),
    "resnet50": Network(partial(_torchvision, "resnet50"), min_px=32),
    "vgg16": Network(partial(_torchvision, "vgg16"), min_px=32),
    "convnext_base": Network(partial(_torchvision, "convnext_base"), min_px=32),
    "facenet": Network(_facenet, min_px=75),
}


def build(model: str, labels: int, *, seed: int = 0) -> nn.Module:
    """Network of `model` with one output per label and random weights from `seed`.

    Raises BadInput for an unknown model, naming the known ones, and for fewer than two labels.
    """
    import torch

    if model not in MODELS:
        raise bad_value("model", model, ", ".join(MODELS))
    if labels < 2:
        raise BadInput(f"model {model}: {labels} label leaves nothing to decide; at least two are needed")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return REGISTRY[network_of(model)].make(labels)


def start(model: str, labels: int, *, input_px: int, seed: int, weights: Path | None = None) -> nn.Module:
    """Network with its initial weights: random, or pretrained if the model's name ends in `-pretrained`.

    `weights` is a local file that replaces torchvision's download, or that FaceNet starts from. The last layer, made
    for other labels, is always random; so are FaceNet's layers that make the embedding (see `multitask.start`).

    Raises BadInput if the pictures are too small for the network, or its weights cannot be read or downloaded.
    """
    min_px = REGISTRY[network_of(model)].min_px if model in MODELS else 1
    if input_px < min_px:
        raise bad_value("train.input_px", input_px, f"{min_px} or more for {network_of(model)}")
    network = build(model, labels, seed=seed)
    if model == FACENET and weights is not None:
        from mtf.training import pretrained
        from mtf.training.networks import facenet

        body = network.get_submodule("backbone")
        pretrained.load_body(body, pretrained.read(weights), where=str(weights), last=facenet.LAST)
    elif model.endswith(PRETRAINED):
        from mtf.training import pretrained

        found = pretrained.read(weights) if weights else pretrained.fetch(network_of(model), setting="train.weights")
        last = pretrained.last_layer(network)
        body = {name: value for name, value in found.items() if not name.startswith(f"{last}.")}
        pretrained.load_body(network, body, where=str(weights or model), last=[last])
    return network


def network_of(model: str) -> str:
    """Name of a model's network, without `-pretrained`."""
    return model.removesuffix(PRETRAINED)


def parameter_count(network: nn.Module) -> int:
    """Number of trainable parameters; frozen ones are not counted."""
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)


def size(network: str, labels: int) -> int:
    """Number of trainable parameters of `network` (without `-pretrained`) for `labels` labels."""
    import torch

    # The meta device has shapes without memory: 135 million weights need not be drawn to be counted.
    with torch.device("meta"):
        return parameter_count(REGISTRY[network].make(labels))
