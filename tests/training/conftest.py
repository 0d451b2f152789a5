"""Fixtures of the training tests."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from mtf.config import Params
from mtf.core.project_paths import ProjectPaths
from training_project import write_project


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Tests run beside one another: threads that wait for a core they share cost more than they bring."""
    torch.set_num_threads(1)


@pytest.fixture
def project(tmp_path: Path, sample_params: Params) -> tuple[ProjectPaths, Params]:
    return write_project(tmp_path, sample_params)
