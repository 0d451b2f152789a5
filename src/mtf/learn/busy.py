"""GPU utilization during training, sampled in a thread."""

from __future__ import annotations

import json
import statistics
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

# Returns the current GPU utilization: the share of time in which the accelerator computed, 0 to 1.
UtilizationReader = Callable[[], float]
PERIOD_S = 0.5
DIGITS = 3


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
