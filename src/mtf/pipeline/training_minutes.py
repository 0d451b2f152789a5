"""Minutes and GPU utilization of a training: figures of one run on one machine, and no output of a stage.

They differ from run to run. As outputs, they would change dvc.lock and the metrics with each rerun.
"""

from __future__ import annotations

from pathlib import Path

from mtf.core import atomic_files
from mtf.core.project_paths import ProjectPaths


def file(workspace: ProjectPaths, *training: str) -> Path:
    """File of the figures of one training, such as build/minutes/train/small_cnn/race.json.

    training: `"train", MODEL, TASK` or `"multitask", WEIGHTING`.
    """
    *folders, name = training
    return workspace.stage("minutes").joinpath(*folders, f"{name}.json")


def write(workspace: ProjectPaths, *training: str, minutes: float, gpu_utilization: float | None) -> None:
    """Write `train_minutes`, since the training was last begun or continued, and `gpu_utilization`, 0 to 1.

    gpu_utilization: None, and then not written, where the training ran on a CPU.
    """
    figures = {"train_minutes": round(minutes, 1)}
    if gpu_utilization is not None:
        figures["gpu_utilization"] = gpu_utilization
    atomic_files.write_json(file(workspace, *training), figures)
