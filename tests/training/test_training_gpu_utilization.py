"""GPU utilization during training, sampled from a stand-in for the driver."""

from __future__ import annotations

import itertools
import json
import statistics
from pathlib import Path

import numpy as np
import pytest

from mtf.config import Params, Recipe
from mtf.pipeline import multitask, multitask_results, train, training_minutes
from mtf.training import data, devices
from mtf.training import trainer as loop
from mtf.training.devices import Devices
from mtf.training.networks import registry
from training_project import write_project

SHORT = {"max_epochs": 2, "batch": 16}


class Driver:
    """Answers 20 % and 90 % in turns, and remembers what it answered."""

    def __init__(self) -> None:
        self.answered: list[float] = []
        self._answers = itertools.cycle([0.2, 0.9])

    def __call__(self) -> float:
        self.answered.append(next(self._answers))
        return self.answered[-1]


def fitted(curves: Path, look: devices.UtilizationReader | None) -> loop.FitResult:
    random = np.random.default_rng(1)
    pictures = random.integers(0, 256, (20, 32, 32, 3), dtype=np.uint8)
    targets = np.arange(20) % 2
    training = data.Examples(pictures, np.arange(14), targets[:14])
    validation = data.Examples(pictures, np.arange(14, 20), targets[14:])
    network = registry.build("small_cnn", 2, seed=1)
    return loop.fit_classifier(
        network, training, validation, recipe=Recipe(**SHORT), batch=8, labels=2, seed=1, curves=curves,
        devices=Devices(1, look),
    )  # fmt: skip


@pytest.mark.train
def test_the_share_is_the_mean_of_what_was_seen_during_training(tmp_path: Path) -> None:
    driver = Driver()
    share = fitted(tmp_path / "curves", driver).gpu_utilization
    assert len(driver.answered) >= 1
    assert share == pytest.approx(statistics.mean(driver.answered), abs=5e-4)


@pytest.mark.train
def test_without_an_accelerator_there_is_no_share(tmp_path: Path) -> None:
    assert fitted(tmp_path / "curves", None).gpu_utilization is None


@pytest.mark.train
def test_a_driver_that_does_not_answer_stops_no_training(tmp_path: Path) -> None:
    def silent() -> float:
        raise ModuleNotFoundError("pynvml does not seem to be installed")

    done = fitted(tmp_path / "curves", silent)
    assert done.gpu_utilization is None
    assert done.epochs == 2


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Driver:
    """The driver of each training that starts in this process."""
    found = Driver()
    monkeypatch.setattr(devices, "utilization_reader", lambda _devices: found)
    return found


@pytest.mark.train
def test_the_share_stands_beside_the_minutes_and_not_among_the_outputs_of_the_stage(
    tmp_path: Path, sample_params: Params, driver: Driver
) -> None:
    workspace, params = write_project(tmp_path, sample_params, tasks=["race"], recipe="short", recipes={"short": SHORT})
    train.run(workspace, params, model="small_cnn", task="race")
    of_the_run = json.loads(training_minutes.file(workspace, "train", "small_cnn", "race").read_text())
    assert of_the_run["gpu_utilization"] == pytest.approx(statistics.mean(driver.answered), abs=5e-4)
    assert set(of_the_run) == {"train_minutes", "gpu_utilization"}
    assert "gpu_utilization" not in json.loads(train.training_figures(workspace, "small_cnn", "race").read_text())


@pytest.mark.train
def test_no_recorded_file_of_the_multi_task_network_has_the_share(
    tmp_path: Path, sample_params: Params, driver: Driver
) -> None:
    workspace, params = write_project(
        tmp_path, sample_params, recipes={"short": SHORT}, multitask={"recipe": "short", "weightings": ["equal"]}
    )
    multitask.run(workspace, params, weighting="equal")
    of_the_run = json.loads(training_minutes.file(workspace, "multitask", "equal").read_text())
    assert of_the_run["gpu_utilization"] == pytest.approx(statistics.mean(driver.answered), abs=5e-4)
    outputs = workspace.stage("multitask") / "equal" / multitask.TRAINING
    assert set(json.loads(outputs.read_text())) == {"about"}

    # Versions before 1.0 wrote the share there.
    outputs.write_text(json.dumps(json.loads(outputs.read_text()) | {"gpu_utilization": 0.5}))
    multitask_results.run(workspace, params, weighting="equal")
    measured = json.loads(workspace.metrics("multitask/equal").read_text())
    assert set(measured) == {"best_epoch", "accuracy", "scores", "over_all", "by_group"}
