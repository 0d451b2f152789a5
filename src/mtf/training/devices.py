"""Devices for training: strategy, distribution of examples, averages over devices, GPU utilization.

- A recipe means the same on any number of devices: its batch size is that of all of them together.
- The devices of several machines train together if torchrun starts their processes (see `nodes`).
- GPU utilization is sampled in a thread during training.
"""

from __future__ import annotations

import json
import math
import statistics
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
from lightning.pytorch.callbacks import WeightAveraging
from lightning.pytorch.plugins.environments import TorchElasticEnvironment
from lightning.pytorch.strategies import DDPStrategy, Strategy
from torch.utils.data import DataLoader, DistributedSampler

from mtf.core import torchrun
from mtf.core.errors import BadInput, bad_value
from mtf.training import data

# Returns the current GPU utilization: the share of time in which the accelerator computed, 0 to 1.
UtilizationReader = Callable[[], float]
PERIOD_S = 0.5
DIGITS = 3


@dataclass(frozen=True)
class Devices:
    """Devices that train together.

    - `count`: their number, on all machines;
    - `read_utilization`: reader of the mean GPU utilization of this machine's, None if there is none;
    - `nodes`: number of machines;
    - `launched`: whether each device's process was started from outside, by torchrun.
    """

    count: int = 1
    read_utilization: UtilizationReader | None = None
    nodes: int = 1
    launched: bool = False


def devices_of(count: int) -> Devices:
    """The devices that torchrun started this process for, or else those that `local_devices` finds. Raises as that."""
    process = torchrun.launched()
    if process is None:
        return local_devices(count)
    here = local_devices(process.per_node, setting="torchrun: --nproc-per-node")
    return Devices(process.processes, here.read_utilization, nodes=process.nodes, launched=True)


def local_devices(count: int, *, setting: str = "compute.devices") -> Devices:
    """The first `count` accelerators of this machine, or as many processes if it has none.

    Raises BadInput, naming the `setting`, if it has accelerators, but fewer than `count`.
    """
    available = torch.accelerator.device_count() if torch.accelerator.is_available() else count
    if count > available:
        raise bad_value(setting, count, f"1 to {available}, the accelerators of this machine")
    return Devices(count, utilization_reader(count))


def strategy(devices: Devices) -> Strategy | str:
    """Strategy for Lightning; its default launcher would run the whole command once more for each device.

    The statistics of batch normalisation are not synchronised at every step (see `AverageBuffers`): a device may have
    one validation batch fewer than another, which would then wait for it forever.
    """
    if devices.count == 1:
        return "auto"
    if devices.launched:
        return DDPStrategy(cluster_environment=TorchElasticEnvironment(), forward_sync_buffers=False)
    # Never a fork: it copies locks held by threads that it does not copy. Nor a server of forks: only for "spawn"
    # Lightning gives each process weights of its own. Others train the same memory if there are no accelerators.
    return DDPStrategy(start_method="spawn", forward_sync_buffers=False)


class MovingAverage(WeightAveraging):
    """Exponential moving average of the weights over steps (Lightning's), picklable for a device's process.

    The decay at step n is `min(decay, (1 + n) / (10 + n))`. A few hundred pictures make few steps, and with a constant
    decay of 0.99 the average would stay close to the random initial weights.
    """

    def __init__(self, decay: float) -> None:
        super().__init__(multi_avg_fn=self._update_average)
        self._decay = decay

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        # Lightning calls this before it moves the network: the average would stay in the host's memory, and each step
        # would copy all weights to it.
        self._device = trainer.strategy.root_device
        super().setup(trainer, pl_module, stage)
        if self._average_model is not None:
            # torch compares this with 0 at each step; on an accelerator that would synchronise with it.
            self._average_model.n_averaged = torch.zeros((), dtype=torch.int64)

    def _update_average(self, means: Any, currents: Any, step: torch.Tensor) -> None:
        """Move `means` towards `currents`, tensors of one type, without synchronising with an accelerator."""
        moved = 1 - ((1 + step) / (10 + step)).clamp(max=self._decay)
        for mean, current in zip(means, currents, strict=True):
            mean.copy_(mean + moved * (current - mean))

    def __reduce__(self) -> Any:
        return type(self), (self._decay,)


class AverageBuffers(Callback):
    """Averages the statistics of batch normalisation over devices before validation, so that the mean is kept."""

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        for buffer in pl_module.buffers():
            if buffer.is_floating_point():
                buffer.copy_(trainer.strategy.reduce(buffer.clone(), reduce_op="mean"))


