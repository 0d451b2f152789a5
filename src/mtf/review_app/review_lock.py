"""Lock of one reviewer's review: it is open in one process of a project at a time."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from mtf.annotation.ledger import TOGETHER
from mtf.core.errors import MtfError
from mtf.core.file_lock import ProcessLock


@contextmanager
def alone(folder: Path, name: str) -> Generator[None]:
    """Hold the review of `name`, or the joint session (TOGETHER), for this process; `folder` is build/room.

    Raises MtfError that says which process has it.
    """
    hold = ProcessLock(folder / f"review-{name}.open")
    if not hold.take():
        what = "the joint session" if name == TOGETHER else f"the review of {name}"
        raise MtfError(f"{what} is open already, {hold.note() or 'by another process'}; end it there first")
    try:
        hold.write_note(f"by process {os.getpid()} since {datetime.now(UTC):%Y-%m-%d %H:%M} UTC")
        yield
    finally:
        hold.release()
