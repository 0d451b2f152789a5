"""Supervisor of the review app: runs a database and one FiftyOne app per reviewer, and restarts those that die.

FiftyOne shares its state between all browsers of one app: if one opens something, the others follow. So each reviewer
has an app process on its own port, and nobody decides in another's name by accident. There is no password: anybody who
reaches a port can do so on purpose.

The first command of a project owns the database; later ones join it and end with it
(`mtf.review_app.processes.ownership`). From a terminal with a display the page is opened in a browser.
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

from mtf.annotation.ledger import JOINT_REVIEWER
from mtf.core.errors import MtfError
from mtf.core.file_lock import ProcessLock
from mtf.review_app.processes.child_process import Child
from mtf.review_app.processes.mongodb import LAST_PORT, URI, answers, free_port, is_free
from mtf.review_app.processes.ownership import ReviewDatabase, review_database
from mtf.review_app.review_lock import certification_of, lock_review

PORT = 5151
START_S = 600.0
STOP_S = 15.0
RESTARTS = 20
# A process that lives this long has recovered from the last death.
STEADY_S = 60.0


class App(Child):
    """Process of `mtf.review_app.fiftyone.app` for one reviewer; it answers once the data set is ready."""

    def __init__(
        self,
        root: Path,
        reviewer: str,
        *,
        joint: bool,
        address: str,
        port: int,
        uri: str,
        certifies: bool = False,
        looks_last: bool = False,
    ) -> None:
        place = ["--root", str(root), "--address", address, "--port", str(port)]
        session_options = ["--reviewer", reviewer, *(["--joint"] if joint else [])]
        session_options += ["--certify"] if certifies else []
        session_options += ["--last-look"] if looks_last else []
        command = [sys.executable, "-m", "mtf.review_app.fiftyone.app", *place, *session_options]
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
    certifies: bool = False,
    looks_last: bool = False,
) -> None:
    """Keep the review app open until it is interrupted (`until_interrupted`).

    root: the project's folder.
    reviewers: reviewers, each with an app of their own.
    joint: open the joint session.
    address: address to listen on.
    port: port of the first reviewer, the next ones follow; 0 takes any free ports, None the first free ones from PORT
        on.
    is_ready: called with each reviewer's port when all apps answer.
    folder: build/room.
    certifies: ask the questions of the certificate instead of the review's.
    looks_last: show all accepted faces of each person instead of the review's pages.

    Raises MtfError if one of the reviews is open already, a port is taken, the database or an app cannot be started or
    keeps dying, or the owner of the database ends.
    """
    apps: list[App] = []
    with ExitStack() as locks:
        for name in [JOINT_REVIEWER] if joint else reviewers:
            locks.enter_context(lock_review(folder, certification_of(name) if certifies else name))
        ports = locks.enter_context(_ports(folder, reviewers, port, address))
        database = locks.enter_context(review_database(folder))
        try:
            for name, one in ports.items():
                modes = {"joint": joint, "certifies": certifies, "looks_last": looks_last}
                apps.append(App(root, name, **modes, address=address, port=one, uri=database.uri))
                apps[-1].start()
            _wait_for(apps, database)
            is_ready(ports)
            _watch([database, *apps])
        finally:
            for app in apps:
                app.terminate()
            for app in apps:
                app.stop()


@contextmanager
def until_interrupted() -> Generator[None]:
    """Run the block until Ctrl-C, SIGTERM or the end of the terminal.

    Further signals are ignored, so that the block can end its processes in order.
    """
    names = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup asks for that
        names.append(signal.SIGHUP)

    def end(number: int, _: FrameType | None) -> None:
        for name in names:
            signal.signal(name, signal.SIG_IGN)
        if number == signal.SIGHUP:
            _discard_output()
        raise KeyboardInterrupt

    before = {name: signal.signal(name, end) for name in names}
    try:
        with suppress(KeyboardInterrupt):
            yield
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)


def _discard_output() -> None:
    """Send all further output to /dev/null, since the terminal is gone."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for output in (1, 2):
        os.dup2(nowhere, output)


@contextmanager
def _ports(folder: Path, reviewers: Sequence[str], port: int | None, address: str) -> Generator[dict[str, int]]:
    """Port of each reviewer, locked for the block: the app of another command may not listen on its port yet.

    Raises MtfError if `port` is given and taken, or `address` is not an address of this machine.
    """
    ports: dict[str, int] = {}
    with ExitStack() as locks:
        for one in _candidates(len(reviewers), port):
            lock = ProcessLock(folder / f"port-{one}.open")
            if is_free(one, address) and lock.take():
                locks.callback(lock.release)
                ports[reviewers[len(ports)]] = one
            elif port:
                raise MtfError(f"port {one} is taken by another program or review app; choose another one with --port")
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


def _wait_for(apps: Sequence[App], database: ReviewDatabase) -> None:
    """Wait until all apps answer; an app that ended for lack of its database is restarted once."""
    until = time.monotonic() + START_S
    excused: set[App] = set()
    while not all(app.answers() for app in apps):
        if not database.is_running():
            _restart(database)
            excused = set(apps)
        for app in apps:
            if not app.is_running():
                if app not in excused:
                    raise MtfError("the app did not start; its error is printed above")
                excused.remove(app)
                app.start()
        if time.monotonic() > until:
            raise MtfError(f"the app did not answer within {START_S:.0f} s")
        time.sleep(0.1)


def _watch(parts: Sequence[App | ReviewDatabase]) -> None:
    """Restart processes that die; raises MtfError after RESTARTS deaths in a row."""
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
            _restart(part)


def _restart(part: App | ReviewDatabase) -> None:
    print(f"mtf: {part.name} stopped, {part.remedy}", file=sys.stderr)
    part.start()


def open_browser(url: str) -> bool:
    """Open the page in the user's browser; False, with nothing done, without a terminal or a display."""
    if not (sys.stdout.isatty() and has_display(os.environ, sys.platform)):
        return False
    try:
        return webbrowser.open(url)
    except webbrowser.Error:
        return False


def has_display(environment: Mapping[str, str], platform: str) -> bool:
    """True if a window opened here appears in front of the user, which it does not over SSH.

    `platform` is `sys.platform`.
    """
    if "SSH_CONNECTION" in environment or "SSH_TTY" in environment:
        return False
    return platform in ("darwin", "win32") or bool(environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY"))
