"""`mtf consent add`, `list` and `check`, as a person types them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from mtf.schemas import consent_file
from projects import clone, environment, mtf, own_project

ROSTER = "identity,name\nada,Ada\nbea,Bea\ncleo,Cleo\n"
ADD = (
    "consent", "add", "ada", "--form", "portrait release", "--form-version", "2", "--scopes",
    "training;evaluation;publication", "--given-on", "2025-03-01", "--age", "34", "--reference", "cabinet 3",
)  # fmt: skip


@pytest.fixture
def project(tmp_path: Path) -> Path:
    changes = {
        "tasks": {"recognition": {"column": "identity"}},
        "train": {"tasks": ["recognition"]},
        "licenses": {"basis": "consent"},
        "release": {"date": "2026-11-30"},
    }
    return own_project(tmp_path / "project", ROSTER, changes)


def test_a_form_is_recorded_once_and_listed_with_its_state(project: Path) -> None:
    first, again = mtf(project, *ADD), mtf(project, *ADD)
    assert first.returncode == 0, first.stderr
    assert "data/consent.csv: added" in first.stdout
    assert "recorded already" in again.stdout
    assert len(consent_file.load(project / "data" / "consent.csv")) == 1
    listed = mtf(project, "consent", "list").stdout
    assert "2025-03-01  valid           ada  portrait release 2  training, evaluation, publication" in listed
    assert "not given yet" in mtf(project, "consent", "list", "--on", "2025-02-28").stdout


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("--scopes", "teaching", "--scopes: 'teaching' is not permitted; permitted: one or more of training"),
        ("--given-on", "yesterday", "--given-on: 'yesterday' is not permitted; permitted: a day of the calendar"),
        ("--age", "340", "--age: '340' is not permitted"),
        ("--given-by", "mother", "--given-by: 'mother' is not permitted; permitted: self, guardian"),
        ("--valid-until", "2024-01-01", "--valid-until: '2024-01-01' is not permitted; permitted: a day from given_on"),
    ],
)
def test_a_bad_option_is_named_and_nothing_is_recorded(project: Path, option: str, value: str, says: str) -> None:
    done = mtf(project, *ADD, option, value)
    assert done.returncode == 2
    assert says in done.stderr
    assert not (project / "data" / "consent.csv").exists()


def test_the_check_names_who_does_not_permit_the_release_and_what_to_do(project: Path) -> None:
    mtf(project, *ADD)
    mtf(project, *(word.replace("ada", "bea").replace(";publication", "") for word in ADD))
    done = mtf(project, "consent", "check")
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert lines[0].startswith("consent_scope: 1. Ask the person for this purpose")
    assert lines[1] == "  bea: consent is given for training, evaluation, not for publication"
    assert lines[2].startswith("consent_missing: 1. ")
    assert lines[4] == "1 of 3 people permit training, evaluation, publication on 2026-11-30"
    assert "is biometric_identification a purpose" in lines[5]

    for_training = mtf(project, "consent", "check", "--purpose", "training", "--json")
    found = json.loads(for_training.stdout)
    assert list(found["refused"]) == ["cleo"]
    assert found["refused"]["cleo"]["code"] == "consent_missing"


def test_everybody_who_permits_it_is_exit_code_0(project: Path) -> None:
    for name in ("ada", "bea", "cleo"):
        mtf(project, *(word.replace("ada", name) for word in ADD))
    assert mtf(project, "consent", "check").returncode == 0


def test_the_stages_depend_on_the_file_from_the_first_consent_on(tmp_path: Path) -> None:
    root = clone(tmp_path / "clone")
    (root / "data").mkdir()
    assert "data/consent.csv" not in (root / "dvc.yaml").read_text()

    def command(*words: str) -> subprocess.CompletedProcess[str]:
        code = environment() | {"PYTHONPATH": str(root / "src")}
        whole = [sys.executable, "-m", "mtf", *words]
        return subprocess.run(whole, cwd=root, env=code, capture_output=True, text=True, check=False, timeout=300)

    done = command(*ADD)
    assert done.returncode == 0, done.stderr
    stages = yaml.safe_load((root / "dvc.yaml").read_text())["stages"]
    depending = {name for name, stage in stages.items() if "data/consent.csv" in stage.get("deps", ())}
    assert {"curate", "validate", "release"} <= depending
    assert not depending & {"crawl", "crop", "screen", "train"}
    assert "dvc.yaml: curate" in done.stdout
    # A clone whose data is not pulled yet has nothing to correct.
    shutil.rmtree(root / "data")
    assert command("deps", "--check").returncode == 0
