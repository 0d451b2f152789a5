"""A project as it stands before its release; its builder lies with the tests of the release."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from mtf.core.project_paths import ProjectPaths

sys.path.insert(0, str(Path(__file__).parents[1] / "release"))


@pytest.fixture
def project(tmp_path: Path) -> ProjectPaths:
    import made_project

    return made_project.make(tmp_path / "project")
