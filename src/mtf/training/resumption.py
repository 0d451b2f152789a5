"""Resumption of a training that was killed: the state after its last epoch, and who may continue from it.

The state of a stage's training lies in a folder of its own below `build/checkpoints`. It is no output of the stage,
since DVC empties the outputs before a stage runs. The stage removes it once its own outputs are written.

Code that calls others to train, as a comparison does, wraps the call in `resumable`.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from torch.utils.data import DataLoader

from mtf.core import atomic_files, torch_files
from mtf.core.errors import BadInput
from mtf.core.hashing import fingerprint
from mtf.core.project_paths import ProjectPaths

LAST, DIGEST = "last", "digest"
RANDOM_STATE = "random_state"


@dataclass(frozen=True)
class UnfinishedTraining:
    """Training that has not finished.

    - `folder`: folder with its state;
    - `digest`: digest of all that its result depends on, and of the folder;
    - `inputs`: digest of all that its result depends on, the same on each node that takes part; None if not known.
    """

    folder: Path
    digest: str
    inputs: str | None = None

    def checkpoint(self) -> Path | None:
        """State after the last epoch, None if there is none that this training can continue from.

        The state of another training (other data, parameters or code), or a file that cannot be read, is removed.
        """
        last, digest = self.folder / f"{LAST}.ckpt", self.folder / DIGEST
        if last.is_file() and digest.is_file() and digest.read_text(encoding="ascii") == self.digest:
            try:
                torch_files.read(last, wanted="the state of a training")
            except BadInput as error:
                print(f"training: starts anew: {error}")
            else:
                return last
        self.remove()
        self.folder.mkdir(parents=True, exist_ok=True)
        atomic_files.write_text(digest, self.digest)
        return None

    def remove(self) -> None:
        """Remove the state, as the result of the training is written."""
        shutil.rmtree(self.folder, ignore_errors=True)


def of_stage(workspace: ProjectPaths, *names: str, inputs: list[Any]) -> UnfinishedTraining:
    """Unfinished training of a stage, `names` being that of the stage and those of its place in the matrix.

    `inputs`: all that the result depends on besides code and versions, as `fingerprint` takes it.
    """
    return in_folder(workspace.stage("checkpoints").joinpath(*names), inputs=inputs)


def in_folder(folder: Path, *, inputs: list[Any]) -> UnfinishedTraining:
    """Unfinished training with its state in `folder`; `inputs` as for `of_stage`."""
    import lightning

    versions = [torch.__version__, lightning.__version__]
    # Lightning's state names the folder: a project that was moved trains anew.
    code = ["mtf.training.trainer"]
    digest = fingerprint(str(folder.resolve()), versions, inputs, code=code)
    return UnfinishedTraining(folder, digest, fingerprint(versions, inputs, code=code))


_given: ContextVar[UnfinishedTraining | None] = ContextVar("given", default=None)


@contextmanager
def resumable(unfinished: UnfinishedTraining) -> Generator[None]:
    """Context in which the first training continues as `unfinished`, if its caller names no other.

    A second training in the context is another one: it starts anew. The state is removed at the end of the context,
    but not after an exception.
    """
    token = _given.set(unfinished)
    try:
        yield
    finally:
        _given.reset(token)
    unfinished.remove()


def take_given() -> UnfinishedTraining | None:
    """Unfinished training of the context; None outside of `resumable`, and if another training took it."""
    unfinished = _given.get()
    _given.set(None)
    return unfinished


@contextmanager
def training_folder(unfinished: UnfinishedTraining | None) -> Generator[tuple[Path, Path | None]]:
    """Folder for the checkpoints of a training, and the state to continue from, None at the first epoch.

    Without an `unfinished` training the folder is a temporary one.
    """
    if unfinished is None:
        with tempfile.TemporaryDirectory(prefix="mtf-train-") as folder:
            yield Path(folder), None
        return
    # First: it makes the folder.
    checkpoint = unfinished.checkpoint()
    yield unfinished.folder, checkpoint


def callbacks(folder: Path) -> list[Callback]:
    """Callbacks that write the whole state of a training to `folder` after each epoch, replacing the one before."""
    last = ModelCheckpoint(
        folder, filename=LAST, save_top_k=1, save_on_train_epoch_end=True, enable_version_counter=False
    )
    return [RandomState(), last]


class RandomState(Callback):
    """Callback that keeps the state of torch's generators, and of the one that shuffles, in the checkpoint.

    Nothing draws from Python's or NumPy's generators while a network trains. Of several devices, the state of the first
    is kept for all.
    """

    def __init__(self) -> None:
        self._restored: dict[str, Any] | None = None

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:  # noqa: ARG002
        state: dict[str, Any] = {"cpu": torch.get_rng_state()}
        if torch.cuda.is_available():
            state["cuda"] = torch.cuda.get_rng_state_all()
        if (generator := _shuffling(trainer)) is not None:
            state["shuffling"] = generator.get_state()
        checkpoint[RANDOM_STATE] = state

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:  # noqa: ARG002
        self._restored = checkpoint.get(RANDOM_STATE)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        state, self._restored = self._restored, None
        if state is None:
            return
        torch.set_rng_state(state["cpu"])
        if "cuda" in state and torch.cuda.is_available():
            torch.cuda.set_rng_state_all(state["cuda"])
        if "shuffling" in state and (generator := _shuffling(trainer)) is not None:
            generator.set_state(state["shuffling"])
            # The loop made its iterator before this hook; what that draws at each epoch's start is drawn here instead.
            iter(cast("DataLoader[Any]", trainer.train_dataloader))


def _shuffling(trainer: Trainer) -> torch.Generator | None:
    """Generator that shuffles the training examples; None if several devices share them."""
    loader = trainer.train_dataloader
    return loader.generator if isinstance(loader, DataLoader) else None
