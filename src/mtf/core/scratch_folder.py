"""Scratch folder of a process that works on a cluster, for the files of its jobs."""

from __future__ import annotations

import atexit
import os
import re
import shutil
import tempfile
from functools import cache
from pathlib import Path

import psutil

_NAME = re.compile(r"mtf-worker-(\d+)-")


@cache
def scratch_folder() -> Path:
    """Folder of this process for the files of its jobs. Those of killed processes are removed."""
    for left in Path(tempfile.gettempdir()).glob("mtf-worker-*"):
        named = _NAME.match(left.name)
        if named and not psutil.pid_exists(int(named[1])):
            shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f"mtf-worker-{os.getpid()}-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
