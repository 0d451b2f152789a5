"""Experiments of DVC with two real stages: in the workspace, in a temporary folder, queued, saved, with hard links."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from dvc.repo import Repo
from made_faces import Face, project

from mtf import config, schemas
from mtf.rights import attribution
from projects import ROOT, run_in

pytestmark = [pytest.mark.dvc, pytest.mark.lengthy(60)]

SOURCE = "src/mtf/"


def two_stages() -> dict[str, Any]:
    """The stages curate and split of this repository, without their dependencies on its code; and their chart."""
    whole = yaml.safe_load((ROOT / "dvc.yaml").read_text())
    stages = {name: whole["stages"][name] for name in ("curate", "split")}
    for stage in stages.values():
        stage["deps"] = [each for each in stage["deps"] if not each.startswith(SOURCE)]
        stage["params"] = [each for each in stage["params"] if isinstance(each, str)]
    return {"stages": stages, "plots": [each for each in whole["plots"] if "funnel" in str(each)]}


@pytest.fixture(scope="module")
def divided(tmp_path_factory: pytest.TempPathFactory, dvc: str) -> Path:
    """Twenty faces of each of two people, curated without reviewers and divided, committed with their dvc.lock."""
    faces = [Face(f"{identity} {number}", identity=identity) for identity in ("ada", "bob") for number in range(20)]
    workspace = project(tmp_path_factory.mktemp("divided") / "project", faces)
    folder = workspace.root
    text = (ROOT / "params.yaml").read_text().replace("mode: curated ", "mode: non_curated ")
    (folder / "params.yaml").write_text(text)
    workspace.takedowns.write_text("added_at,kind,value,reason,requested_by,reference\n")
    workspace.attribution.write_text(",".join(attribution.COLUMNS) + "\n")
    schemas.write(schemas.DETECTIONS, [], workspace.table("crop", "detections"))
    workspace.shards("screen").mkdir(parents=True)
    (workspace.shards("screen") / "none.txt").write_text("no embeddings\n")
    (folder / "data" / "review").mkdir(exist_ok=True)
    (folder / "data" / "review" / "none.txt").write_text("no reviews\n")
    (folder / "dvc.yaml").write_text(yaml.safe_dump(two_stages()))
    run_in(folder, "git", "init", "-q")
    run_in(folder, "dvc", "init", "-q")
    shutil.copytree(ROOT / ".dvc" / "plots", folder / ".dvc" / "plots", dirs_exist_ok=True)
    run_in(folder, "dvc", "repro", "-q")
    run_in(folder, "git", "add", "-A")
    run_in(folder, "git", "commit", "-q", "-m", "Divided")
    return folder


@pytest.fixture
def repository(divided: Path, tmp_path: Path) -> Path:
    """A copy of `divided` for one test."""
    return shutil.copytree(divided, tmp_path / "project", symlinks=True)


def params_of(repository: Path) -> config.Params:
    return config.load(repository / "params.yaml")


def experiments(repository: Path) -> set[str]:
    return set(run_in(repository, "dvc", "exp", "list", "--name-only").split())


def test_an_experiment_in_the_workspace_is_read_as_dvc_wrote_it_and_then_saved(repository: Path) -> None:
    changes = (
        "split.train_share=6e-1",
        "train.recipes.small.learning_rate=0.00001",
        "tasks.gender.labels=[Females,No]",
    )
    options = [word for change in changes for word in ("-S", change)]
    run_in(repository, "dvc", "exp", "run", "-q", "-n", "shares", *options)
    assert "learning_rate: 1e-05" in (repository / "params.yaml").read_text()
    params = params_of(repository)
    assert params.split.train_share == 0.6
    assert params.train.recipes["small"].learning_rate == 1e-05
    assert params.tasks["gender"].labels == ["Females", "No"]
    assert json.loads((repository / "metrics" / "split.json").read_text())["faces"]["train"] == 24
    assert "Data and pipelines are up to date" in run_in(repository, "dvc", "status")
    run_in(repository, "dvc", "exp", "save", "-n", "kept")
    assert experiments(repository) == {"shares", "kept"}


def test_experiments_beside_the_workspace_leave_it_as_it_is(repository: Path) -> None:
    run_in(repository, "dvc", "exp", "run", "-q", "--temp", "-n", "beside", "-S", "seed=7")
    run_in(repository, "dvc", "exp", "run", "-q", "--queue", "-n", "later", "-S", "split.train_share=0.5")
    run_in(repository, "dvc", "exp", "run", "-q", "--run-all", timeout_s=300)
    assert experiments(repository) == {"beside", "later"}
    assert run_in(repository, "git", "status", "--porcelain") == ""
    rows = csv.DictReader(io.StringIO(run_in(repository, "dvc", "exp", "show", "--csv")))
    shares = {row["Experiment"]: row["split.train_share"] for row in rows if row["Experiment"]}
    assert (shares["beside"], shares["later"]) == ("0.7", "0.5")


def test_hard_links_into_the_cache_are_replaced_and_never_written_to(repository: Path) -> None:
    run_in(repository, "dvc", "config", "cache.type", "hardlink")
    run_in(repository, "dvc", "checkout", "-q", "--relink")
    table = repository / "build" / "split" / "splits.parquet"
    assert table.stat().st_nlink > 1
    run_in(repository, "dvc", "exp", "run", "-q", "-n", "other", "-S", "seed=9")
    cache = repository / ".dvc" / "cache" / "files" / "md5"
    for path in (path for path in cache.rglob("*") if path.is_file()):
        digest = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
        assert digest == path.parent.name + path.name.removesuffix(".dir")


def test_a_worktree_is_a_project_of_its_own(repository: Path, tmp_path: Path) -> None:
    run_in(repository, "dvc", "remote", "add", "-d", "storage", str(tmp_path / "storage"))
    run_in(repository, "git", "commit", "-q", "-a", "-m", "A remote")
    run_in(repository, "dvc", "push", "-q")
    there = tmp_path / "worktree"
    run_in(repository, "git", "worktree", "add", "-q", str(there), "-b", "other")
    run_in(there, "dvc", "pull", "-q")
    assert "Data and pipelines are up to date" in run_in(there, "dvc", "status")
    assert "data_set.json" in run_in(there, "dvc", "metrics", "show")


def test_what_the_extension_of_vs_code_asks_for_can_be_read(repository: Path) -> None:
    """The commands that it runs to fill its tables and charts, each as JSON (iterative/vscode-dvc, src/cli/dvc)."""
    run_in(repository, "dvc", "exp", "run", "-q", "-n", "other", "-S", "seed=9")
    for command in (
        ("exp", "show", "--json"),
        ("data", "status", "--granular", "--unchanged", "--json"),
        ("params", "diff", "--json"),
        ("metrics", "diff", "--json"),
        ("plots", "diff", "HEAD", "-o", "charts", "--split", "--json"),
    ):
        content = json.loads(run_in(repository, "dvc", *command))
        assert "error" not in json.dumps(content).lower().replace('"error": null', "").replace("max_error", "")


def test_another_model_and_another_weighting_are_stages_of_their_own(tmp_path: Path) -> None:
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy(ROOT / name, tmp_path / name)
    file = tmp_path / "params.yaml"
    text = file.read_text().replace("models: [small_cnn]", "models: [small_cnn, alexnet]")
    file.write_text(text.replace("weightings: [equal]", "weightings: [equal, dynamic]"))
    stages = {stage.addressing.rpartition(":")[2] for stage in Repo.init(str(tmp_path), no_scm=True).index.stages}
    assert {"train@alexnet-race", "train@small_cnn-race", "multitask@dynamic", "multitask_results@dynamic"} <= stages
