"""Pictures that are here already: a folder or an uncompressed tar, whose files the roster's column `files` names.

`files` holds names or patterns, separated by `;`. A name that is there is taken as it stands; else `*`, `?` and
`[…]` are patterns over the whole name (`*` also meets `/`). Nothing outside the folder is ever opened: absolute
names, `..` and links are refused. The address of a file is `file:PATH/NAME`, percent-encoded.
"""

from __future__ import annotations

import os
import tarfile
import unicodedata
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from urllib.parse import quote, unquote

from mtf import shards
from mtf.crawl.candidates import Candidate
from mtf.crawl.failure import Failed
from mtf.errors import BadInput
from mtf.params import FolderSource
from mtf.tables import Fetched

SOURCE = "folder"


@dataclass(frozen=True, slots=True)
class _File:
    """Where a file's bytes lie. `stamp` changes when it does; `refusal` says why it must not be read."""

    path: Path
    offset: int
    size_bytes: int
    stamp: str
    refusal: str | None = None


class Folder:
    """One folder source, listed once."""

    def __init__(self, source: FolderSource, root: Path) -> None:
        self.source = source
        self._prefix = url_prefix(source)
        self._files = _listed(root / source.path, source.path)

    def find(self, files: str | None) -> list[Candidate]:
        """The candidates that one cell of the roster's column `files` names, those that are not there included."""
        names = [name for entry in (files or "").split(";") if entry.strip() for name in self._named(entry.strip())]
        unique = dict.fromkeys(names)
        return [self._candidate(name, rank) for rank, name in enumerate(unique)]

    def holds(self, url: str) -> bool:
        return url.startswith(self._prefix)

    def read(self, url: str, *, max_bytes: int) -> bytes:
        """The bytes of the file at `url`. Raises Failed: REFUSED_ADDRESS, MISSING or TOO_LARGE."""
        name = unquote(url.removeprefix(self._prefix))
        if refusal := _refused_name(name):
            raise Failed(Fetched.REFUSED_ADDRESS, refusal)
        file = self._files.get(_normal(name))
        if file is None:
            raise Failed(Fetched.MISSING, f"no such file in {self.source.path}")
        if file.refusal:
            raise Failed(Fetched.REFUSED_ADDRESS, file.refusal)
        if file.size_bytes > max_bytes:
            raise Failed(Fetched.TOO_LARGE, f"{file.size_bytes} bytes; permitted: {max_bytes}")
        return shards.read(file.path, file.offset, file.size_bytes)

    def stamp(self, files: str | None) -> list[str]:
        """What changes when any of the files does that one cell of the roster names."""
        names = (_normal(unquote(candidate.url.removeprefix(self._prefix))) for candidate in self.find(files))
        return [f"{name} {file.stamp}" if (file := self._files.get(name)) else name for name in names]

    def _named(self, entry: str) -> list[str]:
        pattern = _normal(entry)
        if pattern in self._files or _refused_name(entry):
            return [entry]
        return sorted(name for name in self._files if fnmatchcase(name, pattern)) or [entry]

    def _candidate(self, name: str, rank: int) -> Candidate:
        url = self._prefix + quote(name)
        return Candidate(url, SOURCE, rank, title=PurePosixPath(name).stem[:300] or None, claim=self.source.license)


def url_prefix(source: FolderSource) -> str:
    """What the addresses of a folder's files begin with."""
    return f"file:{quote(source.path.rstrip('/'))}/"


def _normal(name: str) -> str:
    """One spelling of a name: composed letters, no `./`."""
    return unicodedata.normalize("NFC", str(PurePosixPath(name)))


def _refused_name(name: str) -> str | None:
    if name.startswith(("/", "\\")):
        return "an absolute name"
    if ".." in PurePosixPath(name).parts or "\0" in name:
        return "a name that leads out of the folder"
    return None


def _listed(path: Path, shown: str) -> dict[str, _File]:
    if path.is_dir():
        return _files_of_folder(path)
    if path.is_file():
        return _files_of_tar(path, shown)
    raise BadInput(f"params.yaml: crawl.sources: {shown!r} is neither a folder nor a tar; `dvc pull` may fetch it")


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


def _files_of_tar(path: Path, shown: str) -> dict[str, _File]:
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
        raise BadInput(f"params.yaml: crawl.sources: {shown!r}: not an uncompressed tar: {error}") from None
    return files
