from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import made_project
import pytest

from mtf.core.project_paths import ProjectPaths


@pytest.fixture
def project(tmp_path: Path) -> ProjectPaths:
    return made_project.make(tmp_path / "project")


@pytest.fixture
def released(project: ProjectPaths) -> ProjectPaths:
    made_project.release(project, made_project.made_params())
    return project


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
