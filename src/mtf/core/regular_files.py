"""Check that a path is a regular file of bounded size, before it is read: a pipe or a device may never end."""

from __future__ import annotations

import stat
from pathlib import Path

from mtf.core.errors import BadInput


def check_regular(path: Path, max_bytes: int) -> None:
    """Check that `path` is a regular file of at most `max_bytes`; folders pass, and raise an error when opened.

    Raises BadInput, and OSError if the file cannot be examined.
    """
    status = path.stat()
    if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
        raise BadInput(f"{path}: not a regular file; permitted: a file on disk")
    if status.st_size > max_bytes:
        raise BadInput(f"{path.name}: larger than {max_bytes} bytes, the largest permitted size")
