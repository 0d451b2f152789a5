"""Child process of the review app: ends with its parent, and can be restarted."""

from __future__ import annotations

import ctypes
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence


class Child:
    """Child process that runs a command.

    name: name in messages to the user.
    command: program and arguments.
    stop_s: seconds to end in before it is killed.
    environment: environment variables; by default those of this process.
    quiet: discard its output.
    """

    remedy = "starting it again"

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        stop_s: float,
        environment: Mapping[str, str] | None = None,
        quiet: bool = False,
    ) -> None:
        self.name = name
        self._command = list(command)
        self._stop_s = stop_s
        self._environment = environment
        self._output = subprocess.DEVNULL if quiet else None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        # A session of its own: Ctrl-C in the terminal is for the supervisor, which then stops its processes in order.
        self._process = subprocess.Popen(
            self._command,
            env=self._environment,
            stdout=self._output,
            start_new_session=True,
            preexec_fn=_ends_with_its_parent,  # noqa: PLW1509 (it calls the kernel once, and takes no lock)
        )

    def terminate(self) -> None:
        """Ask the process to end, without waiting, so that several can end at the same time."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def stop(self) -> None:
        """End the process and wait until it is gone."""
        self.terminate()
        if self._process is not None:
            try:
                self._process.wait(self._stop_s)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


def _ends_with_its_parent() -> None:
    """Make Linux end this new process when the thread that started it is gone, however it ended.

    On other systems nothing happens: a review app that is killed leaves its servers behind.
    """
    if _libc is not None:
        _libc.prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGTERM)


_SET_PARENT_DEATH_SIGNAL = 1
# Loaded at import, since nothing may be loaded between fork and exec.
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None
