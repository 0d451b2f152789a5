"""Training on one device or several: strategy, distribution of examples, averages over devices.

A recipe means the same on any number of devices: its batch size is that of all of them together.
"""

from __future__ import annotations

import math
import multiprocessing
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
from lightning.pytorch.callbacks import WeightAveraging
from lightning.pytorch.strategies import DDPStrategy, Strategy
from torch.utils.data import DataLoader, DistributedSampler

from mtf.errors import BadInput, bad_value
from mtf.learn import busy, data


@dataclass(frozen=True)
class Devices:
    """Devices that train together.

    - `count`: their number;
    - `read_utilization`: reader of their mean GPU utilization, None if there is none.
    """

    count: int = 1
    read_utilization: busy.UtilizationReader | None = None


def local_devices(count: int) -> Devices:
    """The first `count` accelerators of this machine, or as many processes if it has none.

    Raises BadInput if it has accelerators, but fewer than `count`.
    """
    available = torch.accelerator.device_count() if torch.accelerator.is_available() else count
    if count > available:
        raise bad_value("compute.devices", count, f"1 to {available}, the accelerators of this machine")
    return Devices(count, busy.utilization_reader(count))


def strategy(count: int) -> Strategy | str:
    """Strategy for Lightning; its default launcher would run the whole command once more for each device.

    The statistics of batch normalisation are not synchronised at every step (see `AverageBuffers`): a device may have
    one validation batch fewer than another, which would then wait for it forever.
    """
    if count == 1:
        return "auto"
    # Never a plain fork: it copies locks held by threads that it does not copy. Without accelerators, processes are
    # forked from a server that has only imported what they need; CUDA requires new processes.
    if torch.accelerator.is_available():
        return DDPStrategy(start_method="spawn", forward_sync_buffers=False)
    multiprocessing.set_forkserver_preload(["mtf.learn.train"])
    return DDPStrategy(start_method="forkserver", forward_sync_buffers=False)


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
