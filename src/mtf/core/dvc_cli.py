"""DVC as it is installed beside this program, whatever the shell finds by its name."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

DVC = (sys.executable, "-m", "dvc")


def is_tracked(root: Path) -> bool:
    """Whether `root` is a DVC repository, and DVC is installed."""
    return (root / ".dvc").is_dir() and find_spec("dvc") is not None


def dvc(*arguments: str, root: Path) -> subprocess.CompletedProcess[str]:
    """What DVC answers in `root`; its status is not checked."""
    return subprocess.run((*DVC, *arguments), cwd=root, capture_output=True, text=True, check=False)
