"""What one process of a project has for itself, a review or the database, until it ends, however it ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from mtf.errors import MtfError
from mtf.review.ledger import TOGETHER


class Hold:
    """A lock on a file that says who has it. The file stays when the lock is gone: only the lock counts."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[str] | None = None

    def take(self) -> bool:
        """Whether this process has it now; what was said stands until `say`. Raises MtfError where no file can be."""
        if self._file is not None:
            return True
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            file = self._path.open("a+")
        except OSError as error:
            raise MtfError(f"{self._path}: cannot be written: {error.strerror}") from None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return False
        self._file = file
        return True

    def say(self, text: str) -> None:
        """Tell the others what they have to know of the holder."""
        assert self._file is not None, "only the holder says"  # noqa: S101
        self._file.truncate(0)
        self._file.write(text)
        self._file.flush()

    def said(self) -> str:
        """What the holder, or the one before, said last."""
        return self._path.read_text(errors="replace") if self._path.is_file() else ""

    def release(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


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
