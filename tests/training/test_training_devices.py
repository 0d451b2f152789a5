"""Training on several devices, here two processes on the CPU: the same shape of result, no image lost."""

from __future__ import annotations

import json
import os
import pickle
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from mtf import config as typed
from mtf.config import Params, Recipe
from mtf.core.errors import BadInput, GateFailed, MtfError
from mtf.core.project_paths import ProjectPaths
from mtf.pipeline import multitask, multitask_results, train
from mtf.training import augmentation, classifier, data, devices, loss_weighting
from mtf.training import multitask as multitask_network
from mtf.training import trainer as loop
from mtf.training.networks import registry
from training_project import write_project

pytestmark = pytest.mark.lengthy(40)

SHORT = {"learning_rate": 0.01, "max_epochs": 2, "batch": 16, "optimizer": "adamw"}
TWO = devices.Devices(2)


@pytest.fixture(autouse=True)
def all_forked(forked: None) -> None:
    """Fork the devices' processes, but for tests that ask for `spawned`."""


def examples(images: int, *, seed: int = 0, folder: Path | None = None) -> data.Examples:
    """Dark and light pictures, 32 × 32, in memory or in a mapped file."""
    random = np.random.default_rng(seed)
    targets = np.arange(images) % 2
    pictures = (random.integers(0, 128, (images, 32, 32, 3)) + 127 * targets[:, None, None, None]).astype(np.uint8)
    if folder is not None:
        pictures.tofile(folder / f"{seed}.pixels")
        pictures = np.memmap(folder / f"{seed}.pixels", np.uint8, "r", shape=pictures.shape)
    return data.Examples(pictures, np.arange(images), targets)


def curve(folder: Path, name: str) -> list[float]:
    return pl.read_csv(folder / f"plots/metrics/{name}.tsv", separator="\t")[name].to_list()


def on_two_devices(root: Path, sample_params: Params, **changes: object) -> tuple[ProjectPaths, Params]:
    workspace, params = write_project(
        root,
        sample_params,
        tasks=["race"],
        recipe="short",
        recipes={"short": SHORT | changes},
        multitask={"weightings": ["dwa"], "recipe": "short"},
    )
    raw = params.model_dump(mode="json")
    raw["compute"]["devices"] = 2
    return workspace, typed.parse(raw)


@pytest.mark.train
@pytest.mark.parametrize("ema_decay", [None, 0.5])
def test_two_devices_validate_every_image_once_and_keep_what_was_validated(
    tmp_path: Path, ema_decay: float | None
) -> None:
    # 21 validation images: one device has 11 of them, and with batches of 5 a batch more than the other.
    training, validation = examples(33, folder=tmp_path), examples(21, seed=1, folder=tmp_path)
    recipe = Recipe(**SHORT, ema_decay=ema_decay)
    network = registry.build("small_cnn", 2, seed=1)
    fitted = loop.fit_classifier(
        network, training, validation, recipe=recipe, batch=10, labels=2, seed=1, curves=tmp_path / "c", devices=TWO
    )
    assert fitted.epochs == 2
    with torch.inference_mode():
        ready = augmentation.normalised(
            augmentation.as_input(torch.from_numpy(np.array(validation.pictures))), "imagenet"
        )
        scores = fitted.network(ready)
    loss = torch.nn.functional.cross_entropy(scores, torch.from_numpy(validation.targets))
    assert float(loss) == pytest.approx(fitted.best_val_loss, rel=1e-4)
    assert min(curve(tmp_path / "c", "val_loss")) == pytest.approx(fitted.best_val_loss, abs=1e-6)


@pytest.mark.train
@pytest.mark.usefixtures("spawned")
def test_the_stages_leave_the_same_files_from_two_devices_as_from_one(tmp_path: Path, sample_params: Params) -> None:
    written = []
    for count in (1, 2):
        workspace, params = on_two_devices(tmp_path / str(count), sample_params)
        params = params.model_copy(update={"compute": params.compute.model_copy(update={"devices": count})})
        train.run(workspace, params, model="small_cnn", task="race")
        folders = (workspace.root / name for name in ("build/models", "metrics", "plots"))
        written.append({str(path.relative_to(workspace.root)) for folder in folders for path in folder.rglob("*.*")})
        figures = json.loads(train.training_figures(workspace, "small_cnn", "race").read_text())
        assert figures["training_images"] == 48
        assert figures["epochs"] == 2
        assert "gpu_utilization" not in figures
        assert len(curve(workspace.plots("train") / "small_cnn" / "race", "train_loss")) == 2
    assert written[0] == written[1]


