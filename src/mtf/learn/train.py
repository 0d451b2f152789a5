"""The training loop: Lightning runs it, DVCLive keeps its curves, the best checkpoint is what comes back."""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer, seed_everything
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from torch import nn
from torch.multiprocessing import ProcessExitedException, ProcessRaisedException

from mtf.errors import GateFailed, MtfError
from mtf.learn import busy, classifier, data, multitask, recipes
from mtf.learn.devices import AverageBuffers, Devices, Loaders, MovingAverage, strategy
from mtf.learn.epochs import EpochLog, Epochs
from mtf.learn.quiet import quieten
from mtf.learn.weighting import Weighting
from mtf.params import Recipe

ONE = Devices()


@dataclass(frozen=True)
class Fitted:
    """A trained network, with the weights of its best epoch. Epochs are counted from 1.

    `busy_share` is how busy the accelerator was, 0 to 1; null on a CPU.
    """

    network: nn.Module
    epochs: int
    best_epoch: int
    best_val_loss: float
    busy_share: float | None = None


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
    devices: Devices = ONE,
) -> Fitted:
    """Train `network` to tell `labels` labels apart. The same seed gives the same weights; `curves` is a folder.

    `batch` is that of all devices together. Raises as `fit`.
    """
    seed_everything(seed, workers=True, verbose=False)
    loaders = Loaders(train, val, batch=batch, seed=seed, devices=devices.count)
    module = classifier.Classifier(
        network,
        recipe,
        loss=recipes.loss(recipe, train.counts(labels)),
        steps_per_epoch=loaders.steps_per_epoch,
    )
    return fit(module, loaders, recipe=recipe, curves=curves, network=module.network, devices=devices)


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
    devices: Devices = ONE,
) -> Fitted:
    """Train `network` for all its tasks at once; the examples' targets have one column per task. Raises as `fit`."""
    seed_everything(seed, workers=True, verbose=False)
    counts = [head.out_features for head in network.heads.values() if isinstance(head, nn.Linear)]
    losses = [
        recipes.loss(recipe, np.bincount(train.targets[:, task], minlength=count)) for task, count in enumerate(counts)
    ]
    loaders = Loaders(train, val, batch=batch, seed=seed, devices=devices.count)
    module = multitask.MultiTask(network, weighting, recipe, losses=losses, steps_per_epoch=loaders.steps_per_epoch)
    return fit(module, loaders, recipe=recipe, curves=curves, network=network, devices=devices)


def fit(
    module: LightningModule,
    loaders: Loaders,
    *,
    recipe: Recipe,
    curves: Path,
    network: nn.Module,
    devices: Devices,
) -> Fitted:
    """Run the loop over `module`, which logs train_loss and val_loss, and put its best weights into `network`.

    Raises GateFailed where a figure stops being a number, and MtfError where a device's process fails.
    """
    # With several devices all this happens in their processes: what they have to say comes back as files.
    with tempfile.TemporaryDirectory(prefix="mtf-train-") as folder:
        record, looked = Path(folder) / "epochs.json", Path(folder) / "busy.json"
        # A full checkpoint where weights are averaged: only in it does Lightning put the average, which was validated.
        best = ModelCheckpoint(folder, monitor="val_loss", save_weights_only=recipe.ema_decay is None)
        callbacks = [*_averaging(recipe, devices), EpochLog(curves, record), _stopping(recipe), best]
        if devices.look is not None:
            callbacks.append(busy.BusyShare(looked, devices.look))
        trainer = _trainer(recipe, callbacks, devices)
        try:
            trainer.fit(module, datamodule=loaders)
        except (ProcessRaisedException, ProcessExitedException) as error:
            raise MtfError(f"a device's process failed: {_last_line(error)}") from None
        epochs = Epochs.read(record)
        if epochs.not_a_number is not None:
            raise GateFailed(
                f"training: {epochs.not_a_number}; the recipe's learning_rate is {recipe.learning_rate}: lower it"
            )
        checkpoint = torch.load(best.best_model_path, map_location="cpu", weights_only=True)
        busy_share = busy.read(looked)
    module.load_state_dict(checkpoint["state_dict"])
    network.to("cpu").eval()
    return Fitted(
        network=network,
        epochs=len(epochs.val_losses),
        best_epoch=checkpoint["epoch"] + 1,
        best_val_loss=epochs.val_losses[checkpoint["epoch"]],
        busy_share=busy_share,
    )


def _last_line(error: Exception) -> str:
    """Of the traceback that a process has left: what was raised."""
    return str(error).strip().rsplit("\n", 1)[-1]


def _trainer(recipe: Recipe, callbacks: list[Callback], devices: Devices) -> Trainer:
    quieten()
    on_accelerator = torch.accelerator.is_available()
    return Trainer(
        max_epochs=recipe.max_epochs,
        callbacks=callbacks,
        accelerator="auto",
        devices=devices.count,
        strategy=strategy(devices.count),
        use_distributed_sampler=False,
        precision=precision(recipe, on_accelerator=on_accelerator),
        # Some kernels of an accelerator have no deterministic form: there, a warning, not a stop.
        deterministic="warn" if on_accelerator else True,
        num_sanity_val_steps=0,
        logger=False,
        enable_progress_bar=sys.stderr.isatty(),
        enable_model_summary=False,
    )


def precision(recipe: Recipe, *, on_accelerator: bool) -> Literal["bf16-mixed", "32-true"]:
    """Half the bits where a recipe asks for them; a CPU would only be slower for it."""
    return "bf16-mixed" if recipe.mixed_precision and on_accelerator else "32-true"


def _averaging(recipe: Recipe, devices: Devices) -> list[Callback]:
    """Over steps, then over devices: in this order what is averaged over devices is what is validated."""
    over_steps = [MovingAverage(recipe.ema_decay)] if recipe.ema_decay else []
    return [*over_steps, *([AverageBuffers()] if devices.count > 1 else [])]


def _stopping(recipe: Recipe) -> Callback:
    return EarlyStopping(recipe.stop_on, patience=recipe.patience, check_on_train_epoch_end=True)
