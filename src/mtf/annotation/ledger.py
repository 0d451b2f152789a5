"""The ledger: every decision of every reviewer, `data/review/NAME/TIME.jsonl`, append-only.

Each sitting writes a file of its own. A decision is on disk before `Sitting.append` returns, and a file that is no
longer this sitting's alone (DVC has linked it into its cache, or put another in its place) is not written to again.
While a version of the folder is taken (`held_still`) nobody writes.
"""

from __future__ import annotations

import fcntl
import os
import re
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
from pydantic_core import from_json

from mtf.annotation.decision import MAX_SLUG, Decision
from mtf.annotation.ledger_lines import SCHEMA, parsed
from mtf.core.atomic_files import write_bytes
from mtf.core.errors import bad_value
from mtf.schemas import SLUG

TOGETHER = "together"


class LedgerWriter:
    """One reviewer's sitting: appends decisions to a file that no other sitting writes to.

    The file is made with the first decision. Safe to share between threads. Raises BadInput where `reviewer` is no
    slug, or the name that stands for all of them; use it in a `with`, or call `close`.
    """

    def __init__(self, folder: Path, reviewer: str) -> None:
        self._folder = folder / checked_reviewer(reviewer, sits=True)
        self._reviewer = reviewer
        self._descriptor: int | None = None
        self._lock = threading.Lock()
        self.path: Path | None = None

    def append(self, *decisions: Decision) -> None:
        """Write the decisions and flush them to the disk: when this returns they survive a power cut.

        On OSError nothing of this call remains in the ledger, as far as the disk allows; it may be tried again.
        """
        if strangers := {decision.reviewer for decision in decisions} - {self._reviewer}:
            raise ValueError(f"this is the sitting of {self._reviewer}, not of {sorted(strangers)}")
        if not decisions:
            return
        data = b"".join(decision.line() for decision in decisions)
        with self._lock, _locked(self._folder.parent, fcntl.LOCK_SH):
            while not self._written(data):
                pass

    def _written(self, data: bytes) -> bool:
        """Append; False, with nothing left behind, where the file was taken from this sitting meanwhile."""
        descriptor, path = self._own_file()
        before = os.fstat(descriptor).st_size
        try:
            _write_all(descriptor, data)
            os.fsync(descriptor)
        except OSError:
            os.ftruncate(descriptor, before)
            self.close()
            raise
        # Somebody else's `dvc add` waits for nobody. What it has taken keeps the digest it was taken under.
        if _is_ours(descriptor, path) or _is_copied(descriptor, path, data):
            return True
        os.ftruncate(descriptor, before)
        self.close()
        return False

    def _own_file(self) -> tuple[int, Path]:
        if self._descriptor is not None and self.path is not None and not _is_ours(self._descriptor, self.path):
            self.close()
        if self._descriptor is None or self.path is None:
            self._descriptor, self.path = _new_file(self._folder)
        return self._descriptor, self.path

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> LedgerWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextmanager
def held_still(folder: Path) -> Generator[None]:
    """While this is held no sitting of the ledger in `folder` writes: for what reads files and then links them."""
    with _locked(folder, fcntl.LOCK_EX):
        yield