class Telling(loss_weighting.Equal):
    """Writes what it is told of an epoch, each process into a file of its own."""

    def __init__(self, tasks: int, folder: Path) -> None:
        super().__init__(tasks)
        self.folder = folder

    def epoch_ended(self, mean_losses: torch.Tensor) -> None:
        with (self.folder / f"{os.getpid()}.txt").open("a") as told:
            told.write(f"{mean_losses.tolist()}\n")


@pytest.mark.train
def test_all_devices_are_told_the_same_mean_losses_and_weigh_the_tasks_alike(tmp_path: Path) -> None:
    training, validation = (examples(images, seed=images) for images in (30, 8))
    both = [part.for_tasks([part, replace(part, targets=1 - part.targets)]) for part in (training, validation)]
    (tmp_path / "told").mkdir()
    loop.fit_multitask(
        multitask_network.build("small_cnn", {"a": 2, "b": 2}, seed=1),
        Telling(2, tmp_path / "told"),
        *both,
        recipe=Recipe(**SHORT),
        batch=10,
        seed=1,
        curves=tmp_path / "curves",
        devices=TWO,
    )
    told = [path.read_text() for path in (tmp_path / "told").iterdir()]
    assert len(told) == 2
    assert told[0] == told[1]
    assert told[0].count("\n") == 2


@pytest.mark.train
def test_the_multi_task_stage_trains_on_two_devices(tmp_path: Path, sample_params: Params) -> None:
    workspace, params = on_two_devices(tmp_path, sample_params)
    multitask.run(workspace, params, weighting="dwa")
    multitask_results.run(workspace, params, weighting="dwa")
    folder = workspace.plots("multitask") / "dwa" / "curves"
    assert curve(folder, "weight_gender") == [0.333333, 0.333333]
    measured = json.loads(workspace.metrics("multitask/dwa").read_text())
    assert set(measured["accuracy"]) == {"race", "gender", "age", "all"}


@pytest.mark.train
def test_a_loss_that_is_no_number_is_one_line_from_two_devices_too(tmp_path: Path) -> None:
    recipe = Recipe(optimizer="sgd", learning_rate=1e30, max_epochs=3)
    with pytest.raises(GateFailed, match=r"^training: \w+_loss is (nan|inf) after epoch 1; .* is 1e\+30: lower it$"):
        loop.fit_classifier(
            registry.build("small_cnn", 2, seed=1),
            examples(20),
            examples(6, seed=1),
            recipe=recipe,
            batch=10,
            labels=2,
            seed=1,
            curves=tmp_path / "curves",
            devices=TWO,
        )


