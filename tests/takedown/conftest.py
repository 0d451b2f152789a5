"""A small project that a test of this room works in."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_project import Small

from projects import environment


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dvc: str) -> Small:
    for name, value in environment().items():
        if name.startswith(("GIT_", "DVC_")):
            monkeypatch.setenv(name, value)
    monkeypatch.delenv("FIFTYONE_DATABASE_URI", raising=False)
    small = Small(tmp_path)
    monkeypatch.chdir(small.root)
    return small
