"""Keeps the room open: a database, and an app for each reviewer, each started again where it dies.

FiftyOne's app has one state for all browsers that are on it: what one opens, the others are taken to. So each
reviewer has an app process on a port of its own, and nobody comes to decide in another's name by accident. On purpose
anybody can who reaches the port: there is no password. The first command of a project owns the database; later ones
run the apps of their own reviewers on it, and end with the first (`mtf.review_app.processes.ownership`).

Taking a person who opens the room to its page, where there is somebody at a screen to be taken there.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
import time
import webbrowser
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import FrameType

from mtf.annotation.ledger import TOGETHER
from mtf.core.errors import MtfError
from mtf.core.file_lock import ProcessLock
from mtf.review_app.processes.child_process import Child
from mtf.review_app.processes.mongodb import LAST_PORT, URI, answers, free_port, is_free
from mtf.review_app.processes.ownership import RoomDatabase, room_database
from mtf.review_app.review_lock import alone

PORT = 5151
START_S = 600.0
STOP_S = 15.0
RESTARTS = 20
# A process that lives this long has recovered from what killed the one before.
STEADY_S = 60.0


class App(Child):
    """The process of `mtf.review_app.fiftyone.app`, for one reviewer of a project; it answers when the data sets are ready."""

    def __init__(self, root: Path, reviewer: str, *, joint: bool, address: str, port: int, uri: str) -> None:
        place = ["--root", str(root), "--address", address, "--port", str(port)]
        whose = ["--reviewer", reviewer, *(["--joint"] if joint else [])]
        command = [sys.executable, "-m", "mtf.review_app.fiftyone.app", *place, *whose]
        super().__init__(f"the app of {reviewer}", command, environment={**os.environ, URI: uri}, stop_s=STOP_S)
        self._address, self.port = address, port

    def answers(self) -> bool:
        everywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 (compared, not bound)
        return answers(self.port, everywhere.get(self._address, self._address))


def keep_open(
    root: Path,
    reviewers: list[str],
    *,
    joint: bool,
    address: str,
    port: int | None,
    is_ready: Callable[[dict[str, int]], None],
    folder: Path,
) -> None:
    """Hold the room open until it is interrupted (`until_told`).

    The first reviewer's app listens on `port`, the second's on the next, and so on; 0 takes any free ones, None the
    first free ones from PORT on. `is_ready` is called with each reviewer's port when all answer. `folder` is
    build/room. Raises MtfError where one of the reviews is open already, where a port is taken, where the database or
    an app cannot be started, or does not stay up, and where another command owns the room and ends.
    """
    apps: list[App] = []
    with ExitStack() as held:
        for name in [TOGETHER] if joint else reviewers:
            held.enter_context(alone(folder, name))
        ports = held.enter_context(_ports(folder, reviewers, port, address))
        database = held.enter_context(room_database(folder))
        try:
            for name, one in ports.items():
                apps.append(App(root, name, joint=joint, address=address, port=one, uri=database.uri))
                apps[-1].start()
            _wait_for(apps, database)
            is_ready(ports)
            _watch([database, *apps])
        finally:
            for app in apps:
                app.tell_to_stop()
            for app in apps:
                app.stop()


@contextmanager
def until_told() -> Generator[None]:
    """The block is interrupted when the terminal says so: by Ctrl-C, SIGTERM, or its closing. Said again, nothing more
    happens, so that what the block does to end in order is done.
    """
    names = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup asks for that
        names.append(signal.SIGHUP)

    def end(number: int, _: FrameType | None) -> None:
        for name in names:
            signal.signal(name, signal.SIG_IGN)
        if number == signal.SIGHUP:
            _say_nothing_more()
        raise KeyboardInterrupt

    before = {name: signal.signal(name, end) for name in names}
    try:
        with suppress(KeyboardInterrupt):
            yield
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)


def _say_nothing_more() -> None:
    """The terminal is gone."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for output in (1, 2):
        os.dup2(nowhere, output)


@contextmanager
def _ports(folder: Path, reviewers: Sequence[str], port: int | None, address: str) -> Generator[dict[str, int]]:
    """Each reviewer's port. They are held, for an app that another room of the project is starting does not listen yet.

    Raises MtfError where `port` is named and not to be had, or `address` is not this machine's.
    """
    ports: dict[str, int] = {}
    with ExitStack() as held:
        for one in _candidates(len(reviewers), port):
            hold = ProcessLock(folder / f"port-{one}.open")
            if is_free(one, address) and hold.take():
                held.callback(hold.release)
                ports[reviewers[len(ports)]] = one
            elif port:
                raise MtfError(f"port {one} is taken by another program or room (another one: --port)")
            if len(ports) == len(reviewers):
                break
        yield ports


def _candidates(count: int, port: int | None) -> Iterable[int]:
    if port is None:
        return range(PORT, LAST_PORT + 1)
    if port == 0:
        return (free_port() for _ in itertools.count())
    if port + count - 1 > LAST_PORT:
        raise MtfError(f"--port {port} leaves no port for {count} reviewers; permitted: 1 to {LAST_PORT - count + 1}")
    return range(port, port + count)


def _wait_for(apps: Sequence[App], database: RoomDatabase) -> None:
    """Until all answer. An app that ended for want of its database is started once more when that is there again."""
    until = time.monotonic() + START_S
    excused: set[App] = set()
    while not all(app.answers() for app in apps):
        if not database.is_running():
            _start_again(database)
            excused = set(apps)
        for app in apps:
            if not app.is_running():
                if app not in excused:
                    raise MtfError("the app did not start; why stands above")
                excused.remove(app)
                app.start()
        if time.monotonic() > until:
            raise MtfError(f"the app did not answer within {START_S:.0f} s")
        time.sleep(0.1)


def _watch(parts: Sequence[App | RoomDatabase]) -> None:
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
            _start_again(part)


def _start_again(part: App | RoomDatabase) -> None:
    print(f"mtf: {part.name} stopped, {part.remedy}", file=sys.stderr)
    part.start()


def open_browser(url: str) -> bool:
    """Open the page in the person's browser; False, with nothing done, where there is none to be seen."""
    if not (sys.stdout.isatty() and has_display(os.environ, sys.platform)):
        return False
    try:
        return webbrowser.open(url)
    except webbrowser.Error:
        return False


def has_display(environment: Mapping[str, str], platform: str) -> bool:
    """Whether a window opened here would be in front of who asks for it: not at the other end of an SSH session.

    `platform` as in `sys.platform`.
    """
    if "SSH_CONNECTION" in environment or "SSH_TTY" in environment:
        return False
    return platform in ("darwin", "win32") or bool(environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY"))
