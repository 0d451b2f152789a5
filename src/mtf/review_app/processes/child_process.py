"""A process that serves the room: it ends with the one that started it, and can be started again."""

from __future__ import annotations

import ctypes
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence


class Child:
    """The process of `command`. `name` is what a person is told that has stopped; `stop_s` how long it may take to end.

    `environment` is this process's own where it is not given; a `quiet` one's output goes nowhere.
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
        # A session of its own: Ctrl-C in the terminal is for the room, which then stops its parts in order.
        self._process = subprocess.Popen(
            self._command,
            env=self._environment,
            stdout=self._output,
            start_new_session=True,
            preexec_fn=_ends_with_its_parent,  # noqa: PLW1509 (it calls the kernel once, and takes no lock)
        )

    def tell_to_stop(self) -> None:
        """Do not wait for it: there may be others to be told."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def stop(self) -> None:
        """Returns when it is gone."""
        self.tell_to_stop()
        if self._process is not None:
            try:
                self._process.wait(self._stop_s)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


def _ends_with_its_parent() -> None:
    """To be run in a new process: Linux tells it to end when the thread that started it is gone, however it went.

    Elsewhere nothing happens: a room that is killed leaves its servers behind.
    """
    if _libc is not None:
        _libc.prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGTERM)


_SET_PARENT_DEATH_SIGNAL = 1
# Loaded here: between fork and exec nothing may be.
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None
