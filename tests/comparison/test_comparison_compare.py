"""Recipes against each other: the same split, several seeds, means and deviations; nothing is trained twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import yaml
from dvc.repo import Repo
from typer.testing import CliRunner

from mtf import schemas
from mtf.cli import app
from mtf.comparison import recipes, run_figures, trials
from mtf.config import Params
from mtf.core.errors import BadInput
from mtf.core.project_paths import ProjectPaths
from mtf.training import devices, trainer
from training_project import write_project

QUICK = {"optimizer": "adamw", "learning_rate": 0.01, "max_epochs": 2, "patience": 2, "batch": 16}
SLOW = QUICK | {"learning_rate": 1e-6, "max_epochs": 1}
BOTH = {"quick": QUICK, "slow": SLOW}


@pytest.fixture
def in_project(tmp_path: Path, sample_params: Params, monkeypatch: pytest.MonkeyPatch) -> tuple[ProjectPaths, Params]:
    workspace, params = write_project(tmp_path, sample_params, recipe="quick", recipes=BOTH, tasks=["gender"])
    workspace.params.write_text(yaml.safe_dump(params.model_dump(mode="json")))
    monkeypatch.chdir(tmp_path)
    return workspace, params


def compared(workspace: ProjectPaths, params: Params, **changes: Any) -> dict[str, Any]:
    asked = {"model": "small_cnn", "tasks": ["gender"], "recipes": ["quick", "slow"], "seeds": 2} | changes
    return recipes.run(workspace, params, **asked)


def kept(workspace: ProjectPaths) -> dict[str, Any]:
    return json.loads(workspace.metrics("compare/recipes").read_text())["runs"]


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """(recipe, seed) of every training that is done."""
    done: list[tuple[str, int]] = []
    run = trials.ComparisonRun.run

    def watched(self: trials.ComparisonRun, comparison_data: trials.ComparisonData, **keep: Any) -> dict[str, Any]:
        done.append((self.recipe_name, self.seed))
        return run(self, comparison_data, **keep)

    monkeypatch.setattr(trials.ComparisonRun, "run", watched)
    return done


@pytest.mark.train
def test_means_and_deviations_are_those_of_the_single_runs(in_project: tuple[ProjectPaths, Params]) -> None:
    found = compared(*in_project, seeds=3)
    single = kept(in_project[0])
    assert list(single) == [f"small_cnn/gender/{recipe}/{seed}" for recipe in BOTH for seed in (42, 43, 44)]
    for recipe in BOTH:
        for figure in ("accuracy", "precision", "recall", "f1"):
            values = [single[f"small_cnn/gender/{recipe}/{seed}"]["tests"]["test"][figure] for seed in (42, 43, 44)]
            said = found["tasks"]["gender"][recipe][figure]
            assert said["mean"] == pytest.approx(np.mean(values), abs=1e-4)
            assert said["std"] == pytest.approx(pl.Series(values).std(), abs=1e-4)
    assert found["tasks"]["gender"]["slow"]["epochs"] == {"mean": 1, "std": 0}
    assert found["images"] == {"train": 48, "val": 12, "test": 18}
    assert json.loads(in_project[0].metrics("compare/recipes").read_text()) == {**found, "runs": single}


@pytest.mark.train
def test_dvc_shows_what_a_comparison_came_to(in_project: tuple[ProjectPaths, Params]) -> None:
    found = compared(*in_project, recipes=["quick"], seeds=1)
    with Repo.init(str(in_project[0].root), no_scm=True) as repository:
        shown = repository.metrics.show()[""]["data"]["metrics/compare/headline/recipes.json"]["data"]
    means = [arms["quick"]["accuracy"]["mean"] for arms in found["tasks"].values()]
    assert shown == {"recipe_quick": pytest.approx(np.mean(means), abs=1e-4)}


@pytest.mark.train
def test_a_run_is_measured_on_the_test_split_as_the_stages_measure_it(in_project: tuple[ProjectPaths, Params]) -> None:
    """One seed of the project's own recipe is what `mtf train` and `mtf evaluate` do."""
    from mtf.pipeline import evaluate, train

    workspace, params = in_project
    found = compared(workspace, params, recipes=["quick"], seeds=1, tasks=["recognition", "gender"])
    train.run(workspace, params, model="small_cnn", task="gender")
    evaluate.run(workspace, params)
    expected = json.loads(workspace.metrics("evaluate").read_text())["gender"]["small_cnn"]
    said = found["tasks"]["gender"]["quick"]
    assert {name: said[name]["mean"] for name in expected} == expected
    assert said["accuracy"]["std"] is None


@pytest.mark.train
def test_what_is_finished_is_not_trained_again(
    in_project: tuple[ProjectPaths, Params], trained: list[tuple[str, int]]
) -> None:
    first = compared(*in_project)
    assert trained == [("quick", 42), ("quick", 43), ("slow", 42), ("slow", 43)]
    assert compared(*in_project) == first
    assert len(trained) == 4
    compared(*in_project, seeds=3)
    assert trained[4:] == [("quick", 44), ("slow", 44)]
    # Another selection takes nothing away.
    compared(*in_project, recipes=["slow"], seeds=1)
    assert len(kept(in_project[0])) == 6


