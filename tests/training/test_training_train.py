"""Training: it learns, it repeats itself, it keeps its best epoch, and it says what is wrong with its input."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from sklearn.metrics import accuracy_score, f1_score, recall_score

from mtf import schemas
from mtf.config import Params, Recipe
from mtf.core.errors import BadInput, GateFailed
from mtf.core.project_paths import ProjectPaths
from mtf.pipeline import evaluate, train
from mtf.training import augmentation, checkpoint, data
from mtf.training import trainer as loop
from mtf.training.networks import registry
from training_project import write_project

SHORT = {"learning_rate": 0.01, "max_epochs": 6, "patience": 6, "batch": 16, "optimizer": "adamw"}


def with_recipe(root: Path, sample_params: Params, tasks: list[str], **changes: object) -> tuple[ProjectPaths, Params]:
    return write_project(root, sample_params, tasks=tasks, recipe="short", recipes={"short": SHORT | changes})


def train_all(workspace: ProjectPaths, params: Params) -> None:
    for task in params.train.tasks:
        train.run(workspace, params, model="small_cnn", task=task)


def model_file(workspace: ProjectPaths, task: str) -> Path:
    return workspace.stage("models") / "small_cnn" / task / "model.pt"


def figures(path: Path) -> dict:
    return json.loads(path.read_text())


@pytest.mark.train
def test_the_stages_learn_separable_shapes_and_measure_it(tmp_path: Path, sample_params: Params) -> None:
    workspace, params = with_recipe(tmp_path, sample_params, ["race", "gender"], max_epochs=15)
    train_all(workspace, params)
    evaluate.run(workspace, params)

    measured = figures(workspace.metrics("evaluate"))
    assert list(measured) == ["race", "gender"]
    assert list(measured["race"]) == ["untrained", "uniform_guess", "majority", "small_cnn"]
    assert measured["race"]["small_cnn"]["accuracy"] >= 0.9
    assert measured["gender"]["small_cnn"]["f1"] >= 0.9
    assert measured["race"]["uniform_guess"]["accuracy"] == pytest.approx(0.25, abs=0.05)
    assert measured["race"]["untrained"]["recall"] == pytest.approx(0.25, abs=0.15)
    assert measured["race"]["untrained"]["precision"] < 0.2

    table = schemas.read(schemas.PREDICTIONS, workspace.table("evaluate", "predictions"))
    race = table.filter(task="race")
    assert race.height == 18
    assert accuracy_score(race["label"], race["predicted"]) == pytest.approx(
        measured["race"]["small_cnn"]["accuracy"], abs=1e-4
    )
    assert f1_score(race["label"], race["predicted"], average="macro", zero_division=0) == pytest.approx(
        measured["race"]["small_cnn"]["f1"], abs=1e-4
    )
    headline = json.loads(workspace.headline("tasks/race").read_text())
    assert headline["accuracy"] == measured["race"]["small_cnn"]["accuracy"]
    confusion = pl.read_csv(workspace.plots("confusion.csv")).filter(run="small_cnn race")
    assert confusion["actual"].to_list() == race["label"].to_list()

    fairness = figures(workspace.metrics("fairness/models/small_cnn/race"))
    assert list(fairness) == [
        "race", "gender", "age", "race × gender", "race × age", "gender × age", "race × gender × age",
    ]  # fmt: skip
    males = race.join(pl.read_parquet(workspace.table("split", "splits")), on="face_id").filter(gender="Males")
    right = (males["label"] == males["predicted"]).mean()
    assert fairness["gender"]["groups"]["Males"]["accuracy"] == pytest.approx(right, abs=1e-4)
    assert fairness["gender"]["groups"]["Males"]["n"] == 9
    summaries = [fairness[attribute]["summary"] for attribute in ("race", "gender", "age")]
    gaps = [summary["gap"] for summary in summaries if "gap" in summary]
    assert headline.get("gap") == max(gaps, default=None)
    recall = recall_score(race["label"], race["predicted"], labels=["Amber"], average="macro")
    assert fairness["race"]["groups"]["Amber"]["accuracy"] == pytest.approx(recall, abs=1e-4)
    groups = 4 + 2 + 2 + 8 + 8 + 4 + 16
    assert pl.read_csv(workspace.plots("groups.csv")).filter(run="small_cnn race").height == groups
    curves = pl.read_csv(workspace.plots("curves.csv")).filter(run="small_cnn race")
    assert curves.group_by("part").len()["len"].n_unique() == 1

    trained = figures(train.training_figures(workspace, "small_cnn", "race"))
    assert 1 <= trained["best_epoch"] <= trained["epochs"] <= 15
    assert trained["training_images"] == 48


@pytest.mark.train
def test_the_size_of_a_network_is_that_of_table_4_though_its_first_layers_are_frozen(
    tmp_path: Path, sample_params: Params
) -> None:
    workspace, params = with_recipe(tmp_path, sample_params, ["race"], frozen_share=0.5, max_epochs=1)
    train_all(workspace, params)
    measured = figures(train.training_figures(workspace, "small_cnn", "race"))
    assert measured["parameters"] == registry.size("small_cnn", 4)


@pytest.mark.train
def test_curves_have_one_row_per_epoch_and_nothing_else_is_left(tmp_path: Path, sample_params: Params) -> None:
    workspace, params = with_recipe(tmp_path, sample_params, ["age"], max_epochs=3)
    train_all(workspace, params)
    folder = workspace.plots("train") / "small_cnn" / "age"
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    names = ("train_loss", "train_accuracy", "val_loss", "val_accuracy")
    assert files == {f"plots/metrics/{name}.tsv" for name in names}
    curve = pl.read_csv(folder / "plots/metrics/val_loss.tsv", separator="\t")
    assert curve["step"].to_list() == [1, 2, 3]
    assert not list(tmp_path.glob("dvc.yaml"))
    assert not list(tmp_path.rglob("*.ckpt"))


@pytest.mark.train
def test_the_same_seed_gives_the_same_weights_and_another_seed_others(tmp_path: Path, sample_params: Params) -> None:
    files = []
    for run, seed in enumerate((42, 42, 43)):
        workspace, params = with_recipe(tmp_path / str(run), sample_params, ["gender"], max_epochs=2, augment=["flip"])
        train_all(workspace, params.model_copy(update={"seed": seed}))
        files.append(model_file(workspace, "gender"))
    first, again, other = (checkpoint.load(path)[0].state_dict() for path in files)
    assert files[0].read_bytes() == files[1].read_bytes()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


@pytest.mark.train
@pytest.mark.parametrize("ema_decay", [None, 0.5])
def test_the_weights_kept_are_those_of_the_least_validation_loss(tmp_path: Path, ema_decay: float | None) -> None:
    # Half the validation targets are wrong, and the rate is high: the last epoch is not the best one.
    random = np.random.default_rng(0)
    pictures = random.integers(0, 256, (60, 32, 32, 3), dtype=np.uint8)
    pictures[:30, :, :, 0] //= 2
    targets = np.repeat([0, 1], 30)
    rows = random.permutation(60)
    targets[rows[40:50]] = 1 - targets[rows[40:50]]
    training = data.Examples(pictures, rows[:40], targets[rows[:40]])
    validation = data.Examples(pictures, rows[40:], targets[rows[40:]])
    recipe = Recipe(optimizer="sgd", learning_rate=0.5, max_epochs=8, patience=8, batch=16, ema_decay=ema_decay)
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(32 * 32 * 3, 2))
    fitted = loop.fit_classifier(
        network, training, validation, recipe=recipe, batch=16, labels=2, seed=1, curves=tmp_path / "curves"
    )
    losses = pl.read_csv(tmp_path / "curves/plots/metrics/val_loss.tsv", separator="\t")["val_loss"].to_list()
    assert fitted.best_epoch == int(np.argmin(losses)) + 1
    assert fitted.best_epoch < fitted.epochs
    with torch.inference_mode():
        scores = fitted.network(
            augmentation.normalised(augmentation.as_input(torch.from_numpy(pictures[rows[40:]])), "imagenet")
        )
    loss = torch.nn.functional.cross_entropy(scores, torch.from_numpy(targets[rows[40:]]))
    assert float(loss) == pytest.approx(min(losses), rel=1e-4)


@pytest.mark.train
def test_training_runs_in_training_mode_in_every_epoch(tmp_path: Path) -> None:
    """MTF's script evaluates after the first epoch and never returns to training mode."""
    seen: list[tuple[bool, int]] = []

    class Watcher(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.last = torch.nn.Linear(3, 2)

        def forward(self, pictures: torch.Tensor) -> torch.Tensor:
            seen.append((self.training, len(pictures)))
            return self.last(pictures.mean(dim=(2, 3)))

    pictures = np.random.default_rng(0).integers(0, 256, (30, 32, 32, 3), dtype=np.uint8)
    targets = np.arange(30) % 2
    training = data.Examples(pictures, np.arange(20), targets[:20])
    validation = data.Examples(pictures, np.arange(20, 30), targets[20:])
    recipe = Recipe(max_epochs=3, batch=20)
    loop.fit_classifier(
        Watcher(), training, validation, recipe=recipe, batch=20, labels=2, seed=1, curves=tmp_path / "curves"
    )
    assert seen == [(True, 20), (False, 10)] * 3


@pytest.mark.train
def test_a_loss_that_is_no_number_ends_training_in_one_line(tmp_path: Path, sample_params: Params) -> None:
    workspace, params = with_recipe(tmp_path, sample_params, ["race"], optimizer="sgd", learning_rate=1e30)
    with pytest.raises(GateFailed) as failure:
        train_all(workspace, params)
    assert re.fullmatch(
        r"training: \w+_loss is (nan|inf) after epoch 1; the recipe's learning_rate is 1e\+30: lower it",
        str(failure.value),
    )
    assert failure.value.exit_code == 1
    assert not model_file(workspace, "race").exists()
    assert not train.training_figures(workspace, "small_cnn", "race").exists()


@pytest.mark.train
def test_training_stops_when_what_the_recipe_watches_gets_no_better(tmp_path: Path, sample_params: Params) -> None:
    workspace, params = with_recipe(
        tmp_path,
        sample_params,
        ["race"],
        learning_rate=1e-9,
        max_epochs=30,
        patience=2,
        stop_on="val_loss",
        ema_decay=0.5,
    )
    train_all(workspace, params)
    assert figures(train.training_figures(workspace, "small_cnn", "race"))["epochs"] < 30


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({"model": "big_cnn", "task": "race"}, "--model: 'big_cnn' is not permitted; permitted: .*small_cnn"),
        ({"model": "small_cnn", "task": "hair"}, "--task: 'hair' is not permitted; permitted: .*recognition, race"),
    ],
)
def test_an_unknown_name_is_answered_with_the_known_ones(
    project: tuple[ProjectPaths, Params], names: dict[str, str], message: str
) -> None:
    with pytest.raises(BadInput, match=message):
        train.run(*project, **names)


