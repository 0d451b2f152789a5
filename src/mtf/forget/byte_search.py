"""Search through every byte of files and of git's objects for byte patterns, compressed or not.

Compressed files are searched as they are, and expanded: gzip, bzip2, xz, and the members of a zip. A caller adds
further formats. What cannot be expanded is reported, never skipped in silence.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import subprocess
import zipfile
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from mtf.core.errors import MtfError
from mtf.forget.byte_patterns import BytePatterns
from mtf.forget.committed_outputs import GitObjects

_PIECE_BYTES = 2**22
_MAX_EXPANDED_BYTES = 2**36
_OPENERS: dict[bytes, Callable[[Any], Any]] = {
    b"\x1f\x8b": lambda file: gzip.GzipFile(fileobj=file),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\x00": lzma.LZMAFile,
}
_ZIP = b"PK\x03\x04"
# Formats that hold data compressed and that nothing here expands: file endings.
_CLOSED = {".wt": "WiredTiger, MongoDB's files", ".7z": "7-Zip", ".rar": "RAR", ".h5": "HDF5", ".mdb": "LMDB"}
Pieces = Iterator[bytes]
Expander = Callable[[BinaryIO], Pieces]


@dataclass
class Searched:
    """Result of a search.

    - `found`: place (a path, or an object of git) → kinds of the patterns in it;
    - `closed`: places that could not be searched, with the reason;
    - `files`, `size_bytes`: number of files and git objects that were searched, and of their bytes as they are stored.
    """

    found: dict[str, set[str]] = field(default_factory=dict)
    closed: list[str] = field(default_factory=list)
    files: int = 0
    size_bytes: int = 0


class ByteSearch:
    """Search for `patterns`, with the result in `result`.

    expanders: first bytes of a format → function that yields the expanded contents of a file, in pieces.
    """

    def __init__(self, patterns: BytePatterns, expanders: dict[bytes, Expander] | None = None) -> None:
        self.result = Searched()
        self._patterns = patterns
        self._expanders = expanders or {}
        self._seen: set[tuple[int, int]] = set()

    def folder(self, folder: Path, *, skipped: Collection[Path] = ()) -> None:
        """Search every file below a folder, hidden ones too. A link is not followed; a hard link is searched once."""
        left_out = {os.fspath(each) for each in skipped}
        waiting = [os.fspath(folder)]
        while waiting:
            try:
                with os.scandir(waiting.pop()) as entries:
                    for entry in entries:
                        if entry.path in left_out:
                            continue
                        if entry.is_dir(follow_symlinks=False):
                            waiting.append(entry.path)
                        elif entry.is_file(follow_symlinks=False):
                            self._file(entry)
            except FileNotFoundError:  # another process removed it meanwhile
                continue
            except OSError as error:
                self.result.closed.append(f"{error.filename}: {error.strerror}")

    def _file(self, entry: os.DirEntry[str]) -> None:
        status = entry.stat(follow_symlinks=False)
        if (status.st_dev, status.st_ino) in self._seen:
            return
        if status.st_nlink > 1:
            self._seen.add((status.st_dev, status.st_ino))
        try:
            with open(entry.path, "rb") as file:
                self.file(entry.path, file, status.st_size)
        except FileNotFoundError:
            return
        except OSError as error:
            self.result.closed.append(f"{entry.path}: {error.strerror}")

    def file(self, place: str, file: BinaryIO, size_bytes: int) -> None:
        """Search an open file, as it is stored and expanded."""
        self.result.files += 1
        self.result.size_bytes += size_bytes
        head = file.read(8)
        file.seek(0)
        self._note(place, self._kinds(_read(file)))
        if (why := _CLOSED.get(Path(place).suffix.lower())) is not None:
            self.result.closed.append(f"{place}: {why}")
        for expand in self._expanders_of(head):
            file.seek(0)
            try:
                self._note(place, self._kinds(expand(file)))
            except Exception as error:  # each format raises its own
                why = " ".join(str(error).split())[:120]
                self.result.closed.append(f"{place}: cannot be expanded ({type(error).__name__}: {why})")

    def git_objects(self, root: Path) -> None:
        """Search every object of git, named by a commit or by none, packed or loose."""
        listing = subprocess.run(
            ("git", "cat-file", "--batch-all-objects", "--unordered", "--buffer",
             "--batch-check=%(objecttype) %(objectsize) %(objectname)"),
            cwd=root, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if listing.returncode != 0:
            self.result.closed.append(f"git: {' '.join(listing.stderr.split())[:200]}")
            return
        with GitObjects(root) as objects:
            for kind, size, name in (line.split() for line in listing.stdout.splitlines()):
                self.result.files += 1
                self.result.size_bytes += int(size)
                try:
                    self._note(f"git {kind} {name}", self._patterns.kinds_in(objects.read(name)))
                except MtfError as error:  # an object that nothing names may be broken
                    self.result.closed.append(f"git {kind} {name}: {error}")

    def _note(self, place: str, kinds: set[str]) -> None:
        if kinds:
            self.result.found.setdefault(place, set()).update(kinds)

    def _kinds(self, pieces: Pieces) -> set[str]:
        found: set[str] = set()
        tail, total = b"", 0
        for piece in pieces:
            total += len(piece)
            if total > _MAX_EXPANDED_BYTES:
                raise ValueError(f"more than {_MAX_EXPANDED_BYTES} bytes when expanded")
            data = tail + piece
            found |= self._patterns.kinds_in(data)
            tail = data[len(data) - self._patterns.longest + 1 :] if self._patterns.longest > 1 else b""
        return found

    def _expanders_of(self, head: bytes) -> Iterator[Expander]:
        for start, opener in _OPENERS.items():
            if head.startswith(start):
                yield lambda file, opener=opener: _read(opener(file))
        if head.startswith(_ZIP):
            yield _zip_members
        yield from (expand for start, expand in self._expanders.items() if head.startswith(start))


def _read(file: BinaryIO) -> Pieces:
    while piece := file.read(_PIECE_BYTES):
        yield piece


def _zip_members(file: BinaryIO) -> Pieces:
    with zipfile.ZipFile(file) as archive:
        for member in archive.infolist():
            with archive.open(member) as opened:
                yield from _read(opened)  # ty: ignore[invalid-argument-type]
            yield b"\0"
