"""Multi-task network: one backbone and a head per task (Das et al., section 3 and Figure 1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningModule
from torch import nn
from torch.nn import functional

from mtf.config import FACENET, MODELS, PRETRAINED, Branches, Recipe
from mtf.core.errors import bad_value
from mtf.training import augmentation, pretrained
from mtf.training import recipe as recipes
from mtf.training.data import batches
from mtf.training.networks import facenet, registry
from mtf.training.weighting import Weighting

Batch = tuple[torch.Tensor, torch.Tensor]


class TaskBranch(nn.Module):
    """Branch of one task: features (n, width) → logits (n, labels) (Das et al., section 3.1 and Figure 1).

    A fully connected layer makes an embedding of `EMBEDDING` numbers, which L2 normalisation gives the length 1; a
    dropout and the softmax layer follow. The paper does not say how much is dropped: DROPOUT is that of the backbone.
    """

    DROPOUT = 0.6

    def __init__(self, width: int, labels: int) -> None:
        super().__init__()
        self.fully_connected = nn.Linear(width, facenet.EMBEDDING)
        self.dropout = nn.Dropout(self.DROPOUT)
        self.softmax_layer = nn.Linear(facenet.EMBEDDING, labels)

    def embedding(self, features: torch.Tensor) -> torch.Tensor:
        """The task's embedding of features: (n, EMBEDDING), each row of length 1."""
        return functional.normalize(self.fully_connected(features), dim=1)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return self.softmax_layer(self.dropout(self.embedding(features)))


class MultiTaskNetwork(nn.Module):
    """Multi-task network: (n, 3, size, size) → task → logits (n, labels).

    `branches`: `linear` gives each task a linear layer, `normalised` a `TaskBranch`.
    """

    def __init__(
        self, backbone: nn.Module, width: int, labels: Mapping[str, int], *, branches: Branches = "linear"
    ) -> None:
        super().__init__()
        branch = TaskBranch if branches == "normalised" else nn.Linear
        self.backbone = backbone
        self.heads = nn.ModuleDict({task: branch(width, count) for task, count in labels.items()})
        self.width = width
        self.label_counts = list(labels.values())

    def scores(self, features: torch.Tensor) -> dict[str, torch.Tensor]:
        """Task → logits (n, labels) of shared features (n, width)."""
        return {task: head(features) for task, head in self.heads.items()}

    def forward(self, pictures: torch.Tensor) -> dict[str, torch.Tensor]:
        return self.scores(self.backbone(pictures))


def build(backbone: str, labels: Mapping[str, int], *, seed: int, branches: Branches = "linear") -> MultiTaskNetwork:
    """Network with random weights on `backbone`: facenet, or any model of the registry without its last layer.

    `labels`: task → number of labels. With `normalised` branches, facenet is taken up to its last dropout: each branch
    then makes its own embedding. Raises BadInput for an unknown backbone, naming the known ones.
    """
    if backbone not in MODELS:
        raise bad_value("multitask.backbone", backbone, ", ".join(MODELS))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if backbone == FACENET and branches == "normalised":
            return MultiTaskNetwork(facenet.FaceNetTrunk(), facenet.TRUNK, labels, branches=branches)
        if backbone == FACENET:
            return MultiTaskNetwork(facenet.InceptionResnetV1(), facenet.EMBEDDING, labels)
        body = registry.REGISTRY[registry.network_of(backbone)].make(2)
        width = pretrained.drop_last_layer(body)
        return MultiTaskNetwork(body, width, labels, branches=branches)


def start(
    backbone: str,
    labels: Mapping[str, int],
    *,
    input_px: int,
    seed: int,
    weights: Path | None,
    branches: Branches = "linear",
) -> MultiTaskNetwork:
    """Network with its initial weights. Those of the backbone come from the file `weights` if one is given, from
    torchvision if its name ends in `-pretrained`, and are random otherwise; those of the heads are random.

    FaceNet's public files have a 512-d embedding and the paper has 128: the layers that make the embedding,
    `last_linear` and `last_bn`, are random: "the final layers are not restored" (Das et al., section 3.2).

    Raises BadInput if the pictures are too small for the backbone, or its weights cannot be read or downloaded.
    """
    network = build(backbone, labels, seed=seed, branches=branches)
    name = registry.network_of(backbone)
    min_px = registry.REGISTRY[name].min_px
    if input_px < min_px:
        raise bad_value("train.input_px", input_px, f"{min_px} or more for {name}")
    if weights is not None or backbone.endswith(PRETRAINED):
        found = pretrained.read(weights) if weights is not None else pretrained.fetch(name, setting="multitask.weights")
        last = facenet.LAST if name == FACENET else ()
        pretrained.load_body(network.backbone, found, where=str(weights or backbone), last=last)
    return network


