"""Keeps the room open: a database, and an app for each reviewer, each started again where it dies.

FiftyOne's app has one state for all browsers that are on it: what one opens, the others are taken to. So each
reviewer has an app process on a port of its own, and nobody comes to decide in another's name by accident. On purpose
anybody can who reaches the port: there is no password.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from mtf.errors import MtfError
from mtf.room.database import URI, Database, answers, ends_with_its_parent, free_port

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
        self._process = subprocess.Popen(
            self._command,
            env=self._environment,
            start_new_session=True,
            preexec_fn=ends_with_its_parent,  # noqa: PLW1509 (it calls the kernel once, and takes no lock)
        )

    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def answers(self) -> bool:
        everywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 (compared, not bound)
        return answers(self.port, everywhere.get(self._address, self._address))

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
    """Hold the room open until the terminal ends it (Ctrl-C, SIGTERM, or the terminal's closing).

    The first reviewer's app listens on `port`, the second's on the next, and so on; 0 takes free ones. `is_ready`
    is called with each reviewer's port when all answer. `folder` is for the database's files. Raises MtfError where
    one of the reviews is open already, where the database or an app cannot be started, or does not stay up.
    """
    ports = {name: port + number if port else free_port() for number, name in enumerate(reviewers)}
    own = None if URI in os.environ else Database(folder)
    handlers = {signal.SIGTERM: _interrupt}
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup asks for that
        handlers[signal.SIGHUP] = _hang_up
    before = {name: signal.signal(name, handler) for name, handler in handlers.items()}
    apps: list[App] = []
    try:
        with ExitStack() as held:
            names = ["together"] if joint else reviewers
            for name in [*(["database"] if own is not None else []), *names]:
                held.enter_context(_alone(folder.parent, name, reviewers, joint=joint))
            if taken := [one for one in ports.values() if answers(one, address)]:
                raise MtfError(f"port {taken[0]} is taken by another program (another one: --port)")
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
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)


@contextmanager
def _alone(folder: Path, what: str, reviewers: Sequence[str], *, joint: bool) -> Generator[None]:
    """Hold `what` for this process. Raises MtfError that names the process which has it, and how to go on."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{what}.open").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise MtfError(_how_to_go_on(file.read(), [] if joint else reviewers)) from None
        file.truncate(0)
        since = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
        who = "the joint session" if joint else ", ".join(reviewers)
        held = f"for {who}, by process {os.getpid()} since {since}"
        file.write("\n".join([held, *([] if joint else reviewers)]))
        file.flush()
        yield


def _how_to_go_on(held: str, reviewers: Sequence[str]) -> str:
    """`held`: what the holder wrote, and below it the reviewers whose room it is (none: the joint session)."""
    holder, *there = held.split("\n")
    stop = f"the room is open already, {holder}; stop it there with Ctrl-C"
    if not there or set(reviewers) <= set(there):
        return stop
    everyone = " ".join(f"--reviewer {name}" for name in dict.fromkeys([*there, *reviewers]))
    return f"{stop}, then open it for all: `mtf review open {everyone}`"


def _interrupt(_: int, __: FrameType | None) -> None:
    raise KeyboardInterrupt


def _hang_up(_: int, __: FrameType | None) -> None:
    """The terminal is gone: what is still to be done is done without a word."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for output in (1, 2):
        os.dup2(nowhere, output)
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
