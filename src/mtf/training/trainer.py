"""Training loop: Lightning runs it, and the best checkpoint is returned.

- Metrics of each epoch go to DVCLive, which keeps the curves, and to a record file for the process that started the
  training.
- With an `UnfinishedTraining`, a training that was killed continues after its last epoch, and ends with the same
  weights on a CPU.
- Log messages and warnings of Lightning that appear in every training and need no action are silenced.
"""

from __future__ import annotations

import json
import logging
import math
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from dvclive import Live
from lightning.pytorch import Callback, LightningModule, Trainer, seed_everything
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from pydantic import BaseModel
from scmrepo.exceptions import SCMError
from torch import nn
from torch.multiprocessing import ProcessExitedException, ProcessRaisedException

from mtf.config import Recipe
from mtf.core import torch_files, torchrun
from mtf.core.errors import GateFailed, MtfError
from mtf.training import classifier, data, multitask, nodes, resumption
from mtf.training import recipe as recipes
from mtf.training.devices import (
    AverageBuffers,
    Devices,
    FaceDataModule,
    GpuUtilizationMonitor,
    MovingAverage,
    read_mean,
    strategy,
)
from mtf.training.progress import TrainingProgress
from mtf.training.resumption import UnfinishedTraining
from mtf.training.weighting import Weighting

SINGLE_DEVICE = Devices()


@dataclass(frozen=True)
class FitResult:
    """Trained network with the weights of its best epoch.

    - `network`: on the CPU, in evaluation mode;
    - `epochs`: number of epochs;
    - `best_epoch`: epoch of the lowest validation loss, counted from 1;
    - `best_val_loss`: its validation loss;
    - `history`: name → value of the metrics of each epoch;
    - `minutes`: of all epochs, those before a resumption included;
    - `gpu_utilization`: mean over the training, 0 to 1, None on a CPU.
    """

    network: nn.Module
    epochs: int
    best_epoch: int
    best_val_loss: float
    history: list[dict[str, float]]
    minutes: float
    gpu_utilization: float | None = None


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
    devices: Devices = SINGLE_DEVICE,
    unfinished: UnfinishedTraining | None = None,
) -> FitResult:
    """Train `network` on one task with `labels` labels. The same seed gives the same weights.

    `batch` is the batch size of all devices together, `curves` the folder of DVCLive, `unfinished` what a training that
    was killed continues from. Raises as `fit`.
    """
    seed_everything(seed, workers=True, verbose=False)
    loaders = FaceDataModule(train, val, batch=batch, seed=seed, devices=devices.count)
    module = classifier.Classifier(
        network,
        recipe,
        loss=recipes.loss(recipe, train.counts(labels)),
        steps_per_epoch=loaders.steps_per_epoch,
    )
    return fit(
        module,
        loaders,
        recipe=recipe,
        curves=curves,
        network=module.network,
        devices=devices,
        unfinished=unfinished,
    )


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
    devices: Devices = SINGLE_DEVICE,
    unfinished: UnfinishedTraining | None = None,
) -> FitResult:
    """Train `network` on all its tasks at once; the examples' targets have one column per task. Raises as `fit`."""
    seed_everything(seed, workers=True, verbose=False)
    losses = [
        recipes.loss(recipe, np.bincount(train.targets[:, task], minlength=count))
        for task, count in enumerate(network.label_counts)
    ]
    loaders = FaceDataModule(train, val, batch=batch, seed=seed, devices=devices.count)
    module = multitask.MultiTaskModule(
        network, weighting, recipe, losses=losses, steps_per_epoch=loaders.steps_per_epoch
    )
    return fit(module, loaders, recipe=recipe, curves=curves, network=network, devices=devices, unfinished=unfinished)


