"""Training that is killed: it continues after its last epoch, and ends as if nothing had happened."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mtf.config import Params
from mtf.core.hashing import file_digest
from mtf.core.project_paths import ProjectPaths
from mtf.pipeline import multitask, train
from mtf.training.resumption import UnfinishedTraining
from training_project import write_project

# Dropout, augmentation, shuffling, momentum and averaged weights: all that a training draws or remembers.
RECIPE = {
    **{"optimizer": "sgd", "momentum": 0.9, "learning_rate": 0.01, "schedule": "cosine", "warmup_epochs": 1},
    **{"batch": 16, "max_epochs": 5, "patience": 5, "augment": ["flip", "shift"], "ema_decay": 0.9},
}
# Runs one stage and kills its own process at the end of epoch 3, before the state of that epoch is written.
KILLED = """
import json, os, signal, sys
from pathlib import Path
import torch
from mtf import config
from mtf.core.project_paths import ProjectPaths
from mtf.pipeline import multitask, train
from mtf.training import trainer

torch.set_num_threads(1)
own = trainer.EpochLog.on_train_epoch_end

def ended(log, lightning, module):
    own(log, lightning, module)
    if lightning.current_epoch == 2:
        os.kill(os.getpid(), signal.SIGKILL)

trainer.EpochLog.on_train_epoch_end = ended
workspace, params = ProjectPaths(Path(sys.argv[1])), config.parse(json.loads(Path(sys.argv[2]).read_text()))
"""
STAGES: dict[str, tuple[str, Callable[[ProjectPaths, Params], None]]] = {
    "train/small_cnn/race": (
        "train.run(workspace, params, model='small_cnn', task='race')",
        lambda workspace, params: train.run(workspace, params, model="small_cnn", task="race"),
    ),
    "multitask/gradnorm": (
        "multitask.run(workspace, params, weighting='gradnorm')",
        lambda workspace, params: multitask.run(workspace, params, weighting="gradnorm"),
    ),
}


def project(root: Path, sample_params: Params) -> tuple[ProjectPaths, Params]:
    shared = {"weightings": ["gradnorm"], "recipe": "short"}
    return write_project(
        root, sample_params, multitask=shared, tasks=["race"], recipe="short", recipes={"short": RECIPE}
    )


def kill(workspace: ProjectPaths, params: Params, run: str, scratch: Path) -> None:
    """Run a stage in another process, which is killed in its third epoch."""
    written = scratch / "params.json"
    written.write_text(json.dumps(params.model_dump(mode="json")))
    command = [sys.executable, "-c", KILLED + run, str(workspace.root), str(written)]
    assert subprocess.run(command, check=False, cwd=scratch).returncode == -signal.SIGKILL


def outputs(workspace: ProjectPaths) -> dict[str, str]:
    """Digests of all that the stages write and dvc.lock records: weights, cards, figures, predictions, curves."""
    folders = [*(workspace.stage(name) for name in ("models", "train", "multitask")), workspace.plots("")]
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    assert files
    return {str(path.relative_to(workspace.root)): file_digest(path) for path in files}


@pytest.mark.train
@pytest.mark.parametrize("stage", list(STAGES))
def test_a_killed_training_ends_with_the_weights_of_an_undisturbed_one(
    tmp_path: Path, sample_params: Params, capsys: pytest.CaptureFixture[str], stage: str
) -> None:
    code, run = STAGES[stage]
    undisturbed, params = project(tmp_path / "undisturbed", sample_params)
    run(undisturbed, params)
    killed, _ = project(tmp_path / "killed", sample_params)
    kill(killed, params, code, tmp_path)
    assert (killed.stage("checkpoints") / stage / "last.ckpt").is_file()
    assert not list(killed.root.rglob("model.pt"))
    capsys.readouterr()

    run(killed, params)
    assert "continues after epoch 2" in capsys.readouterr().out
    assert outputs(killed) == outputs(undisturbed)
    assert not (killed.stage("checkpoints") / stage).exists()


@pytest.mark.train
def test_a_training_killed_after_its_last_epoch_is_not_continued_beyond_it(
    tmp_path: Path, sample_params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    # At this rate no epoch improves on the first, so that the training ends early, after the second.
    still = RECIPE | {"learning_rate": 1e-12, "patience": 1, "ema_decay": None}
    workspace, params = write_project(tmp_path, sample_params, tasks=["race"], recipe="still", recipes={"still": still})
    with monkeypatch.context() as patch:
        patch.setattr(UnfinishedTraining, "remove", lambda _: None)
        (workspace.stage("checkpoints") / "train" / "small_cnn" / "race").mkdir(parents=True)
        STAGES["train/small_cnn/race"][1](workspace, params)
    before = outputs(workspace)
    next(workspace.root.rglob("model.pt")).unlink()
    STAGES["train/small_cnn/race"][1](workspace, params)
    assert json.loads(train.training_figures(workspace, "small_cnn", "race").read_text())["epochs"] == 2
    assert outputs(workspace) == before


def test_the_state_of_another_training_or_a_damaged_one_is_not_continued(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "unfinished"
    assert UnfinishedTraining(folder, "a").checkpoint() is None
    (folder / "last.ckpt").write_bytes(b"half a file")
    assert UnfinishedTraining(folder, "b").checkpoint() is None
    assert not (folder / "last.ckpt").exists()
    (folder / "last.ckpt").write_bytes(b"half a file")
    assert UnfinishedTraining(folder, "b").checkpoint() is None
    assert "training: starts anew: " in capsys.readouterr().out