class MultiTaskModule(LightningModule):
    """Lightning module for joint training: `weighting` combines the tasks' losses; validation takes their mean."""

    def __init__(
        self,
        network: MultiTaskNetwork,
        weighting: Weighting,
        recipe: Recipe,
        *,
        losses: Sequence[nn.Module],
        steps_per_epoch: int,
    ) -> None:
        super().__init__()
        self.network = network.to(memory_format=recipes.layout(recipe))
        self.weighting = weighting
        self._losses = nn.ModuleList(losses)
        self._recipe = recipe
        self._steps_per_epoch = steps_per_epoch
        self._frozen = pretrained.freeze_first(network.backbone, recipe.frozen_share)
        self._epoch_losses: list[torch.Tensor] = []

    def on_train_epoch_start(self) -> None:
        # A frozen batch normalisation keeps its running statistics too.
        for layer in self._frozen:
            layer.eval()

    def training_step(self, batch: Batch, _index: int) -> torch.Tensor:
        ready = augmentation.augmented(augmentation.as_input(batch[0]), self._recipe.augment)
        features = self.network.backbone(self._normalised(ready))
        scores = self.network.scores(features)
        pairs = zip(self._losses, scores.values(), batch[1].T, strict=True)
        losses = torch.stack([loss(predicted, targets) for loss, predicted, targets in pairs])
        self._epoch_losses.append(losses.detach())
        self._log_step("train", scores, batch[1], losses.mean())
        shared = [each for each in self.network.backbone.parameters() if each.requires_grad]
        loss = self.weighting(losses, features, shared)
        # Tensors: converting each to a number would synchronise with the accelerator at every step.
        weights = zip(self.network.heads, self.weighting.current, strict=True)
        named = {f"weight_{task}": weight for task, weight in weights}
        self.log_dict(named, on_step=False, on_epoch=True, batch_size=len(losses), sync_dist=True)
        return loss

    def on_train_epoch_end(self) -> None:
        mean = torch.stack(self._epoch_losses).mean(dim=0)
        # The mean over devices: all of them must use the same weights.
        self.weighting.epoch_ended(self.trainer.strategy.reduce(mean, reduce_op="mean"))
        self._epoch_losses.clear()

    def validation_step(self, batch: Batch, _index: int) -> None:
        scores = self.network(self._normalised(augmentation.as_input(batch[0])))
        pairs = zip(scores.values(), batch[1].T, strict=True)
        losses = torch.stack([functional.cross_entropy(predicted, targets) for predicted, targets in pairs])
        self._log_step("val", scores, batch[1], losses.mean())

    def configure_optimizers(self) -> Any:
        chosen = recipes.optimizer(self._recipe, self.network.parameters())
        if own := list(self.weighting.parameters()):
            chosen.add_param_group({"params": own, "weight_decay": 0.0})
        factor = recipes.learning_rate_factor(self._recipe, steps_per_epoch=self._steps_per_epoch)
        schedule = torch.optim.lr_scheduler.LambdaLR(chosen, factor)
        return {"optimizer": chosen, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _normalised(self, pictures: torch.Tensor) -> torch.Tensor:
        return augmentation.normalised(pictures, self._recipe.normalise)

    def _log_step(self, split: str, scores: dict[str, torch.Tensor], targets: torch.Tensor, loss: torch.Tensor) -> None:
        figures = {f"{split}_loss": loss}
        for number, (task, predicted) in enumerate(scores.items()):
            figures[f"{split}_accuracy_{task}"] = (predicted.argmax(dim=1) == targets[:, number]).float().mean()
        self.log_dict(figures, on_step=False, on_epoch=True, batch_size=len(targets), sync_dist=True)


def probabilities(
    network: MultiTaskNetwork,
    pictures: np.ndarray,
    *,
    normalise: str,
    rows: np.ndarray | None = None,
    batch: int = 128,
) -> dict[str, np.ndarray]:
    """Task → probabilities (m, labels), each row summing to 1, of the pictures `rows` (m,), or of all.

    `pictures`: (n, size, size, 3) uint8 RGB; `normalise`: name of a normalisation; `batch`: pictures at a time.
    """
    device = torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")
    network.to(device).eval()
    parts: dict[str, list[np.ndarray]] = {task: [] for task in network.heads}
    with torch.inference_mode():
        for some in batches(pictures, rows, size=batch):
            ready = augmentation.as_input(torch.from_numpy(some).to(device))
            for task, scores in network(augmentation.normalised(ready, normalise)).items():
                parts[task].append(scores.softmax(dim=1).cpu().numpy())
    return {task: np.concatenate(each) for task, each in parts.items()}
