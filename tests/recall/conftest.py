from __future__ import annotations

from pathlib import Path

import pytest
from copies import Copies


@pytest.fixture
def copies(tmp_path: Path) -> Copies:
    return Copies(tmp_path / "it")
