"""Storage of a cluster: copies of a project's files in a folder or an object store that all machines see.

A copy lies under the path that the file has in the project, and is named by its content:

    build/crop/shards/amber-moon.tar/SHA256

So a copy is never changed, a cut or replaced one is noticed, and the copies of one identity are found by its path
alone, as an erasure must. `compute.storage` names the place: a folder, or an address that fsspec reads
(`s3://BUCKET/FOLDER`).
"""

from __future__ import annotations

import shutil
from collections.abc import Container, Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from mtf.core import object_stores, shards
from mtf.core.atomic_files import replacing
from mtf.core.errors import MtfError
from mtf.core.hashing import file_digest
from mtf.core.object_stores import NamedErrors

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

    from mtf.config import Compute

_OPTION = "compute.storage"
_DIGITS = 64  # of a SHA-256 in hex


class DamagedCopy(MtfError):
    """A copy whose bytes do not have its SHA-256, or that is gone; whoever needs it puts it or makes it again."""


class ClusterStorage:
    """Copies at `address`; paths are relative to the project, with `/`. It can be pickled.

    Methods raise MtfError, which names the address, if the place cannot be reached.
    """

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/")

    def __getstate__(self) -> str:
        return self.address

    def __setstate__(self, address: str) -> None:
        self.address = address

    @cached_property
    def _place(self) -> tuple[AbstractFileSystem, str]:
        return object_stores.opened(self.address, option=_OPTION)

    @property
    def _files(self) -> AbstractFileSystem:
        return self._place[0]

    def _key(self, *parts: str) -> str:
        return "/".join((self._place[1], *parts))

    @property
    def folder(self) -> Path | None:
        """The place as a folder; None for an object store."""
        is_local = self._files.protocol == "file" or "file" in self._files.protocol
        return Path(self._place[1]) if is_local else None

    def put(self, file: Path, path: str) -> str:
        """Copy `file` to the storage unless it is there in full length; return the SHA-256 of its bytes."""
        sha256 = file_digest(file)
        with self._named_errors():
            if self._size_bytes(self._key(path, sha256)) == file.stat().st_size:
                return sha256
            if self.folder is None:
                self._files.put_file(str(file), self._key(path, sha256))
            else:
                with replacing(self.folder / path / sha256) as beside:
                    shutil.copyfile(file, beside)
        return sha256

    def get(self, path: str, sha256: str, target: Path) -> None:
        """Copy the file `path` with this content to `target`, whole or not at all.

        Raises DamagedCopy if the storage has no copy with this content. One with other bytes is removed.
        """
        key = self._key(path, sha256)
        with self._named_errors(), replacing(target) as beside:
            try:
                self._files.get_file(key, str(beside))
            except FileNotFoundError:
                raise DamagedCopy(f"compute.storage: {self.address}: there is no copy of {path}") from None
            if file_digest(beside) != sha256:
                size = beside.stat().st_size
                self._files.rm_file(key)
                raise DamagedCopy(
                    f"compute.storage: {self.address}: the copy of {path}, of {size:,} bytes, is damaged and is removed"
                )

    def versions(self, path: str) -> list[str]:
        """SHA-256 of each content that the file `path` has here."""
        return sorted(self._sizes(path))

    def _sizes(self, path: str) -> dict[str, int]:
        """SHA-256 → size in bytes of each copy of the file `path`."""
        with self._named_errors():
            try:
                copies = self._files.ls(self._key(path), detail=True)
            except FileNotFoundError:
                return {}
        sizes = {str(each["name"]).rpartition("/")[2]: each["size"] for each in copies}
        return {name: size for name, size in sizes.items() if len(name) == _DIGITS}

    def shard_with(self, path: str, digest: str) -> str | None:
        """SHA-256 of the shard `path` that was made with `digest`; None if there is none."""
        for sha256, size in sorted(self._sizes(path).items()):
            if size < shards.HEAD_BYTES:
                continue  # it was cut; an object store refuses a range outside an object
            with self._named_errors():
                head = self._files.cat_file(self._key(path, sha256), start=0, end=shards.HEAD_BYTES)
            if shards.digest_in(head) == digest:
                return sha256
        return None

    def keep_only(self, path: str, sha256: str) -> None:
        """Remove all other contents of the file `path`."""
        for other in self.versions(path):
            if other != sha256:
                self._remove(self._key(path, other))

    def remove(self, path: str) -> None:
        """Remove the file `path`, or all files of the folder `path`, with all their contents."""
        with self._named_errors():
            if self._files.exists(self._key(path)):
                self._files.rm(self._key(path), recursive=True)

    def empty(self) -> None:
        """Remove all copies."""
        for folder in ("build", "data", "models"):
            self.remove(folder)

    def paths(self, folder: str) -> Iterator[str]:
        """Paths of the files directly in `folder`."""
        with self._named_errors():
            try:
                names = self._files.ls(self._key(folder), detail=False)
            except FileNotFoundError:
                return
        for name in sorted(str(each).rstrip("/").rpartition("/")[2] for each in names):
            yield f"{folder}/{name}"

    def _size_bytes(self, key: str) -> int | None:
        try:
            return self._files.size(key)
        except FileNotFoundError:
            return None

    def _remove(self, key: str) -> None:
        with self._named_errors():
            self._files.rm_file(key)

    def _named_errors(self) -> NamedErrors:
        return NamedErrors(_OPTION, self.address, advice="; `mtf doctor` asks each machine")


def of(compute: Compute) -> ClusterStorage | None:
    """Storage of the section `compute`; None if it uses none."""
    return ClusterStorage(compute.storage) if compute.engine == "ray" and compute.storage is not None else None


def remove(compute: Compute, path: Path, *, root: Path) -> None:
    """Remove the copies of a file or folder of the project `root`. Without a storage there is nothing to do."""
    if (storage := of(compute)) is not None:
        storage.remove(path.relative_to(root).as_posix())


def remove_except(compute: Compute, folder: Path, wanted: Container[str]) -> None:
    """Remove the copies of shards in `folder` (of a project: `ROOT/build/STAGE/shards`) of other identities.

    A person who is gone from a stage is gone from the storage. Without a storage there is nothing to do.
    """
    if (storage := of(compute)) is None:
        return
    for path in storage.paths("/".join(folder.parts[-3:])):
        if path.rpartition("/")[2].removesuffix(".tar") not in wanted:
            storage.remove(path)
