"""Checkpoint file of a trained network: its weights, and the information that is needed to use them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from torch import nn

from mtf.core import torch_files
from mtf.core.errors import BadInput
from mtf.training import augmentation
from mtf.training.data import batches
from mtf.training.networks import registry


def _known_normalisation(name: str) -> str:
    if name not in augmentation.NORMALISATIONS:
        raise ValueError(f"{name!r} is not permitted; permitted: {', '.join(augmentation.NORMALISATIONS)}")
    return name


# Fields of a model file, which may come from a stranger, with their bounds.
Labels = Annotated[list[str], Field(min_length=2, max_length=1_000_000)]
InputPx = Annotated[int, Field(ge=16, le=1024)]
Normalisation = Annotated[str, AfterValidator(_known_normalisation)]


class CheckpointInfo(BaseModel):
    """Information in a checkpoint.

    - `model`: name in the registry;
    - `task`, `labels`: task and the labels in the order of the outputs;
    - `input_px`, `normalise`: side of the input pictures in pixels, and their normalisation;
    - `recipe`, `seed`: how it was trained;
    - `epochs`, `best_epoch`, `best_val_loss`: number of epochs, the one whose weights are kept, its validation loss;
    - `training_images`: number of training images;
    - `weights`, `weights_sha256`: file of initial weights, None if they were random.
    """

    model_config = ConfigDict(frozen=True)

    model: str
    task: str
    labels: Labels
    input_px: InputPx
    normalise: Normalisation
    recipe: str
    seed: int
    epochs: int
    best_epoch: int
    best_val_loss: float
    training_images: int
    weights: str | None = None
    weights_sha256: str | None = None


def save(path: Path, network: nn.Module, card: CheckpointInfo) -> None:
    """Write a single-task network and its information to `path`."""
    write(path, network, card.model_dump())


def write(path: Path, network: nn.Module, card: dict[str, Any]) -> None:
    """Write weights and a `card` of plain values to one file; the same content gives the same bytes."""
    torch_files.write(path, {"weights": network.state_dict(), "card": card})


def load(path: Path) -> tuple[nn.Module, CheckpointInfo]:
    """Network, in evaluation mode, and its information. Raises BadInput if the file is missing or cannot be read."""
    if not path.is_file():
        raise BadInput(f"{path}: no such model; train it first (`dvc repro`)")
    wanted = "a model of this version"
    content: dict[str, Any] = torch_files.read(path, wanted=wanted)
    try:
        card = CheckpointInfo.model_validate(content["card"])
        network = registry.build(card.model, len(card.labels))
        network.load_state_dict(content["weights"])
    except Exception as error:  # a file from outside may hold anything
        raise torch_files.not_wanted(path, wanted, error) from None
    return network.eval(), card


def load_for(
    path: Path, *, labels: list[str], input_px: int, shown: Callable[[Path], str] = str
) -> tuple[nn.Module, CheckpointInfo]:
    """`load`, for pictures of `input_px` and these labels. `shown`: the path as it stands in messages.

    Raises BadInput also if the network was trained for other labels or another input size.
    """
    network, card = load(path)
    if card.labels != labels or card.input_px != input_px:
        raise BadInput(f"{shown(path)}: trained for other labels or another input size; train it again")
    return network, card


def probabilities(
    network: nn.Module,
    pictures: np.ndarray,
    *,
    normalise: str,
    labels: int,
    rows: np.ndarray | None = None,
    batch: int = 128,
) -> np.ndarray:
    """Probabilities (m, labels), each row summing to 1, of the pictures `rows` (m,), or of all.

    `pictures`: (n, size, size, 3) uint8 RGB; `normalise`: name of a normalisation; `batch`: pictures at a time.
    """
    device = torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")
    network.to(device)
    parts = []
    with torch.inference_mode():
        for some in batches(pictures, rows, size=batch):
            ready = augmentation.as_input(torch.from_numpy(some).to(device))
            scores = network(augmentation.normalised(ready, normalise))
            parts.append(scores.softmax(dim=1).cpu().numpy())
    return np.concatenate(parts) if parts else np.zeros((0, labels), np.float32)
