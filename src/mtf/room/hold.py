"""What one process of a project has for itself, a review or the database, until it ends, however it ends."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from mtf.errors import MtfError
from mtf.review.ledger import TOGETHER


class Hold:
    """A lock on a file that says who has it. The system frees it when the process ends, however it ends; the file
    stays, and what it says of the last holder: only the lock counts.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        # Any thread may release it. A marker file in place of a lock would outlive a process that was killed.
        self._lock = FileLock(path, blocking=False, thread_local=False, fallback_to_soft=False)

    def take(self) -> bool:
        """True if this process has it now; what was said stands until `say`. Raises MtfError where no file can be."""
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

    def say(self, text: str) -> None:
        """Tell the others what they have to know of the holder."""
        assert self._lock.is_locked, "only the holder says"  # noqa: S101
        self._path.write_text(text)

    def said(self) -> str:
        """What the holder, or the one before, said last."""
        return self._path.read_text(errors="replace") if self._path.is_file() else ""

    def release(self) -> None:
        self._lock.release()


@contextmanager
def alone(folder: Path, name: str) -> Generator[None]:
    """Hold the review of `name`, or the joint session (TOGETHER), for this process; `folder` is build/room.

    Raises MtfError that says which process has it.
    """
    hold = Hold(folder / f"review-{name}.open")
    if not hold.take():
        what = "the joint session" if name == TOGETHER else f"the review of {name}"
        raise MtfError(f"{what} is open already, {hold.said() or 'by another process'}; end it there first")
    try:
        hold.say(f"by process {os.getpid()} since {datetime.now(UTC):%Y-%m-%d %H:%M} UTC")
        yield
    finally:
        hold.release()
