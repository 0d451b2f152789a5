"""Each trained network has a card, with what was measured of it, and a name by which DVC fetches it."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
import yaml
from dvc.repo import Repo
from torchvision.models import get_model

from mtf.config import Fairness, Params, Recipe
from mtf.core.project_paths import ProjectPaths
from mtf.datasets import labelled
from mtf.evaluation import figure_files, group_tables, metrics, model_card
from mtf.pipeline import evaluate, multitask, multitask_results, train
from mtf.project import verify
from mtf.training import checkpoint, pretrained, weights_in_use
from mtf.training.weight_files import IMAGENET
from training_project import write_project

ROOT = Path(__file__).parents[2]
SHORT = {"learning_rate": 0.01, "max_epochs": 2, "batch": 16, "augment": ["flip"]}


def small_project(root: Path, sample_params: Params, **changes: object) -> tuple[ProjectPaths, Params]:
    asked = {"tasks": ["race"], "recipe": "short", "recipes": {"short": SHORT}} | changes
    return write_project(root, sample_params, multitask={"weightings": ["equal"], "recipe": "short"}, **asked)


def rows(card: str) -> dict[str, list[str]]:
    """First cell → the other cells, of every table row."""
    lines = [line for line in card.splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return {first: others for first, *others in cells}


@pytest.mark.train
def test_the_card_says_what_was_trained_from_what_and_how(tmp_path: Path, sample_params: Params) -> None:
    workspace, params = small_project(tmp_path, sample_params)
    train.run(workspace, params, model="small_cnn", task="race")
    card = (workspace.stage("models") / "small_cnn" / "race" / "card.md").read_text()
    digest = hashlib.sha256(workspace.table("split", "splits").read_bytes()).hexdigest()
    told = rows(card)
    assert card.startswith("# small_cnn: race\n")
    assert "**race** as one of 4 labels: Amber, Blue, Green, Violet." in card
    assert told["`build/split/splits.parquet`"] == [f"SHA-256 `{digest}`"]
    assert told["train"] == ["48 faces of 6 people"]
    assert told["test"] == ["18 faces of 6 people"]
    assert told["CC-BY-4.0"] == ["credit", "48"]
    assert told["decided by test"] == ["78 faces"]
    assert (told["recipe"], told["seed"], told["batch"]) == (["short"], ["42"], ["16"])
    assert told["initial weights"] == ["random, from the seed"]
    assert "Not evaluated yet" in card


def test_the_buckets_of_a_data_set_that_names_nobody_are_not_counted_as_people(
    tmp_path: Path, sample_params: Params
) -> None:
    workspace, _ = small_project(tmp_path, sample_params)
    path = workspace.table("split", "splits")
    splits = pl.read_parquet(path)
    imported = splits.with_columns(identity=labelled.bucket_names("fairface"), decided_by=pl.lit("fairface"))
    pictures = model_card.TrainingData.of(imported, path)
    assert pictures.splits["train"] == (48, None)
    about = model_card.ModelDetails("net", {"race": ["x", "y"]}, 64, "r", {}, 1, 1)
    assert rows(model_card.markdown(about, pictures))["train"] == ["48 faces of an unknown number of people"]
    # The deciding person may be unknown, too.
    assert model_card.TrainingData.of(splits.with_columns(decided_by=pl.lit(None, pl.String)), path).splits["test"] == (
        18,
        6,
    )


@pytest.mark.train
def test_the_card_of_the_evaluation_holds_its_figures_and_the_worst_groups(
    tmp_path: Path, sample_params: Params
) -> None:
    workspace, params = small_project(tmp_path, sample_params)
    train.run(workspace, params, model="small_cnn", task="race")
    evaluate.run(workspace, params)
    card = (workspace.stage("evaluate") / "cards" / "small_cnn" / "race.md").read_text()
    figures = json.loads(workspace.metrics("evaluate").read_text())["race"]
    told = rows(card)
    assert told["data set"] == ["Drawn people 0.1.0"]
    assert told["small_cnn"] == [
        f"{figures['small_cnn'][name]:.4f}" for name in ("accuracy", "precision", "recall", "f1")
    ]
    assert told["uniform_guess"][0] == f"{figures['uniform_guess']['accuracy']:.4f}"
    # Of 18 pictures only single attributes of two labels have groups of 9; all of them are small.
    assert "| race | race × gender × age | – | – | – | – | – | cannot be said | – | – | 6 | 10 |" in card
    assert "Not measured" not in card


@pytest.mark.train
def test_the_evaluation_prints_rates_by_group_and_what_cannot_be_said(
    tmp_path: Path, sample_params: Params, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace, params = small_project(tmp_path, sample_params, tasks=["age"])
    params = params.model_copy(update={"fairness": Fairness(min_n=6, min_people=3, bootstraps=100)})
    train.run(workspace, params, model="small_cnn", task="age")
    capsys.readouterr()
    evaluate.run(workspace, params)
    said = capsys.readouterr().out
    words = " ".join(said.split())
    by_gender = json.loads(workspace.metrics("fairness/models/small_cnn/age").read_text())["gender"]
    males, odds = by_gender["groups"]["Males"], by_gender["summary"]["equalized_odds_difference"]
    line = next(line for line in said.splitlines() if "gender: Males" in line)
    assert f"{100 * males['false_positive_rate']:.1f} %" in line
    assert all(name in words for name in ("FPR", "FNR", "Precision", "Recall", "ROC AUC", "Calibration"))
    assert "MAE, in" in words and "At most one" in words
    # Amber and Blue are two people each, Green and Violet one.
    assert "age, cannot be said: race: Amber (1 more people), race: Blue (1 more people), race: Green (2 more" in words
    assert f"age by gender: Equalised odds difference {100 * odds:.1f} %" in words
    card = (workspace.stage("evaluate") / "cards" / "small_cnn" / "age.md").read_text()
    assert_rates_stand_in(card, "age", by_gender)


def assert_rates_stand_in(card: str, task: str, by_gender: Mapping[str, Any]) -> None:
    """The card has the rates of the task by gender, and the differences, as the report of the figures has them."""
    header, *below = card[card.index(f"| {task}, by group | people | ") :].splitlines()
    wanted = ["people", *(title for name, title in group_tables.RATES.items() if name in by_gender["groups"]["Males"])]
    assert header.strip("| ").split(" | ")[1:] == wanted
    told = next(line for line in below if line.startswith("| gender: Males | 3 | "))
    assert f" | {100 * by_gender['groups']['Males']['recall']:.1f} % (" in told
    odds, parity = (f"{100 * by_gender['summary'][name]:.1f} %" for name in group_tables.DIFFERENCES)
    line = next(line for line in card.splitlines() if line.startswith(f"| {task} | gender | "))
    assert f" | {odds} | {parity} | " in line
    assert f"{task}, cannot be said: race: Amber (1 more people), race: Blue (1 more people)" in card
    assert group_tables.MEANS_OVER_LABELS in card


@pytest.mark.train
def test_a_multi_task_network_has_its_rates_by_group_in_the_terminal_and_in_its_card_at_once(
    tmp_path: Path, sample_params: Params, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace, params = small_project(tmp_path, sample_params)
    params = params.model_copy(update={"fairness": Fairness(min_n=6, min_people=3, bootstraps=100)})
    multitask.run(workspace, params, weighting="equal")
    capsys.readouterr()
    multitask_results.run(workspace, params, weighting="equal")
    said = capsys.readouterr().out
    card = (workspace.stage("multitask") / "equal" / "card.md").read_text()
    figures = json.loads(workspace.metrics("multitask/equal").read_text())
    scores = figure_files.merged_scores({}, {"equal": figures})
    assert card.startswith("# small_cnn for several tasks, weighting equal: race, gender, age\n")
    for task in ("race", "gender", "age"):
        measured = scores[task]["multitask-equal"]
        assert measured["accuracy"] == figures["accuracy"][task]
        assert f"| {task} | {' | '.join(f'{measured[name]:.4f}' for name in metrics.FIGURES)} |\n" in card
        assert f"precision {measured['precision']:.3f}  recall {measured['recall']:.3f}" in said
    assert rows(card)["every task right"] == [f"{figures['accuracy']['all']:.4f}", "–", "–", "–"]
    assert "and **gender** as one of 2 labels: Males, Females;" in card
    reports = json.loads(workspace.metrics("fairness/multitask/equal").read_text())
    for task in ("race", "age"):
        by_gender = reports[task]["gender"]
        assert_rates_stand_in(card, task, by_gender)
        odds = by_gender["summary"]["equalized_odds_difference"]
        assert f"multitask equal, {task}" in said
        assert f"{task} by gender: Equalised odds difference {100 * odds:.1f} %" in said
    assert f"{100 * reports['age']['gender']['groups']['Males']['one_off']:.1f} %" in said
    assert group_tables.MEANS_OVER_LABELS in said


@pytest.mark.train
def test_the_file_that_a_network_began_with_is_told_by_its_digest(tmp_path: Path, sample_params: Params) -> None:
    file = tmp_path / "mobilenet.pth"
    torch.save(get_model("mobilenet_v3_large", weights=None).state_dict(), file)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    model = "mobilenet_v3_large-pretrained"
    workspace, params = small_project(
        tmp_path,
        sample_params,
        models=[model],
        weights={model: "mobilenet.pth"},
        recipes={"short": SHORT | {"max_epochs": 1}},
    )
    train.run(workspace, params, model=model, task="race")
    folder = workspace.stage("models") / model / "race"
    _, card = checkpoint.load(folder / "model.pt")
    assert (card.weights, card.weights_sha256) == ("mobilenet.pth", digest)
    assert rows((folder / "card.md").read_text())["initial weights"] == [f"mobilenet.pth, SHA-256 `{digest}`"]


def test_published_weights_are_told_by_the_cached_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    cached = tmp_path / "hub" / "checkpoints" / "alexnet-owt-7be5be79.pth"
    cached.parent.mkdir(parents=True)
    cached.write_bytes(b"weights")
    expected = pretrained.Origin(cached.name, hashlib.sha256(b"weights").hexdigest())
    assert pretrained.origin("alexnet", None) == expected


def test_what_a_license_asks_for_is_said_and_no_label_breaks_the_table() -> None:
    licenses = {"CC0-1.0": 1, "CC-BY-SA-4.0": 2, "CC-BY-NC-ND-4.0": 3, "LicenseRef-Own": 4}
    pictures = model_card.TrainingData("0" * 64, {"train": (10, 3)}, licenses, {"A | B": 10})
    about = model_card.ModelDetails("net", {"race": ["x", "y"]}, 64, "r", model_card.settings(Recipe()), 1, 1)
    card = model_card.markdown(about, pictures)
    told = rows(card)
    assert told["CC0-1.0"] == ["nothing", "1"]
    assert told["CC-BY-SA-4.0"] == ["credit, the same license", "2"]
    assert told["CC-BY-NC-ND-4.0"] == ["credit, no commercial use, no changes", "3"]
    assert told["LicenseRef-Own"] == ["what its text says", "4"]
    assert "| decided by A \\| B | 10 faces |" in card


def test_a_card_names_every_file_of_weights_that_touched_the_data(sample_params: Params, tmp_path: Path) -> None:
    """Those of the detector, of the embedding, and the file that the training started from."""
    params = sample_params.model_copy(
        update={
            "crop": sample_params.crop.model_copy(update={"detector": "centerface"}),
            "screen": sample_params.screen.model_copy(update={"embedding": "dlib"}),
        }
    )
    digest = IMAGENET["resnet50"].sha256
    weights = weights_in_use.of_network(params, "resnet50-0676ba61.pth", digest, root=tmp_path)
    unknown = weights_in_use.of_network(params, "own.pth", "1" * 64, root=tmp_path)
    about = model_card.ModelDetails("net", {"race": ["x", "y"]}, 64, "r", {}, 1, 1)
    card = model_card.markdown(about, model_card.TrainingData("0" * 64, {}, {}, {}), weights=[*weights, unknown[-1]])
    told = rows(card)
    assert told["centerface"][:4] == ["detector", "MIT", "WIDER FACE", "not asked"]
    assert told["dlib"][:2] == ["embedding", "CC0-1.0"]
    assert told["imagenet-resnet50"] == [
        "initial weights", "BSD-3-Clause", "ImageNet, 1,000 classes", "not asked", f"`{digest}`",
    ]  # fmt: skip
    assert told["own.pth"][:2] == ["initial weights", "LicenseRef-Unstated"]


def test_a_network_of_hundreds_of_labels_names_a_few() -> None:
    pictures = model_card.TrainingData("0" * 64, {}, {}, {})
    people = [f"person-{number}" for number in range(240)]
    about = model_card.ModelDetails("net", {"recognition": people}, 64, "r", {}, 1, 1)
    card = model_card.markdown(about, pictures)
    assert "one of 240 labels: person-0, " in card
    assert "person-11, … and 228 more." in card


@pytest.fixture
def repository(tmp_path: Path) -> Repo:
    """This project's dvc.yaml and params.yaml, as DVC reads them."""
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy(ROOT / name, tmp_path / name)
    return Repo.init(str(tmp_path), no_scm=True)


