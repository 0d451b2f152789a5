"""How busy an accelerator is while a network trains on it."""

from __future__ import annotations

import json
import statistics
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

# Gives the share of the last moment in which the accelerator computed, 0 to 1.
Look = Callable[[], float]
PERIOD_S = 0.5
DIGITS = 3


def looker(devices: int) -> Look | None:
    """How to look at the first `devices` accelerators of this machine; None on a CPU."""
    return partial(_cuda, devices) if torch.cuda.is_available() else None


def _cuda(devices: int) -> float:
    return statistics.mean(torch.cuda.utilization(number) for number in range(devices)) / 100


def read(path: Path) -> float | None:
    """What `BusyShare` has written; None where it saw nothing."""
    return json.loads(path.read_text()) if path.is_file() else None


class BusyShare(Callback):
    """Looks every `period_s` from the first step to the last, in a thread, and writes the mean to `path`.

    Where looking fails (no driver library, say) nothing is written: the figure is for the record, not for training.
    """

    def __init__(self, path: Path, look: Look, *, period_s: float = PERIOD_S) -> None:
        self._path = path
        self._look = look
        self._period_s = period_s
        self._seen: list[float] = []
        self._stop: threading.Event | None = None
        self._thread: threading.Thread | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        if trainer.is_global_zero:
            self._stop = threading.Event()
            self._thread = threading.Thread(target=self._watch, args=(self._stop,), daemon=True)
            self._thread.start()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        if self._stop is None or self._thread is None:
            return
        self._stop.set()
        self._thread.join()
        if self._seen:
            self._path.write_text(json.dumps(round(statistics.mean(self._seen), DIGITS)))
        self._stop = self._thread = None

    def _watch(self, stop: threading.Event) -> None:
        # Once at least, however short the training is.
        while True:
            try:
                self._seen.append(self._look())
            except (RuntimeError, OSError, ImportError, AttributeError):
                self._seen.clear()
                return
            if stop.wait(self._period_s):
                return
