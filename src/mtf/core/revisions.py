"""Revisions: files of a project as they were in another git revision, with those that DVC keeps."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
from datetime import UTC, date, datetime
from difflib import get_close_matches
from pathlib import Path, PurePosixPath
from typing import Any

import polars as pl

from mtf.core.errors import BadInput

GONE = "its data is neither in DVC's cache nor in a remote; `dvc fetch` or `dvc push` it from where it is"
_ALIKE = 0.5
"""Least similarity of a suggested name, by difflib's ratio from 0 to 1: `v1` is suggested for `v2`."""
UNRECORDED = "that version does not say which data it had: run `dvc repro` there and commit dvc.lock"


class Revision:
    """One revision of a project, read without checking it out.

    name: git revision; None for the working tree.
    """

    def __init__(self, root: Path, name: str | None) -> None:
        self.name = name
        self._root = root
        self._files = None if name is None else _open(root, name)

    def bytes_of(self, path: str) -> bytes | None:
        """Bytes of a file, by its path from the project's root; None if this revision has no such file.

        Raises BadInput if the revision has the file but its bytes cannot be fetched: this is not taken for its absence.
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

    def part_of(self, path: str, offset: int, size_bytes: int) -> bytes | None:
        """Part of a file, such as a member of a shard; None if it is shorter, or cannot be read."""
        from dvc.exceptions import DvcException
        from dvc_data.index import DataIndexError

        try:
            with (self._root / path).open("rb") if self._files is None else self._files.open(path, "rb") as stream:
                stream.seek(offset)
                data = stream.read(size_bytes)
        except (OSError, KeyError, DataIndexError, DvcException):
            return None
        return data if len(data) == size_bytes else None

    def table(self, path: str) -> pl.DataFrame | None:
        data = self.bytes_of(path)
        try:
            return None if data is None else pl.read_parquet(io.BytesIO(data))
        except pl.exceptions.PolarsError as error:
            raise self._no_parquet(path, error) from None

    def table_file(self, path: str, folder: Path) -> Path | None:
        """File with a table, which need not fit in memory: of the working tree itself, else a copy in `folder`.

        None if this revision has no such file. Raises BadInput as `table`.
        """
        if self._files is None:
            file = self._root / path
        else:
            file = folder / f"{self.name}".replace("/", "_") / path
            file.parent.mkdir(parents=True, exist_ok=True)
            self._copy(path, file)
        if not file.is_file():
            return None
        try:
            pl.read_parquet_schema(file)
        except pl.exceptions.PolarsError as error:
            raise self._no_parquet(path, error) from None
        return file

    def _copy(self, path: str, target: Path) -> None:
        """Copy a file of a git revision; nothing is written if it has none. Raises BadInput as `bytes_of`."""
        from dvc.exceptions import DvcException
        from dvc_data.index import DataIndexError

        assert self._files is not None  # noqa: S101 (for the type checker)
        try:
            with self._files.open(path, "rb") as stream, target.open("wb") as copy:
                shutil.copyfileobj(stream, copy, 1 << 20)
        except (OSError, KeyError, DataIndexError, DvcException):
            target.unlink(missing_ok=True)
            if why := _why_unreadable(self._files, path):
                raise BadInput(f"{self}: {path}: {why}") from None

    def _no_parquet(self, path: str, error: Exception) -> BadInput:
        return BadInput(f"{self}: {path}: not readable as Parquet: {' '.join(str(error).split())}")

    def figures(self, path: str) -> Any:
        data = self.bytes_of(path)
        try:
            return None if data is None else json.loads(data)
        except ValueError as error:
            raise BadInput(f"{self}: {path}: not readable as JSON: {error}") from None

    def files_below(self, folder: str) -> list[str]:
        """Files below a folder, by their paths from the project's root, sorted.

        Raises BadInput if this revision has the folder but its list of files cannot be fetched.
        """
        from dvc_data.index import DataIndexError

        if self._files is None:
            paths = (path for path in (self._root / folder).rglob("*") if path.is_file())
            return sorted(path.relative_to(self._root).as_posix() for path in paths)
        try:
            paths = sorted(path.lstrip("/") for path in self._files.find(folder))
        except (OSError, DataIndexError):
            paths = []
        if paths in ([], [folder]) and (why := _why_unreadable(self._files, folder)):
            raise BadInput(f"{self}: {folder}: {why}")
        return paths

    def __str__(self) -> str:
        return self.name or "the working tree"


def committed_on(root: Path, path: str) -> date | None:
    """Day (UTC) of the last commit that changed a file of the project; None if git knows none."""
    command = ("git", "log", "-1", "--format=%ct", "--", path)
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return datetime.fromtimestamp(int(done.stdout), UTC).date() if done.stdout.strip().isdigit() else None


def _open(root: Path, name: str) -> Any:
    """DVC's file system of one revision: files of git and of DVC, the latter from the cache, else from the remote."""
    import dvc.api
    from dvc.exceptions import DvcException
    from dvc.scm import RevError, SCMError
    from scmrepo.exceptions import SCMError as GitError

    if name.startswith("-"):
        raise BadInput(f"revision {name!r}: no such revision in this repository")
    try:
        files = dvc.api.DVCFileSystem(str(root), rev=name)
        files.ls("/", detail=False)  # opens the revision: `exists` would hide that there is none
    except (DvcException, SCMError, GitError) as error:
        near = _near_names(root, name) if isinstance(error, RevError) else []
        hint = f"; is {' or '.join(near)} meant?" if near else ""
        raise BadInput(f"revision {name!r}: {' '.join(str(error).split())}{hint}") from None
    return files


def _near_names(root: Path, name: str) -> list[str]:
    """Tags and branches with a name like `name`, the most alike first, at most three."""
    command = ("git", "for-each-ref", "--format=%(refname:short)", "refs/tags", "refs/heads", "refs/remotes")
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    return get_close_matches(name, dict.fromkeys(done.stdout.split()), n=3, cutoff=_ALIKE)


def _why_unreadable(files: Any, path: str) -> str | None:
    """Reason why a file of a revision cannot be read; None if the revision has no such file."""
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
