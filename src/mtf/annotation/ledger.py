"""Ledger: every decision of every reviewer in `data/review/FOLDER/TIME.jsonl`, append-only.

The folder is derived from the reviewer's name (`mtf.annotation.reviewer_name`); each line has the name itself.

Records that are no votes lie in a subfolder: `data/review/NAME/KIND/TIME.jsonl`, read by `records`. Gold answers
(`mtf.annotation.gold`) and pairs of duplicates (`mtf.annotation.pairs`) do.

Each writer (one review session) has its own file. A decision is on disk before `LedgerWriter.append` returns. A file is
not written to again once it is no longer the writer's alone, because DVC has linked it into its cache or put another
file in its place. No writer appends while `exclusive_lock` is held, for example during `dvc add`.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import polars as pl
from pydantic_core import from_json

from mtf.annotation.decision import Decision
from mtf.annotation.ledger_files import complete_lines, is_json, without_future
from mtf.annotation.ledger_lines import SCHEMA, parsed, parsed_line
from mtf.annotation.record import Record
from mtf.annotation.reviewer_name import JOINT_REVIEWER, checked_reviewer, folders_of_any_case, reviewer_folder
from mtf.core.atomic_files import write_bytes
from mtf.core.errors import bad_value

__all__ = [
    "JOINT_REVIEWER",
    "Ledger",
    "LedgerWriter",
    "check_spelling",
    "checked_reviewer",
    "exclusive_lock",
    "read",
    "records",
]

Kind = TypeVar("Kind", bound=Record)


class LedgerWriter:
    """Writer of one reviewer's records in one review session, to a file of its own.

    kind: subfolder for records that are no votes; None for decisions.

    The file is created with the first record. Threads may share a writer. Use it in a `with` statement, or call
    `close`. Raises BadInput if `reviewer` is no permitted name, is the name reserved for the joint session, or is
    spelt otherwise in the ledger.
    """

    def __init__(self, folder: Path, reviewer: str, *, kind: str | None = None) -> None:
        check_spelling(folder, checked_reviewer(reviewer, is_person=True))
        own = folder / reviewer_folder(reviewer)
        self._ledger = folder
        self._folder = own / kind if kind else own
        self._reviewer = reviewer
        self._descriptor: int | None = None
        self._lock = threading.Lock()
        self.path: Path | None = None

    def append(self, *records: Decision | Record) -> None:
        """Append records and flush them to disk: they survive a power failure once this returns.

        On OSError no record of this call remains in the ledger, as far as the disk allows; the call may be repeated.
        """
        if others := {record.reviewer for record in records} - {self._reviewer}:
            raise ValueError(f"this file has the decisions of {self._reviewer}, not of {sorted(others)}")
        if not records:
            return
        data = b"".join(record.line() for record in records)
        with self._lock, _locked(self._ledger, fcntl.LOCK_SH):
            while not self._written(data):
                pass

    def _written(self, data: bytes) -> bool:
        """Append the data; False, with nothing left behind, if the file was replaced or linked meanwhile."""
        descriptor, path = self._own_file()
        before = os.fstat(descriptor).st_size
        try:
            _write_all(descriptor, data)
            os.fsync(descriptor)
        except OSError:
            os.ftruncate(descriptor, before)
            self.close()
            raise
        # A `dvc add` started elsewhere takes no lock: a file that it has stored must keep its digest.
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
def exclusive_lock(folder: Path) -> Generator[None]:
    """Lock that keeps every writer from appending to the ledger in `folder`, for a program that reads files and then
    links them.
    """
    with _locked(folder, fcntl.LOCK_EX):
        yield


@contextmanager
def _locked(folder: Path, kind: int) -> Generator[None]:
    """Lock on the folder itself: a lock file in it would be versioned with the decisions."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, kind)
        yield
    finally:
        os.close(descriptor)


