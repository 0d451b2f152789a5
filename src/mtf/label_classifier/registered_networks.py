"""Networks of the registry (AlexNet, a pretrained ResNet, …) beside the label classifiers of EFRS, as it proposes.

They take coloured pictures of `train.input_px` and train by a recipe of params.yaml; the epoch of the lowest validation
loss is kept. EFRS's own models train again for their best number of epochs instead.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from mtf.config import Recipe
from mtf.label_classifier.networks import InputPictures
from mtf.training import checkpoint, trainer
from mtf.training import recipe as recipes
from mtf.training.augmentation import NORMALISATIONS
from mtf.training.data import Examples
from mtf.training.networks import registry
from mtf.training.resumption import UnfinishedTraining

# Entries of the state beside the network's own tensors.
INPUT_PX, NORMALISE, WEIGHTS = "input_px", "normalise", "weights"


@dataclass
class RegisteredNetwork:
    """Network of the registry as a label classifier; `normalise` names the normalisation of its input."""

    name: str
    network: nn.Module
    input_px: int
    normalise: str
    labels: int
    history: list[dict[str, float]] = field(default_factory=list)
    epochs: int | None = None

    @property
    def takes(self) -> InputPictures:
        return InputPictures(self.input_px, colour=True)

    def probabilities(self, pictures: np.ndarray) -> np.ndarray:
        return checkpoint.probabilities(
            self.network.eval(), pictures, normalise=self.normalise, labels=self.labels
        ).astype(np.float64)

    def state(self) -> dict[str, Any]:
        weights = dict(self.network.to("cpu").state_dict())
        return {INPUT_PX: self.input_px, NORMALISE: self.normalise, WEIGHTS: weights}


def fit(
    name: str,
    pictures: np.ndarray,
    targets: np.ndarray,
    split: np.ndarray,
    *,
    labels: int,
    recipe: Recipe,
    weights: Path | None,
    seed: int,
    unfinished: UnfinishedTraining | None = None,
) -> RegisteredNetwork:
    """Network `name` trained on the split `train` with `recipe`; the split `val` chooses the epoch.

    - `pictures`: (n, size, size, 3) uint8 RGB;
    - `targets`: (n,) label numbers;
    - `split`: (n,) names of splits;
    - `weights`: local file of initial weights;
    - `unfinished`: what a training that was killed continues from.

    Raises as `registry.start` and `trainer.fit`.
    """
    size_px = pictures.shape[1]
    network = registry.start(name, labels, input_px=size_px, seed=seed, weights=weights)
    rows = {part: np.flatnonzero(split == part) for part in ("train", "val")}
    train, val = (Examples(pictures, some, targets[some]) for some in rows.values())
    with tempfile.TemporaryDirectory(prefix="mtf-label-") as folder:
        fitted = trainer.fit_classifier(
            network,
            train,
            val,
            recipe=recipe,
            batch=recipes.batch_of(recipe, registry.network_of(name)),
            labels=labels,
            seed=seed,
            curves=Path(folder) / "curves",
            unfinished=unfinished,
        )
    return RegisteredNetwork(name, fitted.network, size_px, recipe.normalise, labels, fitted.history, fitted.best_epoch)


def restored(name: str, state: dict[str, Any], labels: int) -> RegisteredNetwork:
    """Network from its `state`. Raises BadInput, ValueError, KeyError or RuntimeError for a foreign one."""
    input_px, normalise = state[INPUT_PX], state[NORMALISE]
    if not isinstance(input_px, int) or not 16 <= input_px <= 1024 or normalise not in NORMALISATIONS:
        raise ValueError(f"input of {input_px} px, normalised by {normalise}")
    network = registry.build(name, labels)
    network.load_state_dict(state[WEIGHTS])
    return RegisteredNetwork(name, network.eval(), input_px, normalise, labels)


def parameters(name: str, labels: int, recipe: Recipe) -> tuple[int, int]:
    """Number of trainable parameters, and with the optimizer's slots: EFRS's "total" for Adam, one slot for SGD."""
    with torch.device("meta"):
        trainable = registry.parameter_count(registry.REGISTRY[registry.network_of(name)].make(labels))
    return trainable, 2 * trainable if recipe.optimizer == "sgd" else 3 * trainable + 2
