"""Errors of the system in a user's words: a full disk, a folder without permission, a file that is not there."""

from __future__ import annotations

import contextlib
import errno
import os
import re
from pathlib import Path

STORAGE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO})
"""Errors of a disk. Python names no file when they strike while a file that is open is written."""

_FREE_SPACE = "free some space there and run the same again; what is complete is kept"
_NOT_PERMITTED = "give this user the permission to use it"
_ADVICE = {
    errno.ENOSPC: _FREE_SPACE,
    errno.EDQUOT: _FREE_SPACE,
    errno.EFBIG: "raise the limit on the size of files (`ulimit -f`)",
    errno.EROFS: "the file system is mounted read-only",
    errno.EACCES: _NOT_PERMITTED,
    errno.EPERM: _NOT_PERMITTED,
    errno.EMFILE: "raise the limit on open files (`ulimit -n`)",
    errno.ENAMETOOLONG: "choose a shorter name",
}
# Rust libraries, polars among them, say the number of the error in their text alone.
_OF_RUST = re.compile(r"\(os error (\d{1,4})\)")
# A file that is being written, beside the one that it becomes: `.NAME.1a2b3c4d.part`.
_UNFINISHED = re.compile(r"^\.(.+)\.[0-9a-f]{8}\.part$")


def naming(error: Exception, path: Path) -> OSError | None:
    """Storage error that struck while `path` was written, with its name; None for any other error, or one with a name.

    Also recognises polars' errors, which are no OSError.
    """
    number = error.errno if isinstance(error, OSError) else None
    if number is None and (stated := _OF_RUST.search(str(error))):
        number = int(stated[1])
    if number not in STORAGE or (isinstance(error, OSError) and error.filename is not None):
        return None
    return OSError(number, os.strerror(number), str(path))


def explained(error: OSError) -> str | None:
    """One line on an error: the file or folder, what the system says, what to do; None if it names no file.

    Writers of files name them (`naming`), so an error of a disk without a name is one of standard output.
    """
    if error.errno is None or (error.filename is None and error.errno not in STORAGE):
        return None
    if error.filename is None:
        return _line("standard output", error.errno)
    path = Path(os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else str(error.filename))
    if unfinished := _UNFINISHED.match(path.name):
        path = path.with_name(unfinished[1])
    # Without room or permission, the folder is what a user must look at.
    place = path.parent if error.errno in STORAGE and path.parent != Path() else path
    return _line(_shown(place), error.errno)


def _line(place: str, number: int) -> str:
    reason, advice = os.strerror(number), _ADVICE.get(number)
    return f"{place}: {reason[0].lower()}{reason[1:]}" + (f"; {advice}" if advice else "")


def _shown(path: Path) -> str:
    """Path relative to the current folder where it lies in it, on one line."""
    with contextlib.suppress(ValueError, OSError):
        path = path.relative_to(Path.cwd())
    text = str(path)
    return text if text.isprintable() else repr(text)
