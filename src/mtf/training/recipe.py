"""Optimizer, learning rate schedule and loss of a recipe."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import numpy as np
import torch
from torch import nn

from mtf.config import Recipe


def optimizer(recipe: Recipe, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """Optimizer of a recipe over the `parameters` that are not frozen."""
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    rate, decay = recipe.learning_rate, recipe.weight_decay
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(trained, lr=rate, weight_decay=decay, momentum=recipe.momentum)
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(trained, lr=rate, weight_decay=decay)
    return torch.optim.Adam(trained, lr=rate, weight_decay=decay)


def learning_rate_factor(recipe: Recipe, *, steps_per_epoch: int) -> Callable[[int], float]:
    """Schedule: step (from 0) → factor on the recipe's learning rate."""
    warmup = recipe.warmup_epochs * steps_per_epoch
    total = max(recipe.max_epochs * steps_per_epoch, warmup + 1)

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        if recipe.schedule == "cosine":
            return 0.5 * (1 + math.cos(math.pi * (step - warmup) / (total - warmup)))
        if recipe.schedule == "step":
            finished_epochs = step // steps_per_epoch
            return recipe.gamma ** sum(epoch <= finished_epochs for epoch in recipe.step_at)
        return 1.0

    return factor


def loss(recipe: Recipe, counts: np.ndarray) -> nn.CrossEntropyLoss:
    """Cross-entropy loss of a recipe; `counts`: training examples per label (labels,), for a class-balanced loss."""
    weights = balanced_weights(counts) if recipe.class_balanced else None
    return nn.CrossEntropyLoss(weight=weights, label_smoothing=recipe.label_smoothing)


def balanced_weights(counts: np.ndarray) -> torch.Tensor:
    """Class weights n / (labels · count), as scikit-learn's `balanced`; 0 for a label that does not occur."""
    present = counts > 0
    weights = np.zeros(len(counts))
    weights[present] = counts.sum() / (present.sum() * counts[present])
    return torch.from_numpy(weights).float()


def layout(recipe: Recipe) -> torch.memory_format:
    """Memory format of a recipe's network: `channels_last` or contiguous."""
    return torch.channels_last if recipe.channels_last else torch.contiguous_format


def batch_of(recipe: Recipe, network: str) -> int:
    """Batch size of a recipe for a network."""
    return recipe.batches.get(network, recipe.batch)
