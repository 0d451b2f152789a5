"""Files as they were in another version of the project: git names the version, DVC fetches what git does not hold."""

from __future__ import annotations

import io
import json
from pathlib import Path, PurePosixPath
from typing import Any

import polars as pl

from mtf.core.errors import BadInput

GONE = "its data is neither in DVC's cache nor in a remote; `dvc fetch` or `dvc push` it from where it is"
UNRECORDED = "that version does not say which data it had: run `dvc repro` there and commit dvc.lock"


class Revision:
    """One version of a project, read without checking it out. `name` is a git revision; None is the working tree."""

    def __init__(self, root: Path, name: str | None) -> None:
        self.name = name
        self._root = root
        self._files = None if name is None else _open(root, name)

    def bytes_of(self, path: str) -> bytes | None:
        """A file by its path from the project's root; None where this version has none.

        Raises BadInput where it has one that cannot be had: what is not known is never taken for what is not there.
        """
        from dvc.exceptions import DvcException
        from dvc_data.index import DataIndexError

        if self._files is None:
            file = self._root / path
            return file.read_bytes() if file.is_file() else None
        try:
            with self._files.open(path, "rb") as stream:
                return stream.read()
        except (OSError, KeyError, DataIndexError, DvcException):
            if why := _why_unreadable(self._files, path):
                raise BadInput(f"{self}: {path}: {why}") from None
            return None

    def table(self, path: str) -> pl.DataFrame | None:
        data = self.bytes_of(path)
        try:
            return None if data is None else pl.read_parquet(io.BytesIO(data))
        except pl.exceptions.PolarsError as error:
            raise BadInput(f"{self}: {path}: not readable as Parquet: {' '.join(str(error).split())}") from None

    def figures(self, path: str) -> Any:
        data = self.bytes_of(path)
        try:
            return None if data is None else json.loads(data)
        except ValueError as error:
            raise BadInput(f"{self}: {path}: not readable as JSON: {error}") from None

    def files_below(self, folder: str) -> list[str]:
        """The files of a folder and of those in it, by their paths from the project's root, sorted.

        Raises BadInput where this version has such a folder, but its list of files cannot be had.
        """
        from dvc_data.index import DataIndexError

        if self._files is None:
            found = (path for path in (self._root / folder).rglob("*") if path.is_file())
            return sorted(path.relative_to(self._root).as_posix() for path in found)
        try:
            found = sorted(path.lstrip("/") for path in self._files.find(folder))
        except (OSError, DataIndexError):
            found = []
        if found in ([], [folder]) and (why := _why_unreadable(self._files, folder)):
            raise BadInput(f"{self}: {folder}: {why}")
        return found

    def __str__(self) -> str:
        return self.name or "the working tree"


def _open(root: Path, name: str) -> Any:
    """DVC's view of one version: files of git and of DVC alike, the latter from the cache, else from the remote."""
    import dvc.api
    from dvc.exceptions import DvcException
    from dvc.scm import SCMError
    from scmrepo.exceptions import SCMError as GitError

    if name.startswith("-"):
        raise BadInput(f"revision {name!r}: no such revision in this repository")
    try:
        files = dvc.api.DVCFileSystem(str(root), rev=name)
        files.ls("/", detail=False)  # opens the version; `exists` would swallow that there is none
    except (DvcException, SCMError, GitError) as error:
        raise BadInput(f"revision {name!r}: {' '.join(str(error).split())}") from None
    return files


def _why_unreadable(files: Any, path: str) -> str | None:
    """Why a file that a version names cannot be read; None where it names no such file."""
    from dvc_data.index import DataIndexError

    place = next((p for p in (path, *map(str, PurePosixPath(path).parents)) if files.exists(p)), ".")
    about = files.info(place)
    if "md5" not in about:
        return UNRECORDED if about.get("dvc_info", {}).get("isout") else None
    if place == path:
        return GONE
    try:
        files.ls(place)
    except (OSError, DataIndexError):
        return GONE
    return None
