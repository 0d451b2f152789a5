"""Fixtures of the learn room."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from learn_project import write_project

from mtf.params import Params
from mtf.workspace import Workspace


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Tests run beside one another: threads that wait for a core they share cost more than they bring."""
    torch.set_num_threads(1)


@pytest.fixture
def project(tmp_path: Path, sample_params: Params) -> tuple[Workspace, Params]:
    return write_project(tmp_path, sample_params)