@contextmanager
def _locked(folder: Path, kind: int) -> Generator[None]:
    """The folder itself is the lock: a file for it would be versioned with the decisions."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, kind)
        yield
    finally:
        os.close(descriptor)


def write_sitting(folder: Path, decisions: Sequence[Decision]) -> Path:
    """A whole sitting at once, of one reviewer, named by its first decision's time: for simulations.

    Raises FileExistsError where that sitting is there already.
    """
    reviewers = {decision.reviewer for decision in decisions}
    if len(reviewers) != 1:
        raise ValueError(f"a sitting is one reviewer's, not of {sorted(reviewers)}")
    path = folder / reviewers.pop() / f"{_named_by(decisions[0].time)}.jsonl"
    if path.exists():
        raise FileExistsError(path)
    write_bytes(path, b"".join(decision.line() for decision in decisions))
    return path


@dataclass(frozen=True)
class Ledger:
    """All decisions, oldest first (columns as `mtf.annotation.ledger_lines.SCHEMA`), and what was ignored, in one line each."""

    decisions: pl.DataFrame
    torn: list[str]


def read(folder: Path) -> Ledger:
    """All sittings of all reviewers.

    A last line that was torn while it was written is ignored and reported. Raises BadInput with file and line, the
    bad value and what is permitted, where any other line is malformed.
    """
    sittings, torn = [], []
    for path in sorted(folder.glob("*/*.jsonl")):
        name = path.relative_to(folder).as_posix()
        whole, rest = _without_torn_end(path.read_bytes())
        if rest:
            number = whole.count(b"\n") + 1
            torn.append(f"{name} line {number}: torn while it was written, ignored")
        reviewer = checked_reviewer(path.parent.name)
        sittings.append(parsed(whole, name=name, reviewer=reviewer))
    return Ledger(_in_order(sittings), torn)


def checked_reviewer(name: str, *, sits: bool = False) -> str:
    """`name`, if it may name a folder of the ledger, and one who `sits`; raises BadInput where it may not."""
    if not re.fullmatch(SLUG, name) or len(name) > MAX_SLUG:
        raise bad_value("reviewer", name, f"a-z, 0-9, and single - _ . between them; at most {MAX_SLUG}")
    if sits and name == TOGETHER:
        raise bad_value("reviewer", name, "a person's name: this one stands for the joint session")
    return name


def _in_order(sittings: list[pl.DataFrame]) -> pl.DataFrame:
    """By time; within a sitting by line, whatever its clock did."""
    together = pl.concat([pl.DataFrame(schema=SCHEMA), *sittings])
    return together.sort(pl.col("time").cum_max().over("file"), "file", "line")


def _without_torn_end(data: bytes) -> tuple[bytes, bytes]:
    """The whole lines, and what follows them: a last line without its newline, or one that is not JSON."""
    end = data.rfind(b"\n") + 1
    if end < len(data):
        return data[:end], data[end:]
    last = data[:-1].rfind(b"\n") + 1
    return (data, b"") if not data or _is_json(data[last:]) else (data[:last], data[last:])


def _is_json(line: bytes) -> bool:
    try:
        from_json(line)
    except ValueError:
        return False
    return True


def _new_file(folder: Path) -> tuple[int, Path]:
    """Open a file that did not exist, and make sure that its name is on disk too."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor, path = _exclusively(folder)
    for changed in (folder, folder.parent):
        _flush_folder(changed)
    return descriptor, path


def _exclusively(folder: Path) -> tuple[int, Path]:
    stem = _named_by(datetime.now(UTC))
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND
    number = 1
    while True:
        path = folder / (f"{stem}.jsonl" if number == 1 else f"{stem}-{number}.jsonl")
        try:
            return os.open(path, flags, 0o644), path
        except FileExistsError:
            number += 1


def _named_by(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H-%M-%SZ")


def _is_ours(descriptor: int, path: Path) -> bool:
    """True if the open file is still the one at `path`, under this name only and still writable."""
    opened = os.fstat(descriptor)
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    same = (opened.st_dev, opened.st_ino) == (there.st_dev, there.st_ino) and not path.is_symlink()
    return same and opened.st_nlink == 1 and bool(opened.st_mode & 0o200)


def _is_copied(descriptor: int, path: Path, data: bytes) -> bool:
    """True if another file stands at `path`, and it has the lines: it was made after they were written."""
    opened = os.fstat(descriptor)
    try:
        there = path.stat()
        same = (opened.st_dev, opened.st_ino) == (there.st_dev, there.st_ino)
        return not same and data in path.read_bytes()
    except FileNotFoundError:
        return False


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
