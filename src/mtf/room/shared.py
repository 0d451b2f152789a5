"""One MongoDB for all rooms of a project: who comes first runs it, and when that one leaves another goes on with it."""

from __future__ import annotations

import time
from pathlib import Path

from mtf.errors import MtfError
from mtf.room.database import LAST_PORT, START_S, Database, answers, free_port, is_free
from mtf.room.hold import Hold

# How long the server of a room that was killed may take to end, and keep its port and its files until then.
ENDING_S = 10.0
STARTING = "starting after "


class SharedDatabase:
    """The server whose files lie in `folder`: this process's own, or that of another room which is open.

    Its port stays the same whoever runs it, so that no app has to be told. To be used from one thread, whose end is
    that of the server.
    """

    name = "the database"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._hold = Hold(folder.with_name("database.open"))
        self._own: Database | None = None
        self._port: int | None = None

    @property
    def uri(self) -> str:
        return f"mongodb://127.0.0.1:{self._port}"

    def is_running(self) -> bool:
        if self._own is not None:
            return self._own.is_running()
        return self._port is not None and answers(self._port)

    def start(self) -> None:
        """Return when it answers, whoever runs it; run it where nobody does. Raises MtfError where it does not."""
        until = time.monotonic() + START_S
        while not self._hold.take():
            port = _port_of(self._hold.said())
            if port is not None and self._port in (None, port) and answers(port):
                self._port = port
                return
            if time.monotonic() > until:
                raise MtfError("the database of another room does not answer; close the rooms of this project first")
            time.sleep(0.05)
        self._run()

    def stop(self) -> None:
        """Leave it. Where it is this process's own it ends, and another room may go on with it."""
        if self._own is not None:
            self._own.stop()
            self._own = None
        self._hold.release()

    def _run(self) -> None:
        if self._own is None:
            before = self._hold.said().removeprefix(STARTING)
            # The port before is no longer one to join, but it is the one that rooms left behind know.
            self._hold.say(STARTING + before)
            self._port = self._port or _free_again(_port_of(before)) or free_port()
            self._own = Database(self._folder, self._port)
        until = time.monotonic() + ENDING_S
        while True:
            try:
                self._own.start()
                break
            except MtfError:
                if time.monotonic() > until:
                    raise
            time.sleep(0.2)
        self._hold.say(str(self._port))


def _port_of(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and 0 < int(text) <= LAST_PORT else None


def _free_again(port: int | None) -> int | None:
    """`port`, when the server that had it has ended; None where it does not, as another program has it."""
    until = time.monotonic() + ENDING_S
    while port is not None and not is_free(port):
        if time.monotonic() > until:
            return None
        time.sleep(0.05)
    return port
