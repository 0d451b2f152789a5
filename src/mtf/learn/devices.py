"""One device or several: how examples are dealt out to them, and what they must agree on.

A recipe means the same on any number of devices: its batch is that of all of them together.
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
    """How many devices train, and how one looks at how busy they are."""

    count: int = 1
    look: busy.Look | None = None


def here(count: int) -> Devices:
    """`count` devices of this machine: its accelerators, or processes where it has none.

    Raises BadInput where it has accelerators, but not as many.
    """
    available = torch.accelerator.device_count() if torch.accelerator.is_available() else count
    if count > available:
        raise bad_value("compute.devices", count, f"1 to {available}, the accelerators of this machine")
    return Devices(count, busy.looker(count))


def strategy(count: int) -> Strategy | str:
    """For Lightning, whose other launcher would run the whole command again for each device.

    Batch normalisation's statistics are not sent with every step (see `AverageBuffers`): a device may have one batch
    fewer to validate than another, and would be waited for.
    """
    if count == 1:
        return "auto"
    # Never a plain fork: it copies the locks of threads that it does not copy. Without accelerators, processes are
    # forked from one that has imported what they need and done nothing; CUDA wants each to begin afresh.
    if torch.accelerator.is_available():
        return DDPStrategy(start_method="spawn", forward_sync_buffers=False)
    multiprocessing.set_forkserver_preload(["mtf.learn.train"])
    return DDPStrategy(start_method="forkserver", forward_sync_buffers=False)


class MovingAverage(WeightAveraging):
    """Lightning's average of the weights over steps, in a form that can be sent to a device's process.

    The decay rises to its full value, `min(decay, (1 + n) / (10 + n))` at step n. A few hundred pictures make few
    steps, and a constant decay of 0.99 would hardly leave the weights that were drawn at random.
    """

    def __init__(self, decay: float) -> None:
        super().__init__(multi_avg_fn=self._follow)
        self._decay = decay

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        # Lightning calls this before it moves the network: the average would stay in the host's memory, and each step
        # would copy all weights there.
        self._device = trainer.strategy.root_device
        super().setup(trainer, pl_module, stage)
        if self._average_model is not None:
            # torch asks at each step whether it is the first one; an accelerator would be waited for.
            self._average_model.n_averaged = torch.zeros((), dtype=torch.int64)

    def _follow(self, means: Any, currents: Any, step: torch.Tensor) -> None:
        """Move `means` towards `currents`, tensors of one type, without asking an accelerator for a number."""
        moved = 1 - ((1 + step) / (10 + step)).clamp(max=self._decay)
        for mean, current in zip(means, currents, strict=True):
            mean.copy_(mean + moved * (current - mean))

    def __reduce__(self) -> Any:
        return type(self), (self._decay,)


class AverageBuffers(Callback):
    """Each device's batch normalisation sees its own pictures; what is validated, and kept, is the mean of them."""

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        for buffer in pl_module.buffers():
            if buffer.is_floating_point():
                buffer.copy_(trainer.strategy.reduce(buffer.clone(), reduce_op="mean"))


class Loaders(LightningDataModule):
    """Training examples shuffled and dealt out anew each epoch, validation examples each to one device.

    For training, DistributedSampler repeats a few examples so that all devices take as many steps; validation repeats
    and drops none.
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
        """Of each device: they take as many."""
        return len(self.train_dataloader())

    def train_dataloader(self) -> DataLoader[data.Batch]:
        return data.loader(self._train, batch=self._batch, shuffle_seed=self._seed, sampler=self._dealt())

    def val_dataloader(self) -> DataLoader[data.Batch]:
        return data.loader(share_of(self._val, self._rank, self._devices), batch=self._batch)

    def _dealt(self) -> DistributedSampler[Any] | None:
        if self._devices == 1:
            return None
        everything = data.Faces(self._train)
        return DistributedSampler(everything, num_replicas=self._devices, rank=self._rank, seed=self._seed)

    @property
    def _rank(self) -> int:
        return self.trainer.global_rank if self.trainer is not None else 0


def share_of(examples: data.Examples, rank: int, devices: int) -> data.Examples:
    """Every `devices`-th example, beginning with number `rank`."""
    return replace(examples, rows=examples.rows[rank::devices], targets=examples.targets[rank::devices])


class _Reopened(np.memmap):
    """A map of a file that another process opens again, instead of being sent its content."""

    def __reduce__(self) -> Any:
        return _open, (str(self.filename), self.dtype.str, self.offset, self.shape)


def _open(filename: str, dtype: str, offset: int, shape: tuple[int, ...]) -> np.ndarray:
    return np.memmap(filename, dtype, "r", offset, shape).view(_Reopened)


def _sendable(examples: data.Examples) -> data.Examples:
    if not isinstance(examples.pictures, np.memmap):
        return examples
    return replace(examples, pictures=examples.pictures.view(_Reopened))
