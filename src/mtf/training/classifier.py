"""Lightning module that trains one network for one task."""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import nn
from torch.nn import functional

from mtf.config import Recipe
from mtf.training import augmentation, pretrained
from mtf.training import recipe as recipes
from mtf.training.data import Batch


class Classifier(LightningModule):
    """Cross-entropy training of `network` by `recipe`; Lightning sets training and evaluation mode around each loop.

    The validation loss is plain cross-entropy whatever the recipe's training loss is, so that recipes are comparable.
    """

    def __init__(self, network: nn.Module, recipe: Recipe, *, loss: nn.Module, steps_per_epoch: int) -> None:
        super().__init__()
        self.network = network.to(memory_format=recipes.layout(recipe))
        self._recipe = recipe
        self._loss = loss
        self._steps_per_epoch = steps_per_epoch
        self._frozen = _frozen(network, recipe.frozen_share) if recipe.frozen_share else []

    def on_train_epoch_start(self) -> None:
        # A frozen batch normalisation keeps its running statistics too.
        for layer in self._frozen:
            layer.eval()

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Logits (n, labels) of pictures (n, size, size, 3) uint8 RGB, augmented in training mode."""
        ready = augmentation.as_input(pictures)
        if self.training:
            ready = augmentation.augmented(ready, self._recipe.augment)
        return self.network(augmentation.normalised(ready, self._recipe.normalise))

    def training_step(self, batch: Batch, _index: int) -> torch.Tensor:
        return self._log_step("train", batch, self._loss)

    def validation_step(self, batch: Batch, _index: int) -> None:
        self._log_step("val", batch, functional.cross_entropy)

    def _log_step(self, split: str, batch: Batch, loss: Any) -> torch.Tensor:
        pictures, targets = batch
        scores = self(pictures)
        value = loss(scores, targets)
        correct = (scores.argmax(dim=1) == targets).float().mean()
        figures = {f"{split}_loss": value, f"{split}_accuracy": correct}
        self.log_dict(figures, on_step=False, on_epoch=True, batch_size=len(targets), sync_dist=True)
        return value

    def configure_optimizers(self) -> Any:
        chosen = recipes.optimizer(self._recipe, self.network.parameters())
        factor = recipes.learning_rate_factor(self._recipe, steps_per_epoch=self._steps_per_epoch)
        schedule = torch.optim.lr_scheduler.LambdaLR(chosen, factor)
        return {"optimizer": chosen, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def _frozen(network: nn.Module, share: float) -> list[nn.Module]:
    head = network.get_submodule(pretrained.last_layer(network))
    return pretrained.freeze_first(network, share, head=head)
