"""Atomic folders: filled beside the target, then renamed, so that a folder appears whole or not at all.

A writer holds a lock on its folder. The system frees the lock when the process ends, even by a kill, so the next writer
of the same target knows what to remove, also on another machine that shares the disk.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from collections.abc import Generator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from mtf.core import atomic_files


@contextmanager
def replacing(path: Path) -> Generator[Path]:
    """As `atomic_files.replacing_folder`; what killed writers of `path` have left beside it is removed first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        with _locked(path.parent):  # a folder of another writer is made and locked, or it is not there yet
            _remove_left_over(path)
            beside = stack.enter_context(atomic_files.replacing_folder(path))
            stack.enter_context(_locked(beside))
        yield beside


@contextmanager
def _locked(folder: Path) -> Generator[None]:
    """Lock on a folder, for which it waits; no lock on a file system that has none."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _remove_left_over(path: Path) -> None:
    """Remove the folders of writers of `path` that ended without removing them. One whose lock is held stays, and so
    do all on a file system without locks.
    """
    name = re.compile(rf"\.{re.escape(path.name)}\.[0-9a-f]{{8}}\.part")
    for beside in [each for each in path.parent.iterdir() if name.fullmatch(each.name) and not each.is_symlink()]:
        with suppress(OSError):
            descriptor = os.open(beside, os.O_RDONLY | os.O_DIRECTORY)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(beside)
            finally:
                os.close(descriptor)