@pytest.mark.train
def test_a_comparison_that_was_stopped_goes_on_where_it_was(
    in_project: tuple[ProjectPaths, Params], trained: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = trials.ComparisonRun.run

    def stopped(self: trials.ComparisonRun, comparison_data: trials.ComparisonData, **keep: Any) -> dict[str, Any]:
        if self.seed == 43:
            raise KeyboardInterrupt
        return watched(self, comparison_data, **keep)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(trials.ComparisonRun, "run", stopped)
        compared(*in_project)
    assert list(json.loads(in_project[0].metrics("compare/recipes").read_text())) == ["runs"]
    assert list(kept(in_project[0])) == ["small_cnn/gender/quick/42"]
    compared(*in_project)
    assert trained == [("quick", 42), ("quick", 43), ("slow", 42), ("slow", 43)]


@pytest.mark.train
def test_the_last_summary_stays_until_the_next_one_is_whole(
    in_project: tuple[ProjectPaths, Params], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = compared(*in_project, recipes=["slow"], seeds=1)
    watched = trials.ComparisonRun.run

    def stopped(self: trials.ComparisonRun, comparison_data: trials.ComparisonData, **keep: Any) -> dict[str, Any]:
        if self.seed == 44:
            raise KeyboardInterrupt
        return watched(self, comparison_data, **keep)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(trials.ComparisonRun, "run", stopped)
        compared(*in_project, recipes=["slow"], seeds=3)
    path = in_project[0].metrics("compare/recipes")
    assert json.loads(path.read_text()) == {**first, "runs": kept(in_project[0])}
    assert len(kept(in_project[0])) == 2
    second = compared(*in_project, recipes=["slow"], seeds=3)
    assert json.loads(path.read_text()) == {**second, "runs": kept(in_project[0])}


@pytest.mark.train
def test_a_changed_recipe_or_label_is_trained_again(
    in_project: tuple[ProjectPaths, Params], trained: list[tuple[str, int]]
) -> None:
    workspace, params = in_project
    compared(workspace, params, seeds=1)
    changed = params.train.recipes | {"slow": params.train.recipes["slow"].model_copy(update={"momentum": 0.5})}
    params = params.model_copy(update={"train": params.train.model_copy(update={"recipes": changed})})
    compared(workspace, params, seeds=1)
    assert trained[2:] == [("slow", 42)]

    path = workspace.table("split", "splits")
    faces = pl.read_parquet(path)
    other = pl.when(identity="ada").then(pl.lit("Males")).otherwise("gender").alias("gender")
    schemas.write(schemas.splits(params), faces.with_columns(other), path)
    compared(workspace, params, seeds=1)
    assert trained[3:] == [("quick", 42), ("slow", 42)]


@pytest.mark.train
def test_the_command_prints_a_table(in_project: tuple[ProjectPaths, Params]) -> None:
    arguments = ["compare", "recipes", "--recipes", "quick,slow", "--seeds", "2", "--markdown"]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    said = json.loads(in_project[0].metrics("compare/recipes").read_text())["tasks"]["gender"]["slow"]
    accuracy, f1 = (f"{100 * said[name]['mean']:.2f} ± {100 * said[name]['std']:.2f}%" for name in ("accuracy", "f1"))
    lines = result.stdout.splitlines()
    assert lines[:3] == [
        "**small_cnn, 2 seeds each**",
        "",
        "| Task | Recipe | Accuracy | Macro F1 | Epochs | Minutes |",
    ]
    assert lines[5].startswith(f"| gender | slow | {accuracy} | {f1} | 1.0 ± 0.0 | ")
    assert len(lines) == 6
    assert "compare small_cnn/gender/slow/43: training" in result.stderr


@pytest.mark.train
def test_a_comparison_trains_on_as_many_devices_as_are_asked_for(
    in_project: tuple[ProjectPaths, Params], trained: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, params = in_project
    used: list[int] = []
    fit = trainer.fit_classifier

    def watched(*arguments: Any, devices: devices.Devices, **options: Any) -> trainer.FitResult:
        used.append(devices.count)
        return fit(*arguments, **options)

    monkeypatch.setattr(trainer, "fit_classifier", watched)
    for count in (1, 2):
        asked = params.model_copy(update={"compute": params.compute.model_copy(update={"devices": count})})
        compared(workspace, asked, recipes=["slow"], seeds=1)
    assert used == [1, 2]
    # Their weights are not bit for bit the same, and neither are the figures.
    assert len(trained) == 2


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"model": "resnet51"}, "--model: 'resnet51' is not permitted; permitted: small_cnn, "),
        ({"tasks": ["hair"]}, "--task: 'hair' is not permitted; permitted: of params.yaml: recognition, race, "),
        ({"recipes": ["quick", "fast"]}, "--recipes: 'fast' is not permitted; permitted: of params.yaml: small, "),
    ],
)
def test_an_unknown_name_is_answered_with_the_known_ones(
    in_project: tuple[ProjectPaths, Params], asked: dict[str, Any], says: str
) -> None:
    with pytest.raises(BadInput, match=says):
        compared(*in_project, **asked)


@pytest.mark.parametrize("text", ["{", "[]", '{"runs": {"a": {}}}', '{"runs": [1]}'])
def test_a_file_that_is_no_comparison_is_not_written_over(tmp_path: Path, text: str) -> None:
    path = tmp_path / "recipes.json"
    path.write_text(text)
    with pytest.raises(BadInput, match=r"recipes\.json: not a comparison .*; remove the file"):
        run_figures.RunStore(path)
    assert path.read_text() == text
