"""The training loop: Lightning runs it, DVCLive keeps its curves, the best checkpoint is what comes back."""

from __future__ import annotations

import logging
import math
import sys
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from dvclive import Live
from lightning.pytorch import Callback, LightningModule, Trainer, seed_everything
from lightning.pytorch.callbacks import EarlyStopping, EMAWeightAveraging, ModelCheckpoint
from scmrepo.exceptions import SCMError
from torch import nn
from torch.utils.data import DataLoader

from mtf.errors import MtfError
from mtf.learn import classifier, data, multitask, recipes
from mtf.learn.weighting import Weighting
from mtf.params import Recipe


@dataclass(frozen=True)
class Fitted:
    """A trained network, with the weights of its best epoch. Epochs are counted from 1."""

    network: nn.Module
    epochs: int
    best_epoch: int
    best_val_loss: float


def fit_classifier(
    network: nn.Module,
    train: data.Examples,
    val: data.Examples,
    *,
    recipe: Recipe,
    batch: int,
    labels: int,
    seed: int,
    curves: Path,
) -> Fitted:
    """Train `network` to tell `labels` labels apart. The same seed gives the same weights; `curves` is a folder."""
    seed_everything(seed, workers=True, verbose=False)
    loaders = data.loader(train, batch=batch, shuffle_seed=seed), data.loader(val, batch=batch)
    module = classifier.Classifier(
        network, recipe, loss=recipes.loss(recipe, train.counts(labels)), steps_per_epoch=len(loaders[0])
    )
    return fit(module, *loaders, recipe=recipe, curves=curves, network=module.network)


def fit_multitask(
    network: multitask.MultiTaskNetwork,
    weighting: Weighting,
    train: data.Examples,
    val: data.Examples,
    *,
    recipe: Recipe,
    batch: int,
    seed: int,
    curves: Path,
) -> Fitted:
    """Train `network` for all its tasks at once; the examples' targets have one column per task."""
    seed_everything(seed, workers=True, verbose=False)
    counts = [head.out_features for head in network.heads.values() if isinstance(head, nn.Linear)]
    losses = [
        recipes.loss(recipe, np.bincount(train.targets[:, task], minlength=count)) for task, count in enumerate(counts)
    ]
    loaders = data.loader(train, batch=batch, shuffle_seed=seed), data.loader(val, batch=batch)
    module = multitask.MultiTask(network, weighting, recipe, losses=losses, steps_per_epoch=len(loaders[0]))
    return fit(module, *loaders, recipe=recipe, curves=curves, network=network)


def fit(
    module: LightningModule,
    train: DataLoader[data.Batch],
    val: DataLoader[data.Batch],
    *,
    recipe: Recipe,
    curves: Path,
    network: nn.Module,
) -> Fitted:
    """Run the loop over `module`, which logs train_loss and val_loss, and put its best weights into `network`.

    Raises FloatingPointError where the loss stops being a number.
    """
    # A full checkpoint where weights are averaged: only in it does Lightning put the average, which was validated.
    with tempfile.TemporaryDirectory(prefix="mtf-train-") as folder:
        best = ModelCheckpoint(folder, monitor="val_loss", save_weights_only=recipe.ema_decay is None)
        log = EpochLog(curves)
        trainer = _trainer(recipe, [*_averaging(recipe), log, _stopping(recipe), best])
        trainer.fit(module, train, val)
        log.close()
        checkpoint = torch.load(best.best_model_path, map_location="cpu", weights_only=True)
    module.load_state_dict(checkpoint["state_dict"])
    network.to("cpu").eval()
    return Fitted(
        network=network,
        epochs=len(log.val_losses),
        best_epoch=checkpoint["epoch"] + 1,
        best_val_loss=log.val_losses[checkpoint["epoch"]],
    )


class EpochLog(Callback):
    """The figures of each epoch, into DVCLive: `FOLDER/plots/metrics/NAME.tsv`, its step the epoch."""

    def __init__(self, folder: Path) -> None:
        self.val_losses: list[float] = []
        folder.parent.mkdir(parents=True, exist_ok=True)
        # The stage declares these files itself: DVCLive writes no dvc.yaml, no experiment and no report.
        try:
            self._live = Live(str(folder), dvcyaml=False, save_dvc_exp=False, report=None)
        except SCMError as error:
            raise MtfError(f"DVCLive cannot read the git repository: {error}; commit once before training") from None
        self._live.step = 1

    # Lightning ends a training epoch after its validation: all figures of the epoch are known here.
    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        self.val_losses.append(float(trainer.callback_metrics["val_loss"]))
        for name, value in sorted(trainer.callback_metrics.items()):
            if not math.isfinite(value):
                raise FloatingPointError(f"{name} is {float(value)} after epoch {len(self.val_losses)}")
            self._live.log_metric(name, round(float(value), 6))
        self._live.next_step()

    def close(self) -> None:
        self._live.end()
        # A summary of the last epoch would be read as the model's figures; those are of the best one.
        Path(self._live.metrics_file).unlink(missing_ok=True)


def _trainer(recipe: Recipe, callbacks: list[Callback]) -> Trainer:
    _quieten()
    on_accelerator = torch.accelerator.is_available()
    return Trainer(
        max_epochs=recipe.max_epochs,
        callbacks=callbacks,
        accelerator="auto",
        devices=1,
        precision="bf16-mixed" if recipe.mixed_precision and on_accelerator else "32-true",
        # Some kernels of an accelerator have no deterministic form: there, a warning, not a stop.
        deterministic="warn" if on_accelerator else True,
        num_sanity_val_steps=0,
        logger=False,
        enable_progress_bar=sys.stderr.isatty(),
        enable_model_summary=False,
    )


def _averaging(recipe: Recipe) -> list[Callback]:
    return [EMAWeightAveraging(decay=recipe.ema_decay)] if recipe.ema_decay else []


def _stopping(recipe: Recipe) -> Callback:
    return EarlyStopping(recipe.stop_on, patience=recipe.patience, check_on_train_epoch_end=True)


def _quieten() -> None:
    """Lightning's advice on workers and batches does not fit batches that are gathered from memory."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", message=r".*isinstance\(treespec, LeafSpec\).*")
    advice: dict[str, Any] = {"category": UserWarning, "module": r"lightning\..*"}
    warnings.filterwarnings("ignore", message=".*does not have many workers.*", **advice)
    warnings.filterwarnings("ignore", message=".*number of training batches.*", **advice)
