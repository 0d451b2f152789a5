"""Runs that a test interrupts: it waits for an event of a run, which may end before, and then kills something."""

from __future__ import annotations

import pickle
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

WAIT_S = 300.0
"""Seconds that an event may take. A driver and its workers each import a stage, on a machine that others use, too."""
_POLL_S = 0.05


def wait_for(event: Callable[[], bool], *, what: str, ended: Callable[[], str | None]) -> None:
    """Wait until `event` is true. Fails after WAIT_S, or at once when the run has ended without it.

    ended: says how the run ended; None while it goes on.
    """
    limit = time.monotonic() + WAIT_S
    while time.monotonic() < limit:
        how = ended()
        if event():
            return
        if how is not None:
            pytest.fail(f"{what} did not happen; the run has ended:\n{how}")
        time.sleep(_POLL_S)
    pytest.fail(f"{what} did not happen in {WAIT_S:.0f} s")


_CALL = """
import pickle, sys
with open(sys.argv[1], "rb") as file:
    function, arguments, options = pickle.load(file)
function(*arguments, **options)
"""


class Driver:
    """Process of Python in a folder, which a test kills."""

    def __init__(self, *arguments: str, cwd: Path) -> None:
        self._output = tempfile.TemporaryFile("w+")  # noqa: SIM115 (open as long as the process runs)
        self._process = subprocess.Popen(
            [sys.executable, *arguments], cwd=cwd, stdout=self._output, stderr=subprocess.STDOUT
        )

    @classmethod
    def of(cls, *command: str, cwd: Path) -> Driver:
        """Process that runs `mtf COMMAND`."""
        return cls("-m", "mtf", *command, cwd=cwd)

    @classmethod
    def calling(cls, function: Callable[..., object], *arguments: object, cwd: Path, **options: object) -> Driver:
        """Process that calls a function of a module."""
        call = cwd / "call.pickle"
        call.write_bytes(pickle.dumps((function, arguments, options)))
        return cls("-c", _CALL, str(call), cwd=cwd)

    def kill_after(self, event: Callable[[], bool], *, what: str) -> None:
        """Kill it once `event` is true. Fails as `wait_for`, with what the process has printed."""
        try:
            wait_for(event, what=what, ended=self._ended)
        finally:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._output.close()

    def output_after(self, event: Callable[[], bool], action: Callable[[], object], *, what: str) -> tuple[int, str]:
        """Do `action` once `event` is true; exit status and output at the end. Fails as `wait_for`."""
        try:
            wait_for(event, what=what, ended=self._ended)
            action()
            status = self._process.wait(WAIT_S)
            self._output.seek(0)
            return status, self._output.read()
        finally:
            self._process.kill()
            self._process.wait()
            self._output.close()

    def _ended(self) -> str | None:
        if self._process.poll() is None:
            return None
        self._output.seek(0)
        return f"exit status {self._process.returncode}\n{self._output.read()}"


@contextmanager
def meanwhile(event: Callable[[], bool], action: Callable[[], object], *, what: str) -> Generator[None]:
    """Do `action` once `event` is true, while the block runs. Fails if the block ends without the event."""
    is_over = threading.Event()
    failures: list[BaseException] = []

    def act() -> None:
        try:
            wait_for(event, what=what, ended=lambda: "it came to its end" if is_over.is_set() else None)
            action()
        except BaseException as error:  # raised in the test's own thread
            failures.append(error)

    thread = threading.Thread(target=act)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
    if failures:
        raise failures[0]
