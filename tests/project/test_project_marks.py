"""The marks by which `make check` leaves out what starts a server, a browser, DVC or training."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import marks
from projects import ROOT

CONFTEST = f"""
import sys
sys.path.insert(0, {str(ROOT / "tests")!r})
import marks
import pytest

def pytest_configure(config):
    config.pluginmanager.register(marks.MissingMarks())
    for mark in ("dvc", "browser", "lengthy"):
        config.addinivalue_line("markers", mark)

def pytest_collection_modifyitems(items):
    marks.mark_by_fixtures(items)
    marks.longest_first(items)

@pytest.fixture
def dvc():
    return {sys.executable!r}

@pytest.fixture
def project(dvc):
    return dvc
"""
STARTS = (
    "import subprocess, sys, pytest\n\ndef start():\n    subprocess.run([sys.executable, '-m', 'dvc', 'version'])\n\n"
)


def run_tests(folder: Path, files: dict[str, str], *options: str) -> str:
    """Output of pytest for these tests, under the marks of this project."""
    (folder / "conftest.py").write_text(CONFTEST)
    for name, text in files.items():
        (folder / f"test_{name}.py").write_text(text)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(folder),
        *options,
        str(folder),
    ]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=300).stdout


def test_a_test_that_runs_dvc_without_its_mark_fails(tmp_path: Path) -> None:
    unmarked = STARTS + "def test_it():\n    start()\n"
    marked = STARTS + "@pytest.mark.dvc\ndef test_it():\n    start()\n"
    by_fixture = STARTS + "def test_it(project):\n    start()\n"
    printed = run_tests(tmp_path, {"unmarked": unmarked, "marked": marked, "fixture": by_fixture})
    assert "the test starts dvc: mark it, or its file, with pytest.mark.dvc" in printed
    assert "1 failed, 2 passed" in printed


def test_what_a_fixture_marks_is_left_out_and_long_files_begin(tmp_path: Path) -> None:
    short = "def test_short():\n    pass\n"
    starting = "def test_starting(project):\n    pass\n"
    long = "import pytest\npytestmark = pytest.mark.lengthy(60)\n\ndef test_long():\n    pass\n"
    files = {"a": short, "b": starting, "c": long}
    printed = run_tests(tmp_path, files, "--verbose")
    assert printed.index("::test_long") < printed.index("::test_starting") < printed.index("::test_short")
    assert "1 deselected" in run_tests(tmp_path, files, "-m", "not dvc")


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (["/usr/bin/dvc", "add"], "dvc"),
        ([sys.executable, "-m", "dvc", "add"], "dvc"),
        ([Path("/usr/bin/chromium")], "chromium"),
        ("dvc", "dvc"),
        (["python", "-m"], "python"),
        ([b"mongod", b"--port"], "mongod"),
    ],
)
def test_the_program_of_a_command(command: object, name: str) -> None:
    assert marks.program_of(command) == name