@pytest.mark.dvc
def test_the_release_and_every_default_network_are_artifacts_that_a_stage_makes(
    repository: Repo, sample_params: Params
) -> None:
    artifacts = repository.artifacts.read()["dvc.yaml"]
    assert list(artifacts) == ["release", *sample_params.train.tasks, "multitask"]
    made = {Path(out.fs_path) for out in repository.index.outs}
    for name, artifact in artifacts.items():
        assert artifact.type == ("dataset" if name == "release" else "model")
        assert "$" not in artifact.path + str(artifact.desc) + str(artifact.meta)
        path = repository.root_dir / Path(artifact.path)
        assert made & {path, path.parent}
        assert any((repository.root_dir / Path(artifact.meta["card"])).is_relative_to(out) for out in made)


@pytest.mark.dvc
def test_an_artifact_follows_the_model_that_params_yaml_names_first(repository: Repo) -> None:
    path = Path(repository.root_dir) / "params.yaml"
    path.write_text(path.read_text().replace("models: [small_cnn]", "models: [alexnet, small_cnn]"))
    assert Repo(repository.root_dir).artifacts.read()["dvc.yaml"]["race"].path == "build/models/alexnet/race/model.pt"


@pytest.mark.dvc
def test_every_plot_template_is_dvcs_own_or_in_the_project(repository: Repo) -> None:
    of_stages = [out.plot for out in repository.index.outs if isinstance(out.plot, dict)]
    top_level = yaml.safe_load((ROOT / "dvc.yaml").read_text())["plots"]
    named_charts = [chart for entry in top_level for chart in entry.values()]
    named = {plot["template"] for plot in (*of_stages, *named_charts) if "template" in plot}
    named.add(verify.TEMPLATE)
    assert named == {path.stem for path in (ROOT / ".dvc" / "plots").glob("*.json")}