def fit(
    module: LightningModule,
    loaders: FaceDataModule,
    *,
    recipe: Recipe,
    curves: Path,
    network: nn.Module,
    devices: Devices,
    unfinished: UnfinishedTraining | None = None,
) -> FitResult:
    """Train `module`, which logs train_loss and val_loss, and load its best weights into `network`, a part of it.

    An `unfinished` training, by default that of `resumption.resumable`, continues after its last epoch; its state stays
    until the caller removes it. Of several nodes, only the first has a state and writes curves; the result is the same
    in the process of each device.

    Raises GateFailed if a metric becomes NaN or infinite, MtfError if a device's process fails, and BadInput if nodes
    have different inputs.
    """
    unfinished = unfinished or resumption.take_given()
    nodes.check_equal(unfinished.inputs if unfinished is not None else None)
    # With several devices the training runs in their processes, and its results come back as files.
    with resumption.training_folder(unfinished if torchrun.is_first() else None) as (folder, last):
        resumed = nodes.state_of_first(last, folder)
        record, utilization = folder / "epochs.json", folder / "gpu_utilization.json"
        # The two best: a training that is killed between this file and the state of the epoch finds the one before.
        best = ModelCheckpoint(
            folder,
            filename="best-{epoch}",
            monitor="val_loss",
            save_top_k=2,
            # Averaged weights need a full checkpoint: Lightning stores the average, which was validated, only there.
            save_weights_only=recipe.ema_decay is None,
            enable_version_counter=False,
        )
        callbacks = [
            *_averaging(recipe, devices),
            EpochLog(curves, record),
            _stopping(recipe),
            best,
            TrainingProgress(),
        ]
        if unfinished is not None:
            callbacks += resumption.callbacks(folder)
        if devices.read_utilization is not None:
            callbacks.append(GpuUtilizationMonitor(utilization, devices.read_utilization))
        trainer = _trainer(recipe, callbacks, devices)
        try:
            trainer.fit(module, datamodule=loaders, ckpt_path=resumed, weights_only=True)
        except (ProcessRaisedException, ProcessExitedException) as error:
            raise MtfError(f"a device's process failed: {_last_line(error)}") from None
        except SystemExit:  # what Lightning makes of Ctrl-C
            raise KeyboardInterrupt from None
        epochs = nodes.from_first(EpochRecord.read(record))
        if epochs.non_finite is not None:
            if unfinished is not None and torchrun.is_first():
                unfinished.remove()
            raise GateFailed(
                f"training: {epochs.non_finite}; the recipe's learning_rate is {recipe.learning_rate}: lower it"
            )
        checkpoint, gpu_utilization = nodes.from_first(
            (torch_files.read(Path(best.best_model_path), wanted="a checkpoint"), read_mean(utilization))
            if torchrun.is_first()
            else None
        )
    module.load_state_dict(checkpoint["state_dict"])
    network.to("cpu").eval()
    return FitResult(
        network=network,
        epochs=len(epochs.figures),
        best_epoch=checkpoint["epoch"] + 1,
        best_val_loss=epochs.figures[checkpoint["epoch"]]["val_loss"],
        history=epochs.figures,
        minutes=epochs.seconds / 60,
        gpu_utilization=gpu_utilization,
    )


def _last_line(error: Exception) -> str:
    """Last line of a process's traceback, which names the exception."""
    return str(error).strip().rsplit("\n", 1)[-1]


def _trainer(recipe: Recipe, callbacks: list[Callback], devices: Devices) -> Trainer:
    silence_lightning()
    on_accelerator = torch.accelerator.is_available()
    return Trainer(
        max_epochs=recipe.max_epochs,
        callbacks=callbacks,
        accelerator="auto",
        devices=devices.count // devices.nodes,
        num_nodes=devices.nodes,
        strategy=strategy(devices),
        use_distributed_sampler=False,
        precision=precision(recipe, on_accelerator=on_accelerator),
        # Some kernels have no deterministic version on accelerators: a warning there, not an error.
        deterministic="warn" if on_accelerator else True,
        num_sanity_val_steps=0,
        logger=False,
        enable_progress_bar=False,  # `TrainingProgress` knows the time left
        enable_model_summary=False,
    )


def precision(recipe: Recipe, *, on_accelerator: bool) -> Literal["bf16-mixed", "32-true"]:
    """Precision for Lightning: bfloat16 if the recipe wants mixed precision, except on a CPU, where it is slower."""
    return "bf16-mixed" if recipe.mixed_precision and on_accelerator else "32-true"


def _averaging(recipe: Recipe, devices: Devices) -> list[Callback]:
    """Callbacks that average over steps, then over devices: in this order the validated weights are the final ones."""
    over_steps = [MovingAverage(recipe.ema_decay)] if recipe.ema_decay else []
    return [*over_steps, *([AverageBuffers()] if devices.count > 1 else [])]


def _stopping(recipe: Recipe) -> Callback:
    return ResumableStopping(recipe.stop_on, patience=recipe.patience, check_on_train_epoch_end=True)


