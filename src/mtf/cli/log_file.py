"""Logging of the command line: details on standard error with `--verbose`, and all of a run in `--log-file`."""

from __future__ import annotations

import logging
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from mtf.core.errors import BadInput

_LOGGER = logging.getLogger("mtf")
_OUTPUT = logging.getLogger("mtf.output")
_FORMAT = "%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s"


def configure(path: Path | None, *, verbose: bool) -> None:
    """Send details to standard error if `verbose`, and details and output to the file `path` if there is one.

    Raises BadInput if the file cannot be written.
    """
    close()
    _LOGGER.propagate = False
    _LOGGER.setLevel(logging.DEBUG if verbose or path else logging.WARNING)
    terminal = logging.StreamHandler(sys.stderr)
    terminal.setLevel(logging.DEBUG if verbose else logging.WARNING)
    terminal.setFormatter(logging.Formatter("mtf: %(message)s"))
    # Its lines are on the terminal already.
    terminal.addFilter(lambda record: record.name != _OUTPUT.name)
    _LOGGER.addHandler(terminal)
    if path is not None:
        _LOGGER.addHandler(_of_file(path))
        sys.stdout, sys.stderr = _Copied(sys.stdout), _Copied(sys.stderr)


def close() -> None:
    """Write the rest of the output to the file, and let go of it and of the standard streams."""
    for stream in ("stdout", "stderr"):
        if isinstance(copied := getattr(sys, stream), _Copied):
            copied.end_line()
            setattr(sys, stream, copied.stream)
    for handler in list(_LOGGER.handlers):
        _LOGGER.removeHandler(handler)
        with suppress(OSError):
            handler.close()


def _of_file(path: Path) -> logging.Handler:
    try:
        handler = logging.FileHandler(path, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise BadInput(
            f"--log-file {path}: {os.strerror(error.errno or 0).lower()}; name a file in a folder of yours"
        ) from None
    handler.setFormatter(logging.Formatter(_FORMAT))
    return handler


class _Copied:
    """A text stream whose lines go to the log, too. A line that a progress bar overwrites is left out."""

    def __init__(self, stream: IO[str]) -> None:
        self.stream = stream
        self._line = ""

    def write(self, text: str) -> int:
        count = self.stream.write(text)
        *whole, self._line = (self._line + text).split("\n")
        for line in whole:
            self._log(line)
        return count

    def end_line(self) -> None:
        if self._line:
            self._log(self._line)
            self._line = ""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def _log(self, line: str) -> None:
        if (text := line.rsplit("\r", 1)[-1].rstrip()) and "\x1b[2K" not in line:
            _OUTPUT.info("%s", text)