def write_session(folder: Path, decisions: Sequence[Decision]) -> Path:
    """Write a complete session of one reviewer, named by the time of its first decision, for simulated reviews.

    Raises FileExistsError if a session of that name exists.
    """
    reviewers = {decision.reviewer for decision in decisions}
    if len(reviewers) != 1:
        raise ValueError(f"a session has one reviewer, not {sorted(reviewers)}")
    path = folder / reviewer_folder(reviewers.pop()) / f"{_named_by(decisions[0].time)}.jsonl"
    if path.exists():
        raise FileExistsError(path)
    write_bytes(path, b"".join(decision.line() for decision in decisions))
    return path


@dataclass(frozen=True)
class Ledger:
    """Ledger as read from disk.

    decisions: all decisions, oldest first; columns as `ledger_lines.SCHEMA`.
    torn: one line of text for each incomplete line, and each file with decisions from the future: they are ignored.
    """

    decisions: pl.DataFrame
    torn: list[str]


def read(folder: Path) -> Ledger:
    """Read the files of all reviewers.

    An incomplete last line is ignored and reported, as are decisions from the future. Raises BadInput with file, line,
    value and permitted values if any other line is malformed.
    """
    files, torn = [], []
    for path in sorted(folder.glob("*/*.jsonl")):
        name = path.relative_to(folder).as_posix()
        whole, of_file = complete_lines(path, name)
        torn += of_file
        files.append(parsed(whole, name=name, reviewer=path.parent.name))
    decisions, ahead = without_future(pl.concat([pl.DataFrame(schema=SCHEMA), *files]))
    return Ledger(_in_order(decisions), [*torn, *ahead])


def records(folder: Path, kind: str, model: type[Kind]) -> tuple[list[Kind], list[str]]:
    """Records of all reviewers in the subfolders `kind`, oldest first, and a line of text for each torn one.

    Raises BadInput as `read` does.
    """
    found: list[Kind] = []
    torn: list[str] = []
    for path in sorted(folder.glob(f"*/{kind}/*.jsonl")):
        name = path.relative_to(folder).as_posix()
        whole, of_file = complete_lines(path, name)
        lines = whole.split(b"\n")[:-1]
        torn += of_file
        own = path.parent.parent.name
        for number, line in enumerate(lines, 1):
            where = f"{name} line {number}"
            record = parsed_line(line, model, where=where)
            if reviewer_folder(record.reviewer) != own:
                permitted = f"a reviewer whose folder is {own!r}, as this file's"
                raise bad_value(f"{where}: reviewer", record.reviewer, permitted)
            found.append(record)
    return sorted(found, key=lambda record: record.time), torn


def check_spelling(folder: Path, reviewer: str) -> None:
    """Raise BadInput if the ledger has the reviewer under another spelling, such as `Anna` for `anna`."""
    for path in (path for own in folders_of_any_case(reviewer) for path in sorted((folder / own).glob("*.jsonl"))):
        first = path.read_bytes().partition(b"\n")[0]
        known = from_json(first).get("reviewer") if is_json(first) else None
        if isinstance(known, str) and known != reviewer:
            raise bad_value("reviewer", reviewer, f"{known!r}, as the ledger has it, or another name")


def _in_order(decisions: pl.DataFrame) -> pl.DataFrame:
    """Decisions sorted by time, and by line within a file even if its clock ran backwards."""
    return decisions.sort(pl.col("time").cum_max().over("file"), "file", "line")


def _new_file(folder: Path) -> tuple[int, Path]:
    """Create a file under a new name, and flush its folder so that the name is on disk too."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor, path = _exclusively(folder)
    for changed in (folder, folder.parent, folder.parent.parent):
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
    """True if the open file is still the one at `path`, has no other name, and is writable."""
    own = os.fstat(descriptor)
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    same = (own.st_dev, own.st_ino) == (there.st_dev, there.st_ino) and not path.is_symlink()
    return same and own.st_nlink == 1 and bool(own.st_mode & 0o200)


def _is_copied(descriptor: int, path: Path, data: bytes) -> bool:
    """True if `path` is another file that contains the lines: it was copied after they were written."""
    own = os.fstat(descriptor)
    try:
        there = path.stat()
        same = (own.st_dev, own.st_ino) == (there.st_dev, there.st_ino)
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
