"""Spool: downloaded bytes until their shard is written, some in memory and the others on disk, to bound memory."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from mtf.core import system_errors

Reader = Callable[[], bytes]


class _InMemory:
    """Reader of bytes in memory; they no longer count when nobody holds it."""

    def __init__(self, data: bytes, spool: Spool) -> None:
        self._data = data
        self._spool = spool
        spool.in_memory_bytes += len(data)

    def __call__(self) -> bytes:
        return self._data

    def __del__(self) -> None:
        self._spool.in_memory_bytes -= len(self._data)


class Spool:
    """Nameless temporary file in `folder`, which disappears even after a kill; for use in a `with`.

    memory_bytes: up to so many bytes are kept in memory, those that came first.
    """

    def __init__(self, folder: Path, *, memory_bytes: int = 0) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / "spool"  # for messages
        self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115 (closed by `__exit__`)
        self._size_bytes = 0
        self._memory_bytes = memory_bytes
        self.in_memory_bytes = 0

    def add(self, data: bytes) -> Reader:
        """Keep `data`; return a function that reads it while the spool is open.

        Raises OSError, with the folder's name, if its disk is full.
        """
        if self.in_memory_bytes + len(data) <= self._memory_bytes:
            return _InMemory(data, self)
        offset = self._size_bytes
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            raise system_errors.naming(error, self._path) or error from None
        self._size_bytes += len(data)
        return partial(self._read, len(data), offset)

    def _read(self, size_bytes: int, offset: int) -> bytes:
        # `fileno` refuses a closed file; a bare descriptor might by then be another's.
        return os.pread(self._file.fileno(), size_bytes, offset)

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
