"""`mtf validate`, `mtf diff`, `mtf release` and `mtf report` as a person types them, in a project of their own."""

from __future__ import annotations

import json
import subprocess
import tarfile
from pathlib import Path

import made_project
import pytest
import yaml
from made_project import made_params, make

from mtf.core.project_paths import ProjectPaths
from projects import mtf, run_in

GATES = {"identity_share": 0.5, "split_share": 0.2, "intersection_share": [0, 1], "median_images": [1, 10]}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, dvc: str) -> ProjectPaths:
    """A project whose version `v1` is in git and DVC; a person joined since."""
    root = tmp_path_factory.mktemp("cli") / "project"
    workspace = make(root, made_params(gates=GATES), people=made_project.without(made_project.PEOPLE, "ada"))
    for command in (
        ["git", "init", "-q"],
        ["dvc", "init", "-q"],
        ["dvc", "add", "-q", "build/split", "build/curate", "build/crop", "build/crawl", "data"],
        ["git", "add", "-A"],
        ["git", "commit", "-qm", "first"],
        ["git", "tag", "v1"],
    ):
        run_in(root, *command)
    for path in (*workspace.root.glob("build/*/*.parquet"), workspace.roster):
        path.unlink()
    return make(root, made_params(gates=GATES))


def attempt(workspace: ProjectPaths, *command: str) -> subprocess.CompletedProcess[str]:
    return mtf(workspace.root, *command)


def test_gates_that_hold_let_a_release_pass_and_the_release_opens_in_another_form(
    project: ProjectPaths, tmp_path: Path
):
    refused = attempt(project, "release")
    assert (refused.returncode, refused.stderr) == (
        1,
        "mtf: release: the gates have not been checked; run `mtf validate`\n",
    )
    printed = run_in(project.root, "mtf", "validate").splitlines()
    assert printed[0] == "validate: 9 of 9 expectations hold"
    assert "  not checked: drift (no previous release)" in printed
    assert "release: build/release, README.md says what is in it" in run_in(project.root, "mtf", "release")
    run_in(project.root, "mtf", "release", "--format", "webdataset", "--to", str(tmp_path / "web"))
    with tarfile.open(tmp_path / "web/test-000000.tar") as tar:
        assert sum(name.endswith(".jpg") for name in tar.getnames()) == 3
    again = attempt(project, "release", "--format", "webdataset", "--to", str(tmp_path / "web"))
    assert again.returncode == 2 and again.stderr.count("\n") == 1


def test_a_gate_that_does_not_hold_ends_with_1_and_says_observed_and_wanted_once(tmp_path: Path):
    workspace = make(tmp_path / "project", made_params(gates=GATES | {"identity_share": 0.25}))
    done = attempt(workspace, "validate")
    assert done.returncode == 1
    assert done.stderr == (
        "mtf: validate: 1 critical expectation does not hold (identity_share); all expectations: "
        "build/validate/docs/index.html; `mtf report` writes the report that shows them\n"
    )
    line = "identity_share (share of one identity): ada 0.3333, bo.b 0.3333, nul 0.3333; wanted at most 0.25"
    assert f"  critical: {line}" in done.stdout.splitlines()
    assert attempt(workspace, "release").returncode == 1


def test_what_is_suggested_can_be_put_into_params_yaml_as_it_is(project: ProjectPaths, tmp_path: Path):
    text = run_in(project.root, "mtf", "validate", "--suggest")
    workspace = make(tmp_path / "project", made_params(**yaml.safe_load(text)))
    assert run_in(workspace.root, "mtf", "validate").startswith("validate: ")
    outcome = json.loads(workspace.metrics("validate").read_text())
    assert (outcome["critical"], outcome["warning"]) == (0, 0)


def test_differences_are_printed_as_lines_and_as_json(project: ProjectPaths):
    lines = run_in(project.root, "mtf", "diff", "v1").splitlines()
    assert lines[:2] == ["identities added: 1", "  ada: newly on the roster"]
    found = json.loads(run_in(project.root, "mtf", "diff", "v1", "--json"))
    assert found["identities"] == {"added": {"ada": "newly on the roster"}, "removed": {}, "taken_down": 0}
    missing = attempt(project, "diff", "v9")
    assert (missing.returncode, missing.stdout) == (2, "")
    assert missing.stderr == "mtf: revision 'v9': unknown Git revision 'v9'; is v1 meant?\n"


def test_the_report_is_named_where_it_was_written(project: ProjectPaths):
    assert "report: build/report/index.html" in run_in(project.root, "mtf", "report")
    assert (project.stage("report") / "index.html").is_file()
