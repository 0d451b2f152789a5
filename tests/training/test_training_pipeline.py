"""What dvc.yaml's stages of this room are trained again for, and what not, as DVC itself reads it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from dvc.dependency import Dependency, ParamsDependency
from dvc.repo import Repo

ROOT = Path(__file__).parents[2]


Read = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, dvc: str) -> Path:
    path = tmp_path_factory.mktemp("pipeline")
    shutil.copy(ROOT / "dvc.yaml", path)
    Repo.init(str(path), no_scm=True).close()
    return path


def read_by_stages(folder: Path, raw: dict[str, Any]) -> Read:
    """Stage → the parameters of `raw` that it depends on."""
    (folder / "params.yaml").write_text(yaml.safe_dump(raw, sort_keys=False))
    with Repo(str(folder)) as repository:
        return {
            str(stage.name): dependency.read_params()
            for stage in repository.index.stages
            for dependency in stage.deps
            if is_of_params_yaml(dependency)
        }


def is_of_params_yaml(dependency: Dependency) -> bool:
    return isinstance(dependency, ParamsDependency) and Path(dependency.fs_path).name == "params.yaml"


@pytest.fixture(scope="module")
def before(folder: Path) -> Read:
    return read_by_stages(folder, yaml.safe_load((ROOT / "params.yaml").read_text()))


@pytest.mark.parametrize(
    ("change", "stages"),
    [
        (("train.models", ["small_cnn", "alexnet"]), set()),
        (("train.tasks", ["recognition", "race", "gender", "age", "x"]), set()),
        (("train.recipes.modern.learning_rate", 0.5), set()),
        (("multitask.weightings", ["equal", "dwa"]), set()),
        (("fairness.min_n", 3), {"multitask_results"}),
        (("train.recipes.small.learning_rate", 0.5), {"train", "multitask"}),
        (("train.recipe", "mtf"), {"train"}),
        (("multitask.recipe", "mtf"), {"multitask"}),
        (("train.input_px", 32), {"train", "multitask"}),
        (("train.weights", {"resnet50-pretrained": "r.pth"}), {"train"}),
        (("multitask.weights", "f.pt"), {"multitask"}),
        (("multitask.backbone", "resnet50"), {"multitask"}),
        (("tasks.gender.labels", ["Females", "Males"]), {"train", "multitask", "multitask_results"}),
        (("multitask.tasks", ["race", "age"]), {"multitask", "multitask_results"}),
        (("seed", 1), {"train", "multitask", "multitask_results"}),
    ],
)
def test_a_stage_is_made_anew_for_what_it_reads_and_for_nothing_else(
    folder: Path, before: Read, change: tuple[str, Any], stages: set[str]
) -> None:
    raw = yaml.safe_load((ROOT / "params.yaml").read_text())
    *sections, last = change[0].split(".")
    section = raw
    for name in sections:
        section = section[name]
    assert section[last] != change[1]
    section[last] = change[1]
    after = read_by_stages(folder, raw)
    trainings = [name for name in before if name.startswith(("train@", "multitask@", "multitask_results@"))]
    assert len(trainings) == 4 + 1 + 1
    assert {name.partition("@")[0] for name in trainings if before[name] != after[name]} == stages


def test_every_parameter_that_a_stage_depends_on_is_in_the_file(folder: Path, before: Read) -> None:
    """DVC refuses to run a stage whose parameter is missing."""
    assert before
    shutil.copy(ROOT / "params.yaml", folder)
    with Repo(str(folder)) as repository:
        for stage in repository.index.stages:
            for dependency in stage.deps:
                if is_of_params_yaml(dependency):
                    assert set(dependency.params) <= set(before[str(stage.name)]), stage.name
