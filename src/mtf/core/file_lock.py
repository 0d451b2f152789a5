"""File locks that are freed when their process ends, even by a kill; one kind names its holder."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from mtf.core.errors import MtfError


class ProcessLock:
    """A lock on a file that holds a note about its holder.

    The system frees the lock when the process ends, even by a kill. The file and its note stay; only the lock counts.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        # Any thread may release it. A marker file in place of a lock would outlive a process that was killed.
        self._lock = FileLock(path, blocking=False, thread_local=False, fallback_to_soft=False)

    def take(self) -> bool:
        """Take the lock if it is free; True if this process holds it now. The old note stays until `write_note`.

        Raises MtfError if the file cannot be written.
        """
        if self._lock.is_locked:
            return True
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._lock.acquire()
        except Timeout:
            return False
        except OSError as error:
            raise MtfError(f"{self._path}: cannot be written: {error.strerror}") from None
        return True

    def write_note(self, text: str) -> None:
        """Replace the note that other processes read. Only the holder may call this."""
        assert self._lock.is_locked, "only the holder writes the note"  # noqa: S101
        self._path.write_text(text)

    def note(self) -> str:
        """Note of the holder, or of the last one; empty if there was none."""
        return self._path.read_text(errors="replace") if self._path.is_file() else ""

    def release(self) -> None:
        self._lock.release()


@contextmanager
def inherited_lock(path: Path, what: str) -> Generator[int]:
    """Lock on a file; yields its descriptor, to be passed on to child processes.

    The lock is held until this process and each child that has the descriptor have ended: a child that outlives a
    killed parent still keeps others out.

    Raises MtfError, naming `what`, if another process has the lock.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip() or "another one"
            raise MtfError(f"{what} is running already, as process {holder}; wait for it, or end it") from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode("ascii"), 0)
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def waiting_lock(path: Path) -> Generator[None]:
    """Lock on a file, which stays; other processes wait, those of other machines, too, if they share its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path, fallback_to_soft=False):
        yield


@contextmanager
def folder_lock(folder: Path) -> Generator[None]:
    """Lock on a folder; other processes that write to one of its files wait. No file is left behind."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
