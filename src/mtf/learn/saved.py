"""A trained network as a file: weights, and all that is needed to use them again."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict
from torch import nn

from mtf import atomic
from mtf.errors import BadInput
from mtf.learn import models, pixels
from mtf.learn.data import batches


class Card(BaseModel):
    """What a trained network is, and what it takes. `weights` names the file that it began with, if any."""

    model_config = ConfigDict(frozen=True)

    model: str
    task: str
    labels: list[str]
    input_px: int
    normalise: str
    recipe: str
    seed: int
    epochs: int
    best_epoch: int
    best_val_loss: float
    training_images: int
    weights: str | None = None
    weights_sha256: str | None = None


def save(path: Path, network: nn.Module, card: Card) -> None:
    write(path, network, card.model_dump())


def write(path: Path, network: nn.Module, card: dict[str, Any]) -> None:
    """Weights and a card of plain values, in one file."""
    # Through memory: torch names the archive's folder after its file, and the same weights shall be the same bytes.
    buffer = io.BytesIO()
    torch.save({"weights": network.state_dict(), "card": card}, buffer)
    atomic.write_bytes(path, buffer.getvalue())


def load(path: Path) -> tuple[nn.Module, Card]:
    """The network, in evaluation mode, and its card. Raises BadInput where there is none or it cannot be read."""
    if not path.is_file():
        raise BadInput(f"{path}: no such model; train it first (`dvc repro`)")
    try:
        content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        card = Card.model_validate(content["card"])
        network = models.build(card.model, len(card.labels))
        network.load_state_dict(content["weights"])
    except (RuntimeError, KeyError, ValueError, TypeError, EOFError, OSError) as error:
        raise BadInput(f"{path}: not a model of this version: {' '.join(str(error).split())[:200]}") from None
    return network.eval(), card


def probabilities(
    network: nn.Module, card: Card, pictures: np.ndarray, *, rows: np.ndarray | None = None, batch: int = 128
) -> np.ndarray:
    """(n, size, size, 3) uint8 RGB, of which `rows` (m,) or all → (m, labels), each row summing to 1."""
    device = torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")
    network.to(device)
    parts = []
    with torch.inference_mode():
        for some in batches(pictures, rows, size=batch):
            ready = pixels.as_input(torch.from_numpy(some).to(device))
            scores = network(pixels.normalised(ready, card.normalise))
            parts.append(scores.softmax(dim=1).cpu().numpy())
    return np.concatenate(parts) if parts else np.zeros((0, len(card.labels)), np.float32)
