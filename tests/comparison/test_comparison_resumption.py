"""A comparison that is killed: its finished runs are kept, and the one that was training continues."""

from __future__ import annotations

import json
import os
import shutil
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from lightning.pytorch import LightningModule, Trainer
from typer.testing import CliRunner

from mtf.cli import app
from mtf.config import Params
from mtf.core.project_paths import ProjectPaths
from mtf.training import trainer
from torch_forks import Forked
from training_project import write_curation, write_project

# Augmentation, shuffling, momentum and averaged weights: what a training draws or remembers.
RECIPE = {
    **{"optimizer": "sgd", "momentum": 0.9, "learning_rate": 0.01, "schedule": "cosine", "warmup_epochs": 1},
    **{"batch": 16, "max_epochs": 4, "patience": 4, "augment": ["flip", "shift"], "ema_decay": 0.9},
}


@dataclass(frozen=True)
class Case:
    """Comparison, and which of its trainings is killed, counted from 1."""

    command: str
    killed_training: int
    trainings: int


CASES = {
    "recipes": Case("recipes --model small_cnn --recipes short --seeds 1 --task gender", 1, 1),
    "curation": Case("curation --model small_cnn --recipe short --seeds 1 --task gender", 3, 3),
    "svm": Case("svm --model small_cnn --task gender", 1, 1),
    "weights": Case("weights --parts 3", 2, 2),
    "groups": Case("groups --model small_cnn --seeds 1 --task gender", 1, 1),
    "mitigation": Case(
        "mitigation --model small_cnn --seeds 1 --task gender --by race --method none --method group_dro", 2, 2
    ),
}


def figures(root: Path, name: str) -> dict[str, Any]:
    """Figures of a comparison without the minutes, which differ from run to run."""
    found = json.loads((root / f"metrics/compare/{name}.json").read_text())
    for run in found["runs"].values():
        run.pop("minutes", None)
    for by_recipe in found["tasks"].values() if name == "recipes" else ():
        for means in by_recipe.values():
            means.pop("minutes")
    for by_arm in found["tasks"].values() if name == "curation" else ():
        for part in by_arm.values():
            for means in (part["own"], part["common"]):
                means.pop("minutes")
    return found


def compare(command: str, root: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(root)
    result = CliRunner().invoke(app, ["compare", *command.split()], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def mtf_until_killed(training: int, command: list[str]) -> None:
    """Run `mtf …`, and kill this process at the end of epoch 3 of the given training, before its state is written."""
    own = trainer.EpochLog.on_train_epoch_end
    seen = set()

    def ended(log: trainer.EpochLog, lightning: Trainer, module: LightningModule) -> None:
        seen.add(log)
        own(log, lightning, module)
        if len(seen) == training and lightning.current_epoch == 2:
            os.kill(os.getpid(), signal.SIGKILL)

    trainer.EpochLog.on_train_epoch_end = ended
    app(command)


@pytest.mark.train
@pytest.mark.parametrize("name", list(CASES))
def test_a_killed_comparison_ends_with_the_figures_of_an_undisturbed_one(
    tmp_path: Path, sample_params: Params, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    case = CASES[name]
    workspace, params = write_project(
        tmp_path / "killed",
        sample_params,
        **{"tasks": ["gender", "age"], "recipe": "short", "recipes": {"short": RECIPE}},
        multitask={"tasks": ["gender", "age"], "recipe": "short", "backbone": "small_cnn", "branches": "linear"},
    )
    if name == "curation":
        write_curation(workspace, params)
    workspace.params.write_text(yaml.safe_dump(params.model_dump(mode="json")))
    undisturbed = ProjectPaths(tmp_path / "undisturbed")
    shutil.copytree(workspace.root, undisturbed.root)
    compare(case.command, undisturbed.root, monkeypatch)

    process = Forked(mtf_until_killed, case.killed_training, ["compare", *case.command.split()], cwd=workspace.root)
    _, errors = process.communicate()
    assert process.returncode == -signal.SIGKILL, errors
    states = workspace.root / f"metrics/compare/{name}.unfinished"
    assert [path.name for path in states.rglob("last.ckpt")] == ["last.ckpt"]
    assert (states / ".gitignore").read_text() == "*\n"

    said = compare(case.command, workspace.root, monkeypatch)
    assert said.count("training: continues after epoch 2") == 1
    assert said.count(": training\n") == 1
    assert figures(workspace.root, name) == figures(undisturbed.root, name)
    assert not states.exists()
    assert networks(workspace.root) == networks(undisturbed.root)


def networks(root: Path) -> dict[str, bytes]:
    """Files of the networks that a comparison keeps."""
    return {str(path.relative_to(root)): path.read_bytes() for path in (root / "build/compare").rglob("*.pt")}