class FaceDataModule(LightningDataModule):
    """Training examples, shuffled and distributed anew in each epoch, and validation examples, each on one device.

    For training, DistributedSampler repeats a few examples so that all devices take the same number of steps;
    validation repeats and drops none.

    Raises BadInput if there are more devices than validation images.
    """

    def __init__(self, train: data.Examples, val: data.Examples, *, batch: int, seed: int, devices: int) -> None:
        super().__init__()
        if devices > len(val):
            raise BadInput(f"compute.devices: {devices} devices for {len(val)} validation images; one each is needed")
        self._train, self._val = (_sendable(part) if devices > 1 else part for part in (train, val))
        self._batch = math.ceil(batch / devices)
        self._seed = seed
        self._devices = devices

    @property
    def steps_per_epoch(self) -> int:
        """Training steps of an epoch on each device."""
        return len(self.train_dataloader())

    def train_dataloader(self) -> DataLoader[data.Batch]:
        return data.loader(self._train, batch=self._batch, shuffle_seed=self._seed, sampler=self._distributed_sampler())

    def val_dataloader(self) -> DataLoader[data.Batch]:
        return data.loader(subset_of_rank(self._val, self._rank, self._devices), batch=self._batch)

    def _distributed_sampler(self) -> DistributedSampler[Any] | None:
        if self._devices == 1:
            return None
        everything = data.FaceDataset(self._train)
        return DistributedSampler(everything, num_replicas=self._devices, rank=self._rank, seed=self._seed)

    @property
    def _rank(self) -> int:
        return self.trainer.global_rank if self.trainer is not None else 0


def subset_of_rank(examples: data.Examples, rank: int, devices: int) -> data.Examples:
    """Examples of the device `rank`: every `devices`-th one, beginning with number `rank`."""
    return replace(examples, rows=examples.rows[rank::devices], targets=examples.targets[rank::devices])


class _ReopenedMemmap(np.memmap):
    """Memory-mapped file that is pickled as its path, so that another process opens it instead of receiving bytes."""

    def __reduce__(self) -> Any:
        return _open, (str(self.filename), self.dtype.str, self.offset, self.shape)


def _open(filename: str, dtype: str, offset: int, shape: tuple[int, ...]) -> np.ndarray:
    return np.memmap(filename, dtype, "r", offset, shape).view(_ReopenedMemmap)


def _sendable(examples: data.Examples) -> data.Examples:
    """Examples whose memory-mapped pictures are pickled as a path."""
    if not isinstance(examples.pictures, np.memmap):
        return examples
    return replace(examples, pictures=examples.pictures.view(_ReopenedMemmap))


def utilization_reader(devices: int) -> UtilizationReader | None:
    """Reader of the mean utilization of the first `devices` accelerators of this machine; None on a CPU."""
    return partial(_cuda_utilization, devices) if torch.cuda.is_available() else None


def _cuda_utilization(devices: int) -> float:
    return statistics.mean(torch.cuda.utilization(number) for number in range(devices)) / 100


def read_mean(path: Path) -> float | None:
    """Mean utilization, 0 to 1, that `GpuUtilizationMonitor` wrote to `path`; None if it measured nothing."""
    return json.loads(path.read_text()) if path.is_file() else None


class GpuUtilizationMonitor(Callback):
    """Lightning callback that samples the utilization every `period_s` during training and writes the mean to `path`.

    If a reading fails, for example without the driver's library, it writes nothing and training goes on.
    """

    def __init__(self, path: Path, read_utilization: UtilizationReader, *, period_s: float = PERIOD_S) -> None:
        self._path = path
        self._read_utilization = read_utilization
        self._period_s = period_s
        self._samples: list[float] = []
        self._stop: threading.Event | None = None
        self._thread: threading.Thread | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        if trainer.is_global_zero:
            self._stop = threading.Event()
            self._thread = threading.Thread(target=self._sample, args=(self._stop,), daemon=True)
            self._thread.start()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        if self._stop is None or self._thread is None:
            return
        self._stop.set()
        self._thread.join()
        if self._samples:
            self._path.write_text(json.dumps(round(statistics.mean(self._samples), DIGITS)))
        self._stop = self._thread = None

    def _sample(self, stop: threading.Event) -> None:
        # Once at least, however short the training is.
        while True:
            try:
                self._samples.append(self._read_utilization())
            except (RuntimeError, OSError, ImportError, AttributeError):
                self._samples.clear()
                return
            if stop.wait(self._period_s):
                return
