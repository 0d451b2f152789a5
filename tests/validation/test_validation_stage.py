"""The stage, with Great Expectations and with versions in git and DVC as a user has them."""

from __future__ import annotations

import json
import subprocess

import polars as pl
import pytest
from made_project import made_params, make

from mtf.errors import BadInput, GateFailed
from mtf.stages import validate
from mtf.workspace import Workspace

GATES = {"split_share": 0.2, "identity_share": 0.5, "warn_only": ["median_images"], "median_images": [1, 3]}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A project whose first version is in git and DVC, and whose working tree has darker pictures."""
    workspace = make(tmp_path_factory.mktemp("validate") / "project")
    for command in (
        ["git", "init", "-q"],
        ["git", "config", "user.email", "made-up@example.org"],
        ["git", "config", "user.name", "made-up"],
        ["dvc", "init", "-q"],
        ["dvc", "add", "-q", "build/split", "build/screen"],
        ["git", "add", "-A"],
        ["git", "commit", "-qm", "first"],
        ["git", "tag", "v1"],
    ):
        subprocess.run(command, cwd=workspace.root, check=True, capture_output=True)
    path = workspace.table("screen", "screening")
    pl.read_parquet(path).with_columns(pl.lit(60.0, pl.Float32).alias("brightness")).write_parquet(path)
    return workspace


def test_a_critical_gate_stops_and_says_observed_and_wanted_while_a_warning_is_reported(project: Workspace, capsys):
    params = made_params(gates=GATES | {"identity_share": 0.25})
    with pytest.raises(GateFailed) as failure:
        validate.run(project, params)
    assert failure.value.exit_code == 1
    assert str(failure.value).splitlines() == [
        "validate: 1 critical expectations do not hold:",
        "  identity_share: ada 0.3333, bo.b 0.3333, nul 0.3333; wanted at most 0.25",
    ]
    assert "warning: median_images (images per identity): median 5; wanted 1 to 3" in capsys.readouterr().out
    assert json.loads(project.metrics("validate").read_text()) == {"expectations": 7, "critical": 1, "warning": 1}


def test_its_results_and_data_docs_are_there_though_it_stopped(project: Workspace):
    folder = project.stage("validate")
    results = {result["name"]: result for result in json.loads((folder / "results.json").read_text())}
    assert not results["identity_share"]["holds"] and results["label_share"]["holds"]
    assert "expectations/identities.html" in (folder / "docs/index.html").read_text()
    assert list((folder / "docs/validations").rglob("*.html"))


def test_darker_pictures_than_in_the_version_before_are_stopped_by_the_drift_gate(project: Workspace):
    with pytest.raises(GateFailed, match=r"1 critical.*\n  drift: brightness 1; wanted at most 0.2"):
        validate.run(project, made_params(gates=GATES, release={"previous": "v1"}))


def test_a_version_that_is_not_there_is_named(project: Workspace):
    with pytest.raises(BadInput, match="revision 'v9'"):
        validate.run(project, made_params(gates=GATES, release={"previous": "v9"}))
