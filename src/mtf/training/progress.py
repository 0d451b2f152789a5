"""Progress bar of a training: steps done, steps at most, and the time left, on a terminal alone."""

from __future__ import annotations

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from rich.progress import Progress, TaskID

from mtf.core.console import progress_bar


class TrainingProgress(Callback):
    """Lightning callback that shows the progress over all epochs, where Lightning's own bar shows one epoch.

    The time left is that of the last epoch permitted; a training that stops early ends before. Only the process of
    rank 0 shows it.
    """

    def __init__(self) -> None:
        self._bar: Progress | None = None
        self._task = TaskID(0)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        if trainer.is_global_zero:
            total = int(trainer.num_training_batches) * (trainer.max_epochs or 1)
            self._bar = progress_bar()
            self._bar.start()
            self._task = self._bar.add_task("train", total=total, completed=trainer.global_step)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        if self._bar is not None:
            of = f"train: epoch {trainer.current_epoch + 1} of at most {trainer.max_epochs}, step"
            self._bar.update(self._task, description=of)

    def on_train_batch_end(
        self,
        trainer: Trainer,  # noqa: ARG002
        pl_module: LightningModule,  # noqa: ARG002
        outputs: Any,  # noqa: ARG002
        batch: Any,  # noqa: ARG002
        batch_idx: int,  # noqa: ARG002
    ) -> None:
        if self._bar is not None:
            self._bar.advance(self._task)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:  # noqa: ARG002
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