class ResumableStopping(EarlyStopping):
    """Early stopping that ends a resumed training at once if it had ended already."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        trainer.should_stop = self.wait_count >= self.patience


class EpochRecord(BaseModel):
    """Record of a training's epochs.

    - `figures`: name → value of the metrics of each epoch;
    - `seconds`: time of these epochs, without what was lost when the training was killed;
    - `non_finite`: message on the metric that was NaN or infinite and ended the training, None if all were finite.
    """

    figures: list[dict[str, float]] = []
    seconds: float = 0.0
    non_finite: str | None = None

    @classmethod
    def read(cls, path: Path) -> EpochRecord:
        """Record in the file `path`, empty if there is no such file."""
        return cls.model_validate_json(path.read_bytes()) if path.is_file() else cls()


class EpochLog(Callback):
    """Lightning callback that writes metrics to DVCLive (`CURVES/plots/metrics/NAME.tsv`, step = epoch) and `record`.

    Only the process of rank 0 writes. Training ends after the first epoch with a metric that is NaN or infinite; the
    record tells it to the process that waits for the devices' processes.
    """

    def __init__(self, curves: Path, record: Path) -> None:
        self._curves = curves
        self._record = record
        self._epochs = EpochRecord()
        self._live: Live | None = None
        self._since = time.monotonic()

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:  # noqa: ARG002
        silence_lightning()
        if trainer.is_global_zero:
            self._live = _live(self._curves)

    def state_dict(self) -> dict[str, Any]:
        return {"figures": self._epochs.figures, "seconds": self._epochs.seconds}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._epochs = EpochRecord(figures=state_dict["figures"], seconds=state_dict["seconds"])

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        self._since = time.monotonic()
        # The curves of a resumed training begin with the epochs before it was killed.
        if self._live is None:
            return
        if self._epochs.figures:
            print(f"training: continues after epoch {len(self._epochs.figures)}", flush=True)
        for figures in self._epochs.figures:
            self._draw(figures)
        self._write()

    # Lightning ends a training epoch after its validation: all figures of the epoch are known here.
    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        figures = {name: float(value) for name, value in sorted(trainer.callback_metrics.items())}
        bad = [name for name, value in figures.items() if not math.isfinite(value)]
        # Metrics are synchronised over devices: all of them stop, or none does.
        trainer.should_stop = trainer.should_stop or bool(bad)
        if self._live is None:
            return
        now = time.monotonic()
        self._epochs.seconds += now - self._since
        self._since = now
        if bad:
            epoch = len(self._epochs.figures) + 1
            self._epochs.non_finite = f"{bad[0]} is {figures[bad[0]]} after epoch {epoch}"
        else:
            self._epochs.figures.append(figures)
            self._draw(figures)
        self._write()

    def _draw(self, figures: Mapping[str, float]) -> None:
        assert self._live is not None  # noqa: S101 (the callers ask)
        for name, value in figures.items():
            self._live.log_metric(name, round(value, 6))
        self._live.next_step()

    def _write(self) -> None:
        self._record.write_text(json.dumps(self._epochs.model_dump()))

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:  # noqa: ARG002
        if self._live is None:
            return
        self._live.end()
        # DVCLive's summary is of the last epoch and would be read as the model's metrics, which are of the best one.
        Path(self._live.metrics_file).unlink(missing_ok=True)
        self._live = None


def _live(curves: Path) -> Live:
    curves.parent.mkdir(parents=True, exist_ok=True)
    # dvc.yaml declares these files already: DVCLive writes no dvc.yaml, no experiment and no report.
    try:
        live = Live(str(curves), dvcyaml=False, save_dvc_exp=False, report=None)
    except SCMError as error:
        raise MtfError(f"DVCLive cannot read the git repository: {error}; commit once before training") from None
    live.step = 1
    return live


def silence_lightning() -> None:
    """Silence Lightning's info messages and its advice on workers and batches, which does not fit in-memory batches.

    Each process has its own loggers and filters, so that the process of each device calls this.
    """
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", message=r".*isinstance\(treespec, LeafSpec\).*")
    advice: dict[str, Any] = {"category": UserWarning, "module": r"lightning\..*"}
    warnings.filterwarnings("ignore", message=".*does not have many workers.*", **advice)
    warnings.filterwarnings("ignore", message=".*number of training batches.*", **advice)
    warnings.filterwarnings("ignore", message=".*exists and is not empty.*", **advice)