@pytest.mark.train
def test_a_label_without_training_images_is_reported(
    tmp_path: Path, sample_params: Params, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace, params = with_recipe(tmp_path, sample_params, ["race"], max_epochs=1)
    path = workspace.table("split", "splits")
    table = pl.read_parquet(path)
    schemas.write(
        schemas.splits(params), table.filter((pl.col("race") != "Violet") | (pl.col("split") != "train")), path
    )
    train_all(workspace, params)
    assert "no training image of Violet" in capsys.readouterr().out


def test_a_split_without_validation_images_is_an_error(tmp_path: Path, sample_params: Params) -> None:
    workspace, params = with_recipe(tmp_path, sample_params, ["race"], max_epochs=1)
    path = workspace.table("split", "splits")
    schemas.write(schemas.splits(params), pl.read_parquet(path).filter(pl.col("split") != "val"), path)
    with pytest.raises(BadInput, match="split: no val images"):
        train_all(workspace, params)


@pytest.mark.train
def test_a_model_of_other_labels_is_not_measured(tmp_path: Path, sample_params: Params) -> None:
    workspace, params = with_recipe(tmp_path, sample_params, ["recognition"], max_epochs=1)
    train_all(workspace, params)
    path = workspace.table("split", "splits")
    schemas.write(schemas.splits(params), pl.read_parquet(path).filter(pl.col("identity") != "ada"), path)
    with pytest.raises(BadInput, match=r"build/models/small_cnn/recognition/model\.pt: trained for other labels"):
        evaluate.run(workspace, params)


def test_a_missing_or_damaged_model_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"model\.pt: no such model"):
        checkpoint.load(tmp_path / "model.pt")
    (tmp_path / "model.pt").write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(BadInput, match=r"model\.pt: not a model of this version"):
        checkpoint.load(tmp_path / "model.pt")
