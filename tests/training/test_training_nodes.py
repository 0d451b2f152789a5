"""Training on two nodes: torchrun starts one process on each, here both on one machine."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import torch
import yaml

from mtf.config import Params
from mtf.core.project_paths import ProjectPaths
from mtf.pipeline import train
from projects import run_in
from training_project import write_project

# Here the processes of two devices are forked; torchrun starts those of two nodes as outside of the tests.
pytestmark = [pytest.mark.lengthy(65), pytest.mark.usefixtures("forked")]

SHORT = {"learning_rate": 0.01, "max_epochs": 2, "batch": 16, "optimizer": "adamw"}
PICTURES = 48
LIMIT_S = 300
MODEL, TASK, WEIGHTING = "small_cnn", "race", "gradnorm"
TRAIN = ("train", "--model", MODEL, "--task", TASK)


def project(root: Path, sample_params: Params, weightings: tuple[str, ...] = (), **changes: object) -> ProjectPaths:
    recipes = {"short": SHORT | changes}
    multitask = {"recipe": "short", "backbone": MODEL, "weightings": list(weightings)} if weightings else {}
    workspace, params = write_project(
        root, sample_params, tasks=[TASK], recipe="short", recipes=recipes, multitask=multitask
    )
    workspace.params.write_text(yaml.safe_dump(params.model_dump(mode="json"), sort_keys=False))
    return workspace


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def started(*nodes: ProjectPaths, command: tuple[str, ...] = TRAIN) -> list[subprocess.Popen[str]]:
    """torchrun on each of the nodes, as docs/scale.md says."""
    port = free_port()
    return [
        subprocess.Popen(
            [
                *(sys.executable, "-m", "torch.distributed.run", f"--nnodes={len(nodes)}"),
                *("--nproc-per-node=1", f"--node-rank={number}"),
                *("--master-addr=127.0.0.1", f"--master-port={port}"),
                *("-m", "mtf", *command),
            ],
            cwd=workspace.root,
            env=os.environ | {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number, workspace in enumerate(nodes)
    ]


def train_here(workspace: ProjectPaths, *, devices: int, command: tuple[str, ...] = TRAIN) -> None:
    """The same command on the devices of one machine; several devices are processes that this one spawns."""
    params = yaml.safe_load(workspace.params.read_text())
    params["compute"]["devices"] = devices
    workspace.params.write_text(yaml.safe_dump(params, sort_keys=False))
    run_in(workspace.root, "mtf", *command)


def ended(processes: list[subprocess.Popen[str]]) -> list[tuple[str, str]]:
    """Output and errors of each process. If one of them takes too long, all are killed."""
    try:
        return [process.communicate(timeout=LIMIT_S) for process in processes]
    except subprocess.TimeoutExpired:
        for process in processes:
            killed(process)
        raise


def killed(process: subprocess.Popen[str]) -> None:
    """Kill a process and its children; those of torchrun have sessions of their own."""
    if process.poll() is None:
        for each in [*psutil.Process(process.pid).children(recursive=True), process]:
            each.kill()


def weights_of(workspace: ProjectPaths) -> dict[str, torch.Tensor]:
    path = workspace.stage("models") / MODEL / TASK / "model.pt"
    return torch.load(path, weights_only=True)["weights"]


def figures_of(workspace: ProjectPaths) -> dict[str, float]:
    return json.loads(train.training_figures(workspace, MODEL, TASK).read_text())


@pytest.mark.train
def test_two_nodes_give_the_weights_of_two_devices_and_nearly_the_loss_of_one(
    tmp_path: Path, sample_params: Params
) -> None:
    """The two nodes share no folder; the two devices of one node do."""
    first, second, two, one = (
        project(tmp_path / name, sample_params, learning_rate=1e-3) for name in ("first", "second", "two", "one")
    )
    processes = started(first, second)
    train_here(two, devices=2)
    train_here(one, devices=1)
    printed = ended(processes)
    assert [process.returncode for process in processes] == [0, 0], printed
    assert f"train {MODEL} {TASK}: {PICTURES} images, 4 labels, 2 epochs, best after " in printed[0][0]
    assert f"train {MODEL} {TASK}: trained; the results are on node 0\n" in printed[1][0]
    assert figures_of(first) == figures_of(two)
    torch.testing.assert_close(weights_of(first), weights_of(two), rtol=0, atol=0)
    # Batch normalisation sees the whole batch on a single device, and half of it on each of two.
    assert figures_of(first)["best_val_loss"] == pytest.approx(figures_of(one)["best_val_loss"], rel=0.1)
    assert not (second.stage("models").exists() or second.plots("train").exists() or second.stage("train").exists())


@pytest.mark.train
def test_two_nodes_give_the_multi_task_network_of_two_devices(tmp_path: Path, sample_params: Params) -> None:
    """GradNorm's weights follow from the gradients of all nodes together. Node 0 alone measures the network."""
    first, second, two = (project(tmp_path / name, sample_params, (WEIGHTING,)) for name in ("first", "second", "two"))
    command = ("multitask", "--weighting", WEIGHTING)
    processes = started(first, second, command=command)
    train_here(two, devices=2, command=command)
    printed = ended(processes)
    assert [process.returncode for process in processes] == [0, 0], printed
    assert f"multitask {WEIGHTING}: {PICTURES} images, 3 tasks, 2 epochs, best after " in printed[0][0]
    assert printed[1][0] == f"multitask {WEIGHTING}: trained; the results are on node 0\n"
    assert files_of(first) == files_of(two)
    assert first.metrics(f"multitask/{WEIGHTING}").is_file()
    files = [workspace.stage("multitask") / WEIGHTING / "model.pt" for workspace in (first, two)]
    one, other = (torch.load(path, weights_only=True)["weights"] for path in files)
    torch.testing.assert_close(one, other, rtol=0, atol=0)
    assert not (second.stage("multitask").exists() or second.plots("multitask").exists())


def files_of(workspace: ProjectPaths) -> dict[str, str]:
    """Path → text of the figures and curves in a project."""
    folders = (workspace.root / "metrics", workspace.plots("multitask"))
    paths = [path for folder in folders for path in folder.rglob("*") if path.suffix in {".json", ".csv", ".tsv"}]
    return {str(path.relative_to(workspace.root)): path.read_text() for path in paths}


@pytest.mark.train
def test_a_node_that_dies_ends_the_other_with_one_line(tmp_path: Path, sample_params: Params) -> None:
    # One folder for both nodes, as on a shared file system.
    shared = project(tmp_path, sample_params, max_epochs=9999, learning_rate=1e-5, patience=9999)
    both = started(shared, shared)
    state = shared.stage("checkpoints") / "train" / MODEL / TASK / "last.ckpt"
    end = time.monotonic() + LIMIT_S
    while not state.is_file() and time.monotonic() < end:
        time.sleep(0.05)
    killed(both[1])
    _, errors = both[0].communicate(timeout=LIMIT_S)
    both[1].communicate(timeout=LIMIT_S)
    assert both[0].returncode == 1
    # What follows is torchrun's own report.
    lines = [line for line in errors.splitlines() if line.startswith(("mtf:", "Traceback"))]
    assert lines[0].startswith("mtf: training: node 0 of 2 lost another one"), errors
    assert sum(line.startswith("mtf:") for line in lines) == 1
