"""The figures of each epoch, as they are made: into DVCLive, and into a record for the process that asked."""

from __future__ import annotations

import json
import math
from pathlib import Path

from dvclive import Live
from lightning.pytorch import Callback, LightningModule, Trainer
from pydantic import BaseModel
from scmrepo.exceptions import SCMError

from mtf.errors import MtfError
from mtf.learn.quiet import quieten


class Epochs(BaseModel):
    """What came of the epochs: the validation loss of each, and why they ended early if a figure was no number."""

    val_losses: list[float] = []
    not_a_number: str | None = None

    @classmethod
    def read(cls, path: Path) -> Epochs:
        return cls.model_validate_json(path.read_bytes()) if path.is_file() else cls()


class EpochLog(Callback):
    """Into DVCLive as `CURVES/plots/metrics/NAME.tsv`, its step the epoch, and into `record`, by one process alone.

    Training ends with the first epoch that has a figure which is not a number. Through the record this reaches the
    process that waits for the devices' processes.
    """

    def __init__(self, curves: Path, record: Path) -> None:
        self._curves = curves
        self._record = record
        self._epochs = Epochs()
        self._live: Live | None = None

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:  # noqa: ARG002
        quieten()
        if trainer.is_global_zero:
            self._live = _live(self._curves)

    # Lightning ends a training epoch after its validation: all figures of the epoch are known here.
    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        figures = {name: float(value) for name, value in sorted(trainer.callback_metrics.items())}
        unsound = [name for name, value in figures.items() if not math.isfinite(value)]
        # Devices have agreed on the figures: all of them stop, or none does.
        trainer.should_stop = trainer.should_stop or bool(unsound)
        if self._live is None:
            return
        if unsound:
            epoch = len(self._epochs.val_losses) + 1
            self._epochs.not_a_number = f"{unsound[0]} is {figures[unsound[0]]} after epoch {epoch}"
        else:
            self._epochs.val_losses.append(figures["val_loss"])
            for name, value in figures.items():
                self._live.log_metric(name, round(value, 6))
            self._live.next_step()
        self._record.write_text(json.dumps(self._epochs.model_dump()))

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:  # noqa: ARG002
        if self._live is None:
            return
        self._live.end()
        # A summary of the last epoch would be read as the model's figures; those are of the best one.
        Path(self._live.metrics_file).unlink(missing_ok=True)
        self._live = None


def _live(curves: Path) -> Live:
    curves.parent.mkdir(parents=True, exist_ok=True)
    # The stage declares these files itself: DVCLive writes no dvc.yaml, no experiment and no report.
    try:
        live = Live(str(curves), dvcyaml=False, save_dvc_exp=False, report=None)
    except SCMError as error:
        raise MtfError(f"DVCLive cannot read the git repository: {error}; commit once before training") from None
    live.step = 1
    return live
