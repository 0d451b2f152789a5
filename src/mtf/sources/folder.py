"""Folder source: pictures in a folder or an uncompressed tar, named by the roster's column `files`.

`files` holds names or patterns, separated by `;`. An existing name is taken literally; else `*`, `?` and `[…]` are
patterns over the whole name (`*` also matches `/`). A `;` in a name, and a blank at its begin or end, stand after a
backslash. Letters match in any form of Unicode; if a folder has a name in two forms, each is a file of its own.

No file outside the folder is ever opened: absolute names, `..`, links and names that are not UTF-8 are refused. The
address of a file is `file:PATH/NAME`, percent-encoded; `mtf.sources.local_sources` makes it relative to the source.
"""

from __future__ import annotations

import os
import posixpath
import re
import tarfile
import unicodedata
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import translate
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal
from urllib.parse import quote, unquote

from pydantic import Field

from mtf.core import shards
from mtf.core.errors import BadInput, bad_value
from mtf.rights.evidence import combination
from mtf.schemas.enums import FetchOutcome
from mtf.sources.base import LocalSource
from mtf.sources.candidate import Candidate
from mtf.sources.fetch_failure import FetchFailed

_WILDCARD = re.compile(r"[*?\[]")
# Python decodes bytes of a file name that are not UTF-8 as lone surrogates.
_UNDECODED = "surrogateescape"


@dataclass(frozen=True, slots=True)
class _File:
    """Location of a file's bytes.

    stamp: changes when the file does.
    refusal: reason why the file must not be read.
    """

    path: Path
    offset: int
    size_bytes: int
    stamp: str
    refusal: str | None = None


class Folder(LocalSource):
    """A folder or tar whose files the roster's column `files` names.

    path: relative to the project, or absolute.
    name: in the addresses of its files, `file:@NAME/…`; null takes the number of the source.
    license: that the owner states for all files (SPDX or `LicenseRef-…`); null states none.
    creator: that the owner states for all files.
    """

    kind: Literal["folder"]
    path: Annotated[str, Field(min_length=1)]
    name: Annotated[str, Field(pattern=r"^[a-z](?:[a-z0-9._-]*[a-z0-9])?$")] | None = None
    license: str | None = None
    creator: str | None = None

    @property
    def label(self) -> str:
        return f"{self.kind} {self.path}"

    @property
    def entry_name(self) -> str:
        return self.path

    @property
    def stated_license(self) -> str | None:
        return self.license

    @property
    def files_path(self) -> str:
        return self.path

    @property
    def address_name(self) -> str | None:
        return self.name

    def open(self, root: Path) -> FolderFiles:
        return FolderFiles(self, root)

    def statement(self) -> combination.Statement:
        return combination.of_data_set(self.license, self.creator)


class FolderFiles:
    """Files of one folder source, listed once. Raises BadInput if it is neither a folder nor a tar."""

    def __init__(self, source: Folder, root: Path) -> None:
        self.source = source
        self.prefix = url_prefix(source)
        self._files = _listed(root / source.path, source.path)
        self._spellings: dict[str, list[str]] = {}
        for name in sorted(self._files):
            self._spellings.setdefault(_normal(name), []).append(name)
        self._names = sorted(self._spellings)

    def find(self, files: str | None) -> list[Candidate]:
        """Candidates that one cell of the roster's column `files` names, missing files included."""
        return [self._candidate(name, rank) for rank, name in enumerate(self._chosen(files))]

    def read(self, url: str, *, max_bytes: int) -> bytes:
        """Bytes of the file at `url`. Raises FetchFailed: REFUSED_ADDRESS, MISSING or TOO_LARGE."""
        name = unquote(url.removeprefix(self.prefix), errors=_UNDECODED)
        if refusal := _refused_name(name):
            raise FetchFailed(FetchOutcome.REFUSED_ADDRESS, refusal)
        file = self._file(name)
        if file is None:
            raise FetchFailed(FetchOutcome.MISSING, f"no such file in {PurePosixPath(self.source.path).name}")
        if file.refusal:
            raise FetchFailed(FetchOutcome.REFUSED_ADDRESS, file.refusal)
        if file.size_bytes > max_bytes:
            raise FetchFailed(FetchOutcome.TOO_LARGE, f"{file.size_bytes} bytes; permitted: {max_bytes}")
        return shards.read(file.path, file.offset, file.size_bytes)

    def stamp(self, files: str | None) -> list[str]:
        """Lines that change when one of the files in a cell of the roster does."""
        names = self._chosen(files)
        return [f"{_normal(name)} {file.stamp}" if (file := self._file(name)) else _normal(name) for name in names]

    def listing(self) -> Iterator[tuple[str, int]]:
        """Name and size in bytes of each file that may be read."""
        return ((name, file.size_bytes) for name, file in self._files.items() if file.refusal is None)

    def _chosen(self, files: str | None) -> list[str]:
        return list(dict.fromkeys(name for entry in names_in(files or "") for name in self._named(entry)))

    def _file(self, name: str) -> _File | None:
        """File of a name in its own spelling, else in the only other one."""
        if (file := self._files.get(name)) is not None:
            return file
        others = self._spellings.get(_normal(name), [])
        return self._files[others[0]] if len(others) == 1 else None

    def _named(self, entry: str) -> list[str]:
        """Names that an entry means. A name keeps the entry's spelling, on which its address depends."""
        pattern = _normal(entry)
        if pattern in self._spellings:
            return self._each_file(pattern, spelling=entry)
        if _refused_name(entry):
            return [entry]
        is_meant = re.compile(translate(pattern)).match
        found = [name for name in self._beginning_as(pattern) if is_meant(name)]
        return [each for name in found for each in self._matched(name)] or [entry]

    def _matched(self, normal: str) -> list[str]:
        spellings = self._spellings[normal]
        return [normal] if len(spellings) == 1 else spellings

    def _each_file(self, normal: str, *, spelling: str) -> list[str]:
        """`spelling` if one file has the name, or one is spelt so; else the spelling of each."""
        spellings = self._spellings[normal]
        return [spelling] if len(spellings) == 1 or spelling in spellings else spellings

    def _beginning_as(self, pattern: str) -> Iterator[str]:
        """Names with the fixed prefix of `pattern`, sorted.

        Most rosters name one folder per person: a scan of all names for each would take quadratic time.
        """
        fixed = _WILDCARD.split(pattern, maxsplit=1)[0]
        for place in range(bisect_left(self._names, fixed), len(self._names)):
            if not self._names[place].startswith(fixed):
                return
            yield self._names[place]

    def _candidate(self, name: str, rank: int) -> Candidate:
        url = self.prefix + quote(name, errors=_UNDECODED)
        title = PurePosixPath(name).stem[:300].encode("utf-8", "replace").decode("utf-8")
        return Candidate(url, self.source.kind, rank, title=title or None, claim=self.source.license)


