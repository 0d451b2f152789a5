"""What dvc.yaml's stages of this room are trained again for, and what not, as DVC itself reads it."""

from __future__ import annotations

import ast
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from dvc.dependency import ParamsDependency
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
            if isinstance(dependency, ParamsDependency)
        }


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
        (("fairness.least_n", 3), {"multitask_results"}),
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
                if isinstance(dependency, ParamsDependency):
                    assert set(dependency.params) <= set(before[str(stage.name)]), stage.name


# What every command needs, and no stage is made anew for.
UNDER_ALL = {"atomic.py", "engine.py", "errors.py", "fingerprint.py", "workspace.py", "params"}
SOURCE = ROOT / "src" / "mtf"


def imported(module: Path) -> Iterator[Path]:
    """The modules of mtf that `module` imports, wherever in it, but for what only types need."""
    todo: list[ast.AST] = [ast.parse(module.read_text())]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        todo += ast.iter_child_nodes(node)
        if isinstance(node, ast.ImportFrom) and node.module and node.module.partition(".")[0] == "mtf":
            home = SOURCE.parent / node.module.replace(".", "/")
            for path in (home, *(home / alias.name for alias in node.names)):
                yield from (file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file())


def run_by(module: Path) -> set[Path]:
    found, todo = set(), [module]
    while todo:
        if (path := todo.pop()) not in found:
            found.add(path)
            todo += imported(path)
    return found


@pytest.mark.parametrize("stage", ["multitask_results", "evaluate"])
def test_a_stage_that_measures_depends_on_all_the_code_that_it_runs(stage: str) -> None:
    deps = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"][stage]["deps"]
    known = [SOURCE / name for name in UNDER_ALL] + [ROOT / path for path in deps]
    files = {path for path in run_by(SOURCE / "stages" / f"{stage}.py") if path.name != "__init__.py"}
    assert SOURCE / "learn" / "model_card.py" in files
    assert not [path for path in files if not any(path == dep or path.is_relative_to(dep) for dep in known)]
