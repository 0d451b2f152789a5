"""Files as they were in another version of the project: git names the version, DVC fetches what git does not hold."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import polars as pl

from mtf.errors import BadInput


class Revision:
    """One version of a project, read without checking it out. `name` is a git revision; None is the working tree."""

    def __init__(self, root: Path, name: str | None) -> None:
        self.name = name
        self._root = root
        self._files = None if name is None else _open(root, name)

    def bytes_of(self, path: str) -> bytes | None:
        """A file by its path from the project's root; None where this version has none, or its data is gone."""
        if self._files is None:
            file = self._root / path
            return file.read_bytes() if file.is_file() else None
        try:
            with self._files.open(path, "rb") as stream:
                return stream.read()
        except (OSError, KeyError):
            return None

    def table(self, path: str) -> pl.DataFrame | None:
        data = self.bytes_of(path)
        return None if data is None else pl.read_parquet(io.BytesIO(data))

    def figures(self, path: str) -> Any:
        data = self.bytes_of(path)
        return None if data is None else json.loads(data)

    def files_below(self, folder: str) -> list[str]:
        """The files of a folder and of those in it, by their paths from the project's root, sorted."""
        if self._files is None:
            found = (path for path in (self._root / folder).rglob("*") if path.is_file())
            return sorted(path.relative_to(self._root).as_posix() for path in found)
        try:
            return sorted(path.lstrip("/") for path in self._files.find(folder))
        except OSError:
            return []

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
