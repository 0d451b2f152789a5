"""Fixtures that every room's tests may use."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from mtf import params
from mtf.params import Params

ROOT = Path(__file__).parent.parent
REAL_DATA = ROOT.parent / "shared" / "data"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests on real pictures are skipped, with one line, where the pictures are not."""
    if REAL_DATA.is_dir():
        return
    for item in items:
        if item.get_closest_marker("real"):
            item.add_marker(pytest.mark.skip(reason=f"no real pictures at {REAL_DATA}"))


@pytest.fixture(scope="session")
def sample_params() -> Params:
    """The repository's own params.yaml."""
    return params.load(ROOT / "params.yaml")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real pictures; tests that ask for it carry the mark `real`."""
    return REAL_DATA


def program(name: str) -> str:
    """The path of a program that a test drives; without it the test is skipped, but in CI it fails."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None:
        message = f"the program {name} is not installed"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(message)
    return found


@pytest.fixture(scope="session")
def chromium() -> str:
    return program("chromium")


@pytest.fixture(scope="session")
def sshd() -> str:
    return program("sshd")
