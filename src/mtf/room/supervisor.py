"""Keeps the room open: a database, and an app for each reviewer, each started again where it dies.

FiftyOne's app has one state for all browsers that are on it: what one opens, the others are taken to. So each
reviewer has an app process on a port of its own, and nobody can come to decide in another's name.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

from mtf.errors import MtfError
from mtf.room.database import URI, Database, answers, free_port

START_S = 600.0
STOP_S = 15.0
RESTARTS = 20
# A process that lives this long has recovered from what killed the one before.
STEADY_S = 60.0


class App:
    """The process of `mtf.room.app`, for one reviewer of a project."""

    def __init__(self, root: Path, reviewer: str, *, joint: bool, address: str, port: int, uri: str) -> None:
        named = ["--reviewer", reviewer]
        together = ["--joint"] if joint else []
        place = ["--root", str(root), "--address", address, "--port", str(port)]
        self._command = [sys.executable, "-m", "mtf.room.app", *place, *named, *together]
        self._environment = {**os.environ, URI: uri}
        self._address, self.port = address, port
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start the process; it answers when the data sets are ready."""
        self._process = subprocess.Popen(self._command, env=self._environment, start_new_session=True)

    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def answers(self) -> bool:
        wildcard = self._address in ("0.0.0.0", "::")  # noqa: S104 (compared, not bound)
        return answers(self.port, "127.0.0.1" if wildcard else self._address)

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


def keep_open(
    root: Path,
    reviewers: list[str],
    *,
    joint: bool,
    address: str,
    port: int,
    is_ready: Callable[[dict[str, int]], None],
    folder: Path,
) -> None:
    """Hold the room open until the terminal ends it (Ctrl-C, or SIGTERM).

    The first reviewer's app listens on `port`, the second's on the next, and so on; 0 takes free ones. `is_ready`
    is called with each reviewer's port when all answer. `folder` is for the database's files. Raises MtfError where
    the database or an app cannot be started, or does not stay up.
    """
    ports = {name: port + number if port else free_port() for number, name in enumerate(reviewers)}
    if taken := [one for one in ports.values() if answers(one, address)]:
        raise MtfError(f"port {taken[0]} is taken; is the room open already? (another one: --port)")
    own = None if URI in os.environ else Database(folder)
    before = signal.signal(signal.SIGTERM, _interrupt)
    apps: list[App] = []
    try:
        if own is not None:
            own.start()
        uri = own.uri if own is not None else os.environ[URI]
        for name, one in ports.items():
            apps.append(App(root, name, joint=joint, address=address, port=one, uri=uri))
            apps[-1].start()
        _wait_for(apps)
        is_ready(ports)
        _watch([*apps, *([own] if own is not None else [])])
    except KeyboardInterrupt:
        pass
    finally:
        for app in apps:
            app.stop()
        if own is not None:
            own.stop()
        signal.signal(signal.SIGTERM, before)


def _interrupt(_: int, __: FrameType | None) -> None:
    raise KeyboardInterrupt


def _wait_for(apps: Sequence[App]) -> None:
    until = time.monotonic() + START_S
    while not all(app.answers() for app in apps):
        if not all(app.is_running() for app in apps):
            raise MtfError("the app did not start; what it said stands above")
        if time.monotonic() > until:
            raise MtfError(f"the app did not answer within {START_S:.0f} s")
        time.sleep(0.1)


def _watch(parts: Sequence[App | Database]) -> None:
    """Start again what died; give up on what dies again and again."""
    deaths, last = 0, time.monotonic()
    while True:
        time.sleep(0.3)
        gone = [part for part in parts if not part.is_running()]
        if not gone:
            continue
        now = time.monotonic()
        deaths, last = (deaths + 1 if now - last < STEADY_S else 1), now
        if deaths > RESTARTS:
            raise MtfError("the app or its database dies again and again; every confirmed decision is in the ledger")
        for part in gone:
            print(f"mtf: {type(part).__name__.lower()} stopped, starting it again", file=sys.stderr)
            part.start()
