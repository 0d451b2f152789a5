"""Ownership of a project's review app: the first command runs its MongoDB, later ones join until it ends.

A kernel lock on `room.open` marks the owner, so that one of two commands that start together gets it, and a killed
owner loses it. `owner.json` beside it tells the others MongoDB's socket. Commands send each other nothing: each runs
the apps of its own reviewers, and opens and closes no others.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Protocol

import psutil

from mtf.core.atomic_files import write_json
from mtf.core.errors import MtfError
from mtf.core.file_lock import ProcessLock
from mtf.review_app.processes.mongodb import START_S, STOP_S, URI, Database, listens, probe, uri_of

# An owner may have to end the server of a killed one before it starts its own.
JOIN_S = START_S + 2 * STOP_S
ON_DISK = "every confirmed decision is on disk; run the same command again to go on"


class ReviewDatabase(Protocol):
    """MongoDB that a command's apps use.

    name: name in messages.
    remedy: action named in the message when it has stopped.
    """

    name: str
    remedy: str

    @property
    def uri(self) -> str: ...

    def is_running(self) -> bool:
        """True while it answers; raises MtfError if it will not come back."""
        ...

    def start(self) -> None:
        """Return once it answers; raises MtfError if it does not."""
        ...


class ExternalDatabase:
    """Server that `FIFTYONE_DATABASE_URI` names, which nobody here owns; raises MtfError if it does not answer."""

    name = "the database"
    remedy = "waiting for it"

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self.start()

    def is_running(self) -> bool:
        """Always true: whoever set up the server looks after it."""
        return True

    def start(self) -> None:
        host, is_there = probe(self.uri)
        if not is_there:
            raise MtfError(f"{URI}: no MongoDB answers at {host}; start it, or unset the variable")


class Owner(NamedTuple):
    """Command that owns a project's review app, as in `owner.json`.

    host: its machine.
    pid: its process.
    socket: path of MongoDB's socket on that machine, which the owner's account alone can open.
    """

    host: str
    pid: int
    socket: str

    def is_alive(self) -> bool:
        try:
            return psutil.Process(self.pid).status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    def is_own_account(self) -> bool:
        """False if it runs under another account than this process."""
        try:
            return psutil.Process(self.pid).uids().real == os.getuid()
        except psutil.NoSuchProcess:
            return True


class JoinedDatabase:
    """Server that another command owns; `record` is the path of its `owner.json`."""

    name = "the review app's database"
    remedy = "waiting for its owner to start it again"

    def __init__(self, owner: Owner, record: Path) -> None:
        self.owner, self._record = owner, record

    @property
    def uri(self) -> str:
        return uri_of(Path(self.owner.socket))

    def is_running(self) -> bool:
        """True while the server answers; raises MtfError if the owner closed the review app or was killed."""
        if owner_in(self._record) != self.owner:
            raise MtfError(f"process {self.owner.pid}, which owned this project's review app, has closed it; {ON_DISK}")
        if not self.owner.is_alive():
            raise MtfError(f"process {self.owner.pid}, which owned this project's review app, was killed; {ON_DISK}")
        return listens(Path(self.owner.socket))

    def start(self) -> None:
        """Wait until the owner has started it; raises MtfError if the owner ends or does not start it."""
        until = time.monotonic() + START_S
        while not self.is_running():
            if time.monotonic() > until:
                raise MtfError(f"MongoDB of process {self.owner.pid} does not answer; {ON_DISK}")
            time.sleep(0.05)


@contextmanager
def review_database(folder: Path) -> Generator[ReviewDatabase]:
    """Context manager: a MongoDB that answers, for the apps of this command; stopped at the end if this command owns
    it.

    `folder` is build/room. Raises MtfError if it cannot be started, or if its owner is on another machine or does not
    answer.
    """
    if uri := os.environ.get(URI):
        yield ExternalDatabase(uri)
        return
    lock, record = ProcessLock(folder / "room.open"), folder / "owner.json"
    joined = _own_or_join(lock, record)
    if joined is not None:
        print(
            f"This review app belongs to process {joined.owner.pid}, which opened it first: it ends with that process."
        )
        yield joined
        return
    try:
        with _own_database(folder / "mongodb", record) as database:
            yield database
    finally:
        lock.release()


def _own_or_join(lock: ProcessLock, record: Path) -> JoinedDatabase | None:
    """Joined database, or None if this process took the lock and so is the owner."""
    until = time.monotonic() + JOIN_S
    while not lock.take():
        owner = owner_in(record)
        if owner is not None and owner.host != socket.gethostname():
            raise MtfError(
                f"process {owner.pid} on {owner.host} has this project's review app open; join it on that machine"
            )
        if owner is not None and owner.is_alive() and listens(Path(owner.socket)):
            return JoinedDatabase(owner, record)
        if owner is not None and owner.is_alive() and not owner.is_own_account():
            raise MtfError(
                f"process {owner.pid} of another account has this project's review app open; only that account can "
                "join it. Wait until it is closed, or use `mtf review decide`"
            )
        if time.monotonic() > until:
            raise MtfError("another command has this project's review app open and does not answer; end it there first")
        time.sleep(0.05)
    return None


@contextmanager
def _own_database(folder: Path, record: Path) -> Generator[Database]:
    """Server on the files in `folder`; `record` names it while it may be joined."""
    record.unlink(missing_ok=True)  # a killed owner's
    database = Database(folder)
    try:
        database.end_left_behind()
        database.start()
        write_json(record, Owner(socket.gethostname(), os.getpid(), str(database.socket))._asdict())
        yield database
    finally:
        record.unlink(missing_ok=True)
        database.stop()


def owner_in(record: Path) -> Owner | None:
    """Owner in the file at `record`; None if there is no file, or not one of this program."""
    try:
        owner = Owner(**json.loads(record.read_bytes()))
    except (OSError, ValueError, TypeError):
        return None
    is_whole = isinstance(owner.pid, int) and owner.pid > 0 and isinstance(owner.socket, str)
    return owner if is_whole else None
