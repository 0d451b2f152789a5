"""Thumbnails of files that may be hostile, made in a process of its own with limits on time and memory."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from mtf.image_diff import decoder

MAX_FILE_BYTES = 64 * 2**20


class Thumbnails:
    """Maker of thumbnails, for use in a `with`."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._end()

    def of(self, data: bytes) -> bytes | None:
        """Thumbnail as a small JPEG file; None for a file that is no picture, is too large or costs too much."""
        if len(data) > MAX_FILE_BYTES:
            return None
        process = self._started()
        assert process.stdin is not None and process.stdout is not None  # noqa: S101 (both are pipes)
        try:
            process.stdin.write(decoder.LENGTH.pack(len(data)) + data)
            process.stdin.flush()
            length = process.stdout.read(decoder.LENGTH.size)
            made = process.stdout.read(decoder.LENGTH.unpack(length)[0]) if len(length) == decoder.LENGTH.size else b""
        except OSError:  # the process has ended
            made, length = b"", b""
        if len(length) != decoder.LENGTH.size:
            self._end()
        return made or None

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            command = (sys.executable, "-I", str(Path(decoder.__file__)))
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        return self._process

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    with suppress(OSError):  # what is left in the buffer has no reader
                        pipe.close()
            self._process.wait()
            self._process = None
