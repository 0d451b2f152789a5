"""Lock of one reviewer's review, so that it is open in one process of a project at a time."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from mtf.annotation.ledger import JOINT_REVIEWER
from mtf.annotation.reviewer_name import reviewer_folder
from mtf.core.errors import MtfError
from mtf.core.file_lock import ProcessLock

CERTIFICATE = "certificate"


def certification_of(reviewer: str) -> str:
    """Name of a person's certification beside their review: of its lock, data set and database."""
    return f"{reviewer_folder(reviewer)}.{CERTIFICATE}"


@contextmanager
def lock_review(folder: Path, name: str) -> Generator[None]:
    """Lock the review of `name`, or the joint session (JOINT_REVIEWER), for this process; `folder` is build/room.

    Raises MtfError with the process that has it open.
    """
    lock = ProcessLock(folder / f"review-{reviewer_folder(name)}.open")
    if not lock.take():
        what = "the joint session" if name == JOINT_REVIEWER else f"the review of {name}"
        raise MtfError(f"{what} is open already, {lock.note() or 'by another process'}; end it there first")
    try:
        lock.write_note(f"by process {os.getpid()} since {datetime.now(UTC):%Y-%m-%d %H:%M} UTC")
        yield
    finally:
        lock.release()
