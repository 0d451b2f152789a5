"""Trained network from any model file, for one task or several: its labels, and its answers about pictures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from mtf.config import Branches
from mtf.core import torch_files
from mtf.core.errors import BadInput
from mtf.training import checkpoint, multitask
from mtf.training.checkpoint import InputPx, Labels, Normalisation

WANTED = "a network of this version"


class MultiTaskInfo(BaseModel):
    """Information in the model file of a multi-task network.

    - `backbone`, `branches`: how it is built;
    - `weighting`, `recipe`, `seed`: how it was trained;
    - `labels`: task → labels in the order of the outputs;
    - `input_px`, `normalise`: side of the input pictures in pixels, and their normalisation;
    - `weights`, `weights_sha256`: file of initial weights, None if they were random.
    """

    model_config = ConfigDict(frozen=True)

    backbone: str
    weighting: str
    labels: Annotated[dict[str, Labels], Field(min_length=1, max_length=1000)]
    input_px: InputPx
    normalise: Normalisation
    recipe: str
    seed: int
    branches: Branches = "linear"
    weights: str | None = None
    weights_sha256: str | None = None


@dataclass(frozen=True)
class TrainedNetwork:
    """Trained network for one task or several.

    labels: task → labels in the order of the outputs.
    input_px, normalise: side of the input pictures in pixels, and their normalisation.
    network: in evaluation mode; a `multitask.MultiTaskNetwork` if `info` is a `MultiTaskInfo`.
    info: information in its file.
    """

    labels: dict[str, list[str]]
    input_px: int
    normalise: str
    network: Any
    info: MultiTaskInfo | checkpoint.CheckpointInfo

    @property
    def is_multitask(self) -> bool:
        """True if one network answers for several tasks."""
        return isinstance(self.info, MultiTaskInfo)

    def probabilities(self, pictures: np.ndarray, rows: np.ndarray | None = None) -> dict[str, np.ndarray]:
        """Task → probabilities (m, labels), each row summing to 1, of the pictures `rows` (m,), or of all.

        pictures: (n, input_px, input_px, 3) uint8 RGB.
        """
        if self.is_multitask:
            return multitask.probabilities(self.network, pictures, rows=rows, normalise=self.normalise)
        (task, names), *_ = self.labels.items()
        found = checkpoint.probabilities(self.network, pictures, rows=rows, normalise=self.normalise, labels=len(names))
        return {task: found}


def load(path: Path) -> TrainedNetwork:
    """Network of a `model.pt` of `mtf train`, `mtf multitask` or a bundle of models.

    Raises BadInput if the file is missing, or holds no network of this version.
    """
    if not path.is_file():
        raise BadInput(f"{path}: no such model; train it first (`dvc repro`)")
    content: Any = torch_files.read(path, wanted=WANTED)
    try:
        if "backbone" in content["card"]:
            return _multitask(content)
        network, card = checkpoint.load(path)
    except Exception:  # a file from outside may hold anything, and torch's words are for programmers
        raise BadInput(
            f"{path}: not {WANTED}: a torch file of something else, or of another version; "
            "`mtf train` and `mtf multitask` make one"
        ) from None
    return TrainedNetwork({card.task: card.labels}, card.input_px, card.normalise, network, card)


def _multitask(content: Any) -> TrainedNetwork:
    """Network of a multi-task file's content. Raises nearly anything for a foreign one."""
    info = MultiTaskInfo.model_validate(content["card"])
    labels = {task: len(names) for task, names in info.labels.items()}
    whole = multitask.build(info.backbone, labels, seed=0, branches=info.branches)
    whole.load_state_dict(content["weights"])
    return TrainedNetwork(dict(info.labels), info.input_px, info.normalise, whole.eval(), info)
