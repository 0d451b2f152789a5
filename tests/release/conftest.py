from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import made_project
import pytest

from mtf.core.project_paths import ProjectPaths


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> ProjectPaths:
    """A project before its release, of which each test has a copy."""
    return made_project.make(tmp_path_factory.mktemp("made") / "project")


@pytest.fixture
def project(made: ProjectPaths, tmp_path: Path) -> ProjectPaths:
    return ProjectPaths(shutil.copytree(made.root, tmp_path / "project"))


@pytest.fixture
def released(project: ProjectPaths, data_set: ProjectPaths) -> ProjectPaths:
    """The project and its release, of which a test has a copy."""
    return ProjectPaths(shutil.copytree(data_set.root, project.root, dirs_exist_ok=True))


@pytest.fixture(scope="session")
def data_set(tmp_path_factory: pytest.TempPathFactory) -> ProjectPaths:
    """A released project that tests look at and leave as it is."""
    workspace = made_project.make(tmp_path_factory.mktemp("data_set") / "project")
    made_project.release(workspace, made_project.made_params())
    return workspace


@pytest.fixture
def files_of() -> Callable[[Path], dict[str, bytes]]:
    """Every file below a folder: path → bytes."""
    return lambda root: {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()}
