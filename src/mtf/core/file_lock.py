"""File locks that say who holds them, until the process ends, however it ends."""

from __future__ import annotations

from pathlib import Path

from filelock import FileLock, Timeout

from mtf.core.errors import MtfError


class ProcessLock:
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
