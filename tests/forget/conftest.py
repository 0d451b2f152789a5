"""A DVC repository that has nothing to do with faces: a model, notes, and a folder of readings."""

from __future__ import annotations

from pathlib import Path

import pytest
from station import Station

from projects import environment


@pytest.fixture
def station(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dvc: str) -> Station:
    for name, value in environment().items():
        if name.startswith(("GIT_", "DVC_")):
            monkeypatch.setenv(name, value)
    made = Station(tmp_path)
    monkeypatch.chdir(made.root)
    return made
