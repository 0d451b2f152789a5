"""DVC's command line, as installed in this Python environment, not the `dvc` on the shell's path."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

DVC = (sys.executable, "-m", "dvc")


def is_tracked(root: Path) -> bool:
    """True if `root` is a DVC repository and DVC is installed."""
    return (root / ".dvc").is_dir() and find_spec("dvc") is not None


def dvc(*arguments: str, root: Path) -> subprocess.CompletedProcess[str]:
    """Run a DVC command in `root`. Its exit status is not checked."""
    return subprocess.run((*DVC, *arguments), cwd=root, capture_output=True, text=True, check=False)
