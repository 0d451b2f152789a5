"""Commands that `make` calls, in a folder where each tool only writes down its arguments."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mtf.project import doctor
from projects import ROOT, environment

NOTES = """#!/bin/sh
echo "$(basename $0) $*" >> said
case "$*" in status*) exit ${STATUS:-0};; esac
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project that is set up and has its data."""
    for name in ("Makefile", "requirements.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    tools = tmp_path / ".venv" / "bin"
    tools.mkdir(parents=True)
    for tool in ("dvc", "mtf"):
        (tools / tool).write_text(NOTES)
        (tools / tool).chmod(0o755)
    (tmp_path / "data").mkdir()
    (tmp_path / ".venv" / ".ready").touch()
    return tmp_path


def make(project: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    # Variables of a `make test` that runs this test are not for the inner make.
    outer = {name: value for name, value in environment().items() if not name.startswith(("MAKE", "MFLAGS"))}
    command = ["make", *arguments]
    return subprocess.run(command, cwd=project, env=outer | variables, capture_output=True, text=True, check=False)


def said(project: Path) -> list[str]:
    path = project / "said"
    return path.read_text().splitlines() if path.is_file() else []


def test_make_repro_fetches_the_recorded_run_once_and_runs_what_changed_since(project: Path) -> None:
    assert make(project, "repro").returncode == 0
    fetched = ["dvc status --quiet data.dvc", "dvc pull --quiet --allow-missing", "dvc repro", "mtf summary"]
    assert said(project) == fetched
    (project / "build").mkdir()
    assert make(project, "repro").returncode == 0
    assert said(project)[len(fetched) :] == ["dvc status --quiet data.dvc", "dvc repro", "mtf summary"]


def test_make_rerun_runs_every_stage(project: Path) -> None:
    (project / "build").mkdir()
    assert make(project, "rerun").returncode == 0
    assert said(project)[1:] == ["dvc repro --force --no-run-cache", "mtf summary"]
    assert not (project / "build").exists()


def test_make_record_puts_the_runs_objects_alone_into_the_samples_remote(project: Path) -> None:
    old = project / "sample-remote" / "files" / "md5" / "old"
    old.parent.mkdir(parents=True)
    old.touch()
    (project / ".venv" / "bin" / "git").write_text(NOTES)
    (project / ".venv" / "bin" / "git").chmod(0o755)
    assert make(project, "record").returncode == 0
    assert said(project)[1:] == [
        "dvc repro",
        "dvc push --quiet --remote sample",
        "dvc status --quiet",
        "git add data.dvc dvc.lock metrics sample-remote",
    ]
    assert not old.exists()


def test_make_repro_pulls_data_that_is_not_there(project: Path) -> None:
    (project / "data").rmdir()
    assert make(project, "repro").returncode == 0
    assert said(project)[0] == "dvc pull --quiet data.dvc"


def test_data_that_is_not_as_recorded_stops_make_with_what_to_do(project: Path) -> None:
    done = make(project, "repro", STATUS="1")
    assert done.returncode == 2
    assert "To record it: dvc add data. To go back: dvc pull --force data.dvc" in done.stdout
    assert "dvc repro" not in said(project)


def test_make_retry_runs_the_crawl_again_and_then_what_follows_from_it(project: Path) -> None:
    assert make(project, "retry").returncode == 0
    again = said(project).index("dvc repro --force --single-item crawl")
    assert said(project)[again + 1 :][-2:] == ["dvc repro", "mtf summary"]


@pytest.mark.parametrize(("version", "fits"), [((3, 10), False), ((3, 11), True), ((3, 13), True), ((3, 14), False)])
def test_another_python_is_refused_in_one_line(
    project: Path, monkeypatch: pytest.MonkeyPatch, version: tuple[int, int], fits: bool
) -> None:
    (project / ".venv" / ".ready").unlink()
    other = project / "other-python"
    as_other = f"import sys; sys.version_info = {version}; exec(sys.argv[1])"
    other.write_text(f"#!/bin/sh\nexec {sys.executable} -c '{as_other}' \"$2\"\n")
    other.chmod(0o755)
    done = make(project, "setup", "PYTHON=./other-python")
    refusal = "Python 3.11, 3.12 or 3.13 is needed, and ./other-python is none"
    assert (refusal in done.stdout) is not fits
    assert done.returncode == 2, "the python that is let through is no python, and ends in setting up"

    monkeypatch.setattr(sys, "version_info", version)
    assert next(doctor._machine()).state == ("good" if fits else "wrong")
