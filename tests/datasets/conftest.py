"""Fixtures of the data sets' tests."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Tests run beside one another: threads that wait for a core they share cost more than they bring."""
    import torch

    torch.set_num_threads(1)
