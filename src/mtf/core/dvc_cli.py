"""DVC's command line, as installed in this Python environment, not the `dvc` on the shell's path."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from mtf.core.errors import MtfError

DVC = (sys.executable, "-m", "dvc")


def is_tracked(root: Path) -> bool:
    """True if `root` is a DVC repository and DVC is installed."""
    return (root / ".dvc").is_dir() and find_spec("dvc") is not None


def dvc(*arguments: str, root: Path) -> subprocess.CompletedProcess[str]:
    """Run a DVC command in `root`. Its exit status is not checked."""
    return subprocess.run((*DVC, *arguments), cwd=root, capture_output=True, text=True, check=False)


def cache_dir(root: Path) -> str:
    """Folder of the cache of the DVC repository at `root`, by all of DVC's configuration files.

    Raises MtfError for a configuration that DVC cannot read.
    """
    from dvc.config import Config, ConfigError  # takes a while to import, and other commands do without

    try:
        return str(Config(str(root / ".dvc"))["cache"].get("dir", root / ".dvc/cache"))
    except ConfigError as error:
        raise MtfError(f".dvc/config: DVC cannot read it: {' '.join(str(error).split())}") from None