def names_in(cell: str) -> list[str]:
    """Names and patterns in a cell of the roster's column `files`."""
    entries = re.findall(r"(?:\\[; ]|\\$|[^;])+", cell)
    return [_unescaped(entry) for entry in entries if entry.strip()]


def _unescaped(entry: str) -> str:
    # A cell is read without the blanks around it: a backslash at its end was before one.
    bare = re.sub(r"^\s+|(?<!\\)\s+$", "", entry)
    return re.sub(r"\\(;| |$)", lambda match: match[1] or " ", bare)


def cell_of(names: Iterable[str]) -> str:
    """Cell for the roster's column `files` that means the files with these names.

    Raises BadInput for a name with a control character, which no cell can hold.
    """
    return ";".join(map(_escaped, names))


def _escaped(name: str) -> str:
    if not all(character.isprintable() for character in name):
        raise bad_value("file", name, "a name without control characters; rename it")
    escaped = name.replace(";", r"\;")
    escaped = re.sub(r"^ +", lambda blanks: r"\ " * len(blanks[0]), escaped)
    return re.sub(r" +$", lambda blanks: r"\ " * len(blanks[0]), escaped)


def url_prefix(source: Folder) -> str:
    """Prefix of the addresses of a folder's files: the same for each spelling of its path."""
    return f"file:{quote(posixpath.normpath(source.path))}/"


def _normal(name: str) -> str:
    """Normal form of a name: composed letters (NFC), no `./`."""
    return unicodedata.normalize("NFC", str(PurePosixPath(name)))


def _refused_name(name: str) -> str | None:
    if name.startswith(("/", "\\")):
        return "an absolute name"
    if ".." in PurePosixPath(name).parts or "\0" in name:
        return "a name that leads out of the folder"
    return None if _is_utf_8(name) else "a name that is not UTF-8"


def _is_utf_8(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _listed(path: Path, name: str) -> dict[str, _File]:
    if path.is_dir():
        return _files_of_folder(path)
    if path.is_file():
        return _files_of_tar(path, name)
    raise BadInput(f"params.yaml: crawl.sources: {name!r} is neither a folder nor a tar; `dvc pull` may fetch it")


def _files_of_folder(folder: Path) -> dict[str, _File]:
    files = {}
    for parent, folders, names in os.walk(folder):
        linked = [name for name in folders if Path(parent, name).is_symlink()]
        for name in (*names, *linked):
            path = Path(parent, name)
            status = path.lstat()
            refusal = None if path.is_file() and not path.is_symlink() else "a link, or not a plain file"
            stamp = f"{status.st_size} {status.st_mtime_ns}"
            files[path.relative_to(folder).as_posix()] = _File(path, 0, status.st_size, stamp, refusal)
    return files


def _files_of_tar(path: Path, name: str) -> dict[str, _File]:
    files = {}
    try:
        with tarfile.open(path, "r:") as tar:
            for info in tar:
                if info.isdir():
                    continue
                refusal = None if info.isreg() and not info.issparse() else "a link, or not a plain file"
                refusal = _refused_name(info.name) or refusal
                stamp = f"{info.size} {info.mtime}"
                files[str(PurePosixPath(info.name))] = _File(path, info.offset_data, info.size, stamp, refusal)
    except tarfile.TarError as error:
        raise BadInput(f"params.yaml: crawl.sources: {name!r}: not an uncompressed tar: {error}") from None
    return files
