"""Losses that take the group of each picture into account: reweighting, and group DRO (Sagawa et al. 2020)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from mtf.training import recipe as recipes
from mtf.training.classifier import Classifier
from mtf.training.data import Batch


class Reweighted(nn.Module):
    """Cross-entropy in which every combination of label and group weighs as much as any other.

    A picture weighs n / (cells · n of its cell), where a cell is a combination that occurs (scikit-learn's `balanced`).
    """

    def __init__(self, cells: np.ndarray, *, count: int, label_smoothing: float = 0.0) -> None:
        """`cells` (n,): number of each training picture's cell, below `count`."""
        super().__init__()
        self.register_buffer("weights", recipes.balanced_weights(np.bincount(cells, minlength=count)))
        self.weights: torch.Tensor
        self._label_smoothing = label_smoothing

    def forward(self, scores: torch.Tensor, labels: torch.Tensor, cells: torch.Tensor) -> torch.Tensor:
        """Mean loss, a scalar, of logits (n, labels); `labels` and `cells` are (n,)."""
        each = functional.cross_entropy(scores, labels, reduction="none", label_smoothing=self._label_smoothing)
        return (self.weights[cells] * each).mean()


class GroupDro(nn.Module):
    """Group DRO: the weighted sum of the cells' mean losses, whose weights grow with the loss (Algorithm 1).

    After each step, the weight of a cell is multiplied by exp(STEP · loss), and the weights are scaled to sum to 1: the
    cell that is predicted worst counts most.
    """

    STEP = 0.01

    def __init__(self, cells: np.ndarray, *, count: int, label_smoothing: float = 0.0) -> None:
        """`cells` (n,): number of each training picture's cell, below `count`."""
        super().__init__()
        present = torch.from_numpy((np.bincount(cells, minlength=count) > 0).astype(np.float32))
        self.register_buffer("weights", present / present.sum())
        self.weights: torch.Tensor
        self._label_smoothing = label_smoothing

    def forward(self, scores: torch.Tensor, labels: torch.Tensor, cells: torch.Tensor) -> torch.Tensor:
        """Weighted loss, a scalar, of logits (n, labels); `labels` and `cells` are (n,)."""
        each = functional.cross_entropy(scores, labels, reduction="none", label_smoothing=self._label_smoothing)
        counts = torch.zeros_like(self.weights).index_add(0, cells, torch.ones_like(each))
        means = torch.zeros_like(self.weights).index_add(0, cells, each) / counts.clamp(min=1)
        with torch.no_grad():
            raised = self.weights * torch.exp(self.STEP * means.detach())
            self.weights = raised / raised.sum()
        return (self.weights * means).sum()


class GroupClassifier(Classifier):
    """Classifier trained with a loss of this module: its targets (n, 2) are the number of the label, and of the cell.

    Validation takes the plain cross-entropy of the labels, as every recipe does.
    """

    def _log_step(self, split: str, batch: Batch, loss: Any) -> torch.Tensor:
        pictures, targets = batch
        labels, cells = targets[:, 0], targets[:, 1]
        own = isinstance(loss, Reweighted | GroupDro)
        return super()._log_step(
            split, (pictures, labels), (lambda scores, known: loss(scores, known, cells)) if own else loss
        )