class Breaking(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.last = torch.nn.Linear(3, 2)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:  # noqa: ARG002
        raise RuntimeError("no room for the pictures")


@pytest.mark.train
def test_what_fails_in_a_devices_process_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(MtfError, match=r"^a device's process failed: RuntimeError: no room for the pictures$"):
        loop.fit_classifier(
            Breaking(),
            examples(20),
            examples(6, seed=1),
            recipe=Recipe(max_epochs=1),
            batch=10,
            labels=2,
            seed=1,
            curves=tmp_path / "curves",
            devices=TWO,
        )


@pytest.mark.parametrize(("images", "batch", "count"), [(48, 16, 1), (33, 10, 2), (48, 16, 2), (50, 7, 3), (5, 8, 4)])
def test_devices_take_as_many_steps_as_the_rate_is_planned_for(images: int, batch: int, count: int) -> None:
    loaders = devices.FaceDataModule(examples(images), examples(8), batch=batch, seed=1, devices=count)
    dealt = [rows for rank in range(count) for rows in rows_of(images, batch, count, rank)]
    assert set().union(*dealt) == set(range(images))
    assert len(dealt) == count * loaders.steps_per_epoch


def rows_of(images: int, batch: int, count: int, rank: int) -> list[list[int]]:
    """The rows of each batch that one of the devices trains on in an epoch."""

    class Ranked(devices.FaceDataModule):
        _rank = rank

    loader = Ranked(examples(images), examples(8), batch=batch, seed=1, devices=count).train_dataloader()
    return list(loader.batch_sampler)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_validation_images_are_dealt_out_without_loss_or_repetition(count: int) -> None:
    whole = examples(11)
    rows = [devices.subset_of_rank(whole, rank, count).rows for rank in range(count)]
    assert sorted(np.concatenate(rows)) == list(range(11))
    assert max(map(len, rows)) - min(map(len, rows)) <= 1


def test_more_devices_than_validation_images_are_refused() -> None:
    with pytest.raises(BadInput, match=r"compute\.devices: 3 devices for 2 validation images; one each is needed"):
        devices.FaceDataModule(examples(20), examples(2), batch=4, seed=1, devices=3)


def test_a_mapped_file_is_opened_again_by_another_process_and_not_sent(tmp_path: Path) -> None:
    mapped = examples(500, folder=tmp_path)
    sent = pickle.dumps(devices.FaceDataModule(mapped, mapped, batch=4, seed=1, devices=2))
    assert len(sent) < mapped.pictures.nbytes / 20
    opened = pickle.loads(sent)  # noqa: S301 (written above)
    first, _ = next(iter(opened.val_dataloader()))
    np.testing.assert_array_equal(first.numpy(), mapped.pictures[[0, 2]])


def test_more_devices_than_the_machine_has_accelerators_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(torch.accelerator, "device_count", lambda: 2)
    assert devices.local_devices(2).count == 2
    with pytest.raises(BadInput, match=r"compute\.devices: 4 is not permitted; permitted: 1 to 2, the accelerators"):
        devices.local_devices(4)


def test_without_accelerators_devices_are_processes_and_nobody_looks_how_busy_they_are() -> None:
    if torch.accelerator.is_available():
        pytest.skip("this machine has an accelerator")
    assert devices.local_devices(3) == devices.Devices(3, None)


META = torch.device("meta")


def test_the_average_of_the_weights_lies_on_the_device_that_trains() -> None:
    """Lightning sets callbacks up before it moves the network there."""
    module = classifier.Classifier(
        registry.build("small_cnn", 2, seed=1), Recipe(), loss=torch.nn.CrossEntropyLoss(), steps_per_epoch=1
    )
    trainer: Any = SimpleNamespace(strategy=SimpleNamespace(root_device=META))
    average = devices.MovingAverage(0.9)
    average.setup(trainer, module, "fit")
    checkpoint: dict[str, Any] = {"state_dict": {}}
    average.on_save_checkpoint(trainer, module, checkpoint)
    assert {value.device for value in checkpoint["state_dict"].values()} == {META}
    # torch asks whether the first step has been made: where the answer lies on the device, it is waited for.
    assert checkpoint["averaging_state"]["n_averaged"].device == torch.device("cpu")


@pytest.mark.parametrize("name", ["equal", "dynamic", "dynamic_hard", "uncertainty", "dwa", "gradnorm"])
def test_a_step_of_joint_training_asks_the_device_for_no_number(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where tensors have no numbers, whoever asks for one is told so."""
    logged: dict[str, torch.Tensor] = {}
    with META:
        network = multitask_network.build("small_cnn", {"a": 2, "b": 2}, seed=1)
        module = multitask_network.MultiTaskModule(
            network,
            loss_weighting.build(name, 2, width=network.width, seed=1),
            Recipe(),
            losses=[torch.nn.CrossEntropyLoss(), torch.nn.CrossEntropyLoss()],
            steps_per_epoch=1,
        )
        monkeypatch.setattr(module, "log_dict", lambda figures, **_: logged.update(figures))
        batch = torch.zeros((4, 32, 32, 3), dtype=torch.uint8), torch.zeros((4, 2), dtype=torch.int64)
        loss = module.training_step(batch, 0)
    assert {loss.device, logged["weight_b"].device} == {META}
