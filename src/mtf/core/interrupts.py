"""Interrupts (SIGINT, Ctrl-C): the first ends a command in order, the second at once; each is one line."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from multiprocessing import forkserver
from types import FrameType

EXIT_CODE = 130
_WARNINGS = "PYTHONWARNINGS"
_QUIET_TRACKER = "ignore::UserWarning:multiprocessing.resource_tracker"
AT_ONCE = b"mtf: interrupted again; ended at once, and what is complete is kept\n"


def install() -> None:
    """Let a second interrupt end this process at once, while it still cleans up after the first.

    Only where Python's own handler is in place: a process that was started with SIGINT ignored goes on ignoring it.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _first)


@contextmanager
def ignored() -> Generator[None]:
    """Ignore interrupts. A process that is started meanwhile ignores them for good, so that its parent decides."""
    try:
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    except ValueError:  # not the main thread, which alone may set it
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def start_fork_server(preloaded: Sequence[str] = ()) -> None:
    """Start multiprocessing's fork server, whose workers ignore interrupts: Ctrl-C reaches all processes of a terminal.

    preloaded: modules that it imports, beside the main one, before it forks.

    Its resource tracker clears up after a process that ended at once, and does not warn of it.
    """
    before = os.environ.get(_WARNINGS)
    os.environ[_WARNINGS] = ",".join(filter(None, (before, _QUIET_TRACKER)))
    try:
        if preloaded:
            forkserver.set_forkserver_preload(["__main__", *preloaded])
        with ignored():
            forkserver.ensure_running()
    finally:
        if before is None:
            del os.environ[_WARNINGS]
        else:
            os.environ[_WARNINGS] = before


def kill_workers() -> None:
    """Kill the processes that this one started by multiprocessing. A shard is renamed into place when it is whole."""
    for worker in multiprocessing.active_children():
        worker.kill()


def _first(_signal: int, _frame: FrameType | None) -> None:
    signal.signal(signal.SIGINT, _second)
    raise KeyboardInterrupt


def _second(_signal: int, _frame: FrameType | None) -> None:
    """End without any clean-up: files appear under their names only when they are whole, so nothing half is left."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.write(2, AT_ONCE)
    kill_workers()
    os._exit(EXIT_CODE)
