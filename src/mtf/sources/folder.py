"""Folder source: pictures in a folder or an uncompressed tar, named by the roster's column `files`.

`files` holds names or patterns, separated by `;`. An existing name is taken literally; else `*`, `?` and `[…]` are
patterns over the whole name (`*` also matches `/`). No file outside the folder is ever opened: absolute names, `..`,
links and names that are not UTF-8 are refused. The address of a file is `file:PATH/NAME`, percent-encoded;
`mtf.sources.local_sources` makes it relative to the source.
"""

from __future__ import annotations

import os
import posixpath
import re
import tarfile
import unicodedata
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import translate
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal
from urllib.parse import quote, unquote

from pydantic import Field

from mtf.core import shards
from mtf.core.errors import BadInput
from mtf.rights.evidence import combination
from mtf.schemas import FetchOutcome
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
        self._names = sorted(self._files)

    def find(self, files: str | None) -> list[Candidate]:
        """Candidates that one cell of the roster's column `files` names, missing files included."""
        return [self._candidate(name, rank) for rank, name in enumerate(self._chosen(files))]

    def read(self, url: str, *, max_bytes: int) -> bytes:
        """Bytes of the file at `url`. Raises FetchFailed: REFUSED_ADDRESS, MISSING or TOO_LARGE."""
        name = unquote(url.removeprefix(self.prefix), errors=_UNDECODED)
        if refusal := _refused_name(name):
            raise FetchFailed(FetchOutcome.REFUSED_ADDRESS, refusal)
        file = self._files.get(_normal(name))
        if file is None:
            raise FetchFailed(FetchOutcome.MISSING, f"no such file in {PurePosixPath(self.source.path).name}")
        if file.refusal:
            raise FetchFailed(FetchOutcome.REFUSED_ADDRESS, file.refusal)
        if file.size_bytes > max_bytes:
            raise FetchFailed(FetchOutcome.TOO_LARGE, f"{file.size_bytes} bytes; permitted: {max_bytes}")
        return shards.read(file.path, file.offset, file.size_bytes)

    def stamp(self, files: str | None) -> list[str]:
        """Lines that change when one of the files in a cell of the roster does."""
        names = map(_normal, self._chosen(files))
        return [f"{name} {file.stamp}" if (file := self._files.get(name)) else name for name in names]

    def listing(self) -> Iterator[tuple[str, int]]:
        """Name and size in bytes of each file that may be read."""
        return ((name, file.size_bytes) for name, file in self._files.items() if file.refusal is None)

    def _chosen(self, files: str | None) -> list[str]:
        entries = [entry.strip() for entry in (files or "").split(";") if entry.strip()]
        return list(dict.fromkeys(name for entry in entries for name in self._named(entry)))

    def _named(self, entry: str) -> list[str]:
        pattern = _normal(entry)
        if pattern in self._files or _refused_name(entry):
            return [entry]
        is_meant = re.compile(translate(pattern)).match
        return [name for name in self._beginning_as(pattern) if is_meant(name)] or [entry]

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
            files[_normal(path.relative_to(folder).as_posix())] = _File(path, 0, status.st_size, stamp, refusal)
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
                files[_normal(info.name)] = _File(path, info.offset_data, info.size, stamp, refusal)
    except tarfile.TarError as error:
        raise BadInput(f"params.yaml: crawl.sources: {name!r}: not an uncompressed tar: {error}") from None
    return files
