"""Fixtures of the training tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import torch_forks
from mtf.config import Params
from mtf.core.project_paths import ProjectPaths
from training_project import write_project

START_PROCESSES = torch.multiprocessing.start_processes


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Tests run beside one another: threads that wait for a core they share cost more than they bring."""
    torch.set_num_threads(1)


@pytest.fixture
def project(tmp_path: Path, sample_params: Params) -> tuple[ProjectPaths, Params]:
    return write_project(tmp_path, sample_params)


@pytest.fixture
def forked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fork the devices' processes from a server that has loaded the libraries: each would load them for seconds."""

    def start(*arguments: Any, **options: Any) -> Any:
        with torch_forks.forking():
            return START_PROCESSES(*arguments, **options | {"start_method": "forkserver"})

    monkeypatch.setattr(torch.multiprocessing, "start_processes", start)


@pytest.fixture
def spawned(forked: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Start the devices' processes as outside of the tests."""
    monkeypatch.setattr(torch.multiprocessing, "start_processes", START_PROCESSES)
