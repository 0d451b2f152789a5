"""The whole journey, once a session, in a clone that knows nothing of this checkout's cache."""

from __future__ import annotations

from pathlib import Path

import pytest

from projects import clone, run_in


@pytest.fixture(scope="session")
def journey(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone after `dvc pull` and `dvc repro`: read it, do not change it."""
    folder = clone(tmp_path_factory.mktemp("journey") / "mtf")
    run_in(folder, "dvc", "pull", "data.dvc")
    run_in(folder, "dvc", "repro", timeout_s=1500)
    return folder
