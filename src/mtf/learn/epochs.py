"""Metrics of each epoch: into DVCLive, and into a record file for the process that started the training."""

from __future__ import annotations

import json
import math
from pathlib import Path

from dvclive import Live
from lightning.pytorch import Callback, LightningModule, Trainer
from pydantic import BaseModel
from scmrepo.exceptions import SCMError

from mtf.errors import MtfError
from mtf.learn.quiet import silence_lightning


class EpochRecord(BaseModel):
    """Record of a training's epochs.

    - `val_losses`: validation loss of each epoch;
    - `non_finite`: message on the metric that was NaN or infinite and ended the training, None if all were finite.
    """

    val_losses: list[float] = []
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

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:  # noqa: ARG002
        silence_lightning()
        if trainer.is_global_zero:
            self._live = _live(self._curves)

    # Lightning ends a training epoch after its validation: all figures of the epoch are known here.
    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        figures = {name: float(value) for name, value in sorted(trainer.callback_metrics.items())}
        bad = [name for name, value in figures.items() if not math.isfinite(value)]
        # Metrics are synchronised over devices: all of them stop, or none does.
        trainer.should_stop = trainer.should_stop or bool(bad)
        if self._live is None:
            return
        if bad:
            epoch = len(self._epochs.val_losses) + 1
            self._epochs.non_finite = f"{bad[0]} is {figures[bad[0]]} after epoch {epoch}"
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
