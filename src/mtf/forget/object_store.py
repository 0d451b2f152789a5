"""Object stores of a DVC repository (the local cache and every remote), and an index of their objects.

A store can list and read its objects, and replace one by a tombstone: a short note under the object's name. The index
lists every store once, and reads an object from the first store that has it: the cache, then the remotes.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from dvc_objects.fs.local import LocalFileSystem

TOMBSTONE = b"This object was erased on request; see the receipts of the repository.\n"
# Tombstones of earlier releases.
_TOMBSTONES = {TOMBSTONE, b"This object was erased on request; see data/receipts of the project.\n"}
CACHE = "cache"
LEGACY = " in the layout of DVC 2"
"""Ending of the name of a store in the older layout, `ab/cdef…` at the root."""
_LEGACY_FOLDER = re.compile(r"[0-9a-f]{2}")
# DVC copies to such a name beside the object (`tmp_fname` of dvc_objects, 16 random bytes), then renames the copy.
_UNFINISHED = re.compile(r"\.[A-Za-z0-9_-]{22}\.tmp")
# A missing folder is not mounted or not reachable. A bucket is not checked: an empty one looks like a missing one.
_FOLDERS = frozenset({"file", "local", "ssh", "sftp", "hdfs", "webhdfs"})
_BUCKETS = frozenset({"s3", "gs", "azure", "oss"})


class StoreNotFound(Exception):
    """Error: the folder of a configured store does not exist."""


@dataclass(frozen=True)
class ObjectStore:
    """Store of objects, keyed by md5, on any file system that DVC reaches (a folder, SSH, S3, …).

    - `name`: CACHE, or "remote NAME";
    - `odb`: the `ObjectDB` of dvc_objects;
    - `root`: path or address of the cache or remote.
    """

    name: str
    odb: Any
    root: str

    @property
    def address(self) -> str:
        """Address to show, without user and password."""
        return _without_user(str(self.odb.fs.unstrip_protocol(self.odb.path)))

    @property
    def is_bucket(self) -> bool:
        """True for object storage (S3, GS, …), which may keep overwritten bytes as older versions."""
        return self.odb.fs.protocol in _BUCKETS

    @property
    def is_s3(self) -> bool:
        """True for an S3 bucket, whose older versions an erasure deletes."""
        return self.odb.fs.protocol == "s3"

    @property
    def is_cache(self) -> bool:
        """True for this machine's cache, in any layout: it needs no tombstones for objects that it lacks."""
        return self.name.partition(LEGACY)[0] == CACHE

    @property
    def is_version_aware(self) -> bool:
        """True if DVC stores files under their own names there (version_aware, worktree), not as objects."""
        return bool(getattr(self.odb.fs, "version_aware", False))

    @property
    def run_cache_path(self) -> str:
        """Path of the store's run cache."""
        return self.odb.fs.join(self.root, "runs")

    def objects(self) -> frozenset[str] | None:
        """md5 of every object in the store, referenced or not; None if the file system cannot list.

        Raises StoreNotFound for a folder that does not exist, and any error of the file system.
        """
        fs = self.odb.fs
        if not self.is_cache and fs.protocol in _FOLDERS and not fs.exists(self.root):
            raise StoreNotFound("no such folder; is it mounted?")
        if not fs.exists(self.odb.path):
            return frozenset()
        try:
            folders = _object_folders(fs, self.root) if self.name.endswith(LEGACY) else [self.odb.path]
            paths = [path for folder in folders for path in fs.find(folder)]
        except NotImplementedError:
            return None
        return frozenset(oid for path in paths if (oid := self.object_at(path)))

    def object_at(self, path: str) -> str | None:
        """md5 of the object at `path`; None if it is no object, such as a copy that DVC did not finish."""
        if _UNFINISHED.fullmatch(self.odb.fs.name(path)):
            return None
        try:
            return self.odb.path_to_oid(path)
        except ValueError:
            return None

    def has_original(self, oid: str) -> bool:
        """True if the store has the object itself, not only its tombstone."""
        return self.odb.fs.exists(self.odb.oid_to_path(oid)) and not self.has_tombstone(oid)

    def has_tombstone(self, oid: str) -> bool:
        """True if the store has a tombstone in place of the object."""
        path = self.odb.oid_to_path(oid)
        if not self.odb.fs.exists(path) or self.size_bytes(oid) not in {len(each) for each in _TOMBSTONES}:
            return False
        return self.read(oid) in _TOMBSTONES

    def size_bytes(self, oid: str) -> int:
        return int(self.odb.fs.size(self.odb.oid_to_path(oid)))

    def open(self, oid: str) -> AbstractContextManager[BinaryIO]:
        """Open the object as a binary file that can be read in part."""
        return self.odb.fs.open(self.odb.oid_to_path(oid), "rb")

    def read(self, oid: str) -> bytes:
        with self.open(oid) as file:
            return file.read()

    def write_tombstone(self, oid: str) -> None:
        """Replace the object by a tombstone. Written too if the object is absent, so that no older clone pushes it."""
        self.replace(oid, TOMBSTONE)

    def replace(self, oid: str, data: bytes | BinaryIO) -> None:
        """Write other bytes under the object's name, whether the store has the object or not."""
        path = self.odb.oid_to_path(oid)
        if self.odb.fs.exists(path):
            self.odb.fs.remove(path)
        self.odb.add_bytes(oid, data)
        if isinstance(self.odb.fs, LocalFileSystem):
            # DVC hashes a writable file of a cache or folder again, and drops it as corrupt.
            Path(path).chmod(0o444)

    def remove_unfinished_copies(self, oids: Iterable[str]) -> None:
        """Remove the unfinished copies beside objects (md5) of a folder or SSH: what a failed `dvc push` leaves.

        They have no object's name, so all of the folder `ab` go. A push that is running fails, and succeeds repeated.
        """
        fs = self.odb.fs
        if fs.protocol not in _FOLDERS:
            return
        for folder in sorted({fs.parent(self.odb.oid_to_path(oid)) for oid in oids}):
            for path in fs.ls(folder, detail=False) if fs.exists(folder) else ():
                if _UNFINISHED.fullmatch(fs.name(path)):
                    fs.remove(path)

    def remove_run_cache_entries(self, listings: Iterable[str]) -> int:
        """Remove the entries of the run cache that mention one of `listings` (md5). Returns their number."""
        fs, wanted = self.odb.fs, [listing.encode("ascii") for listing in listings]
        if not wanted or not fs.exists(self.run_cache_path):
            return 0
        entries = [path for path in fs.find(self.run_cache_path) if _mentions(fs, path, wanted)]
        for path in entries:
            fs.remove(path)
        return len(entries)


@dataclass(frozen=True)
class UnusableStore(ObjectStore):
    """Remote that cannot be set up here: its plugin is missing, or its settings are wrong.

    - `root`: its address;
    - `why`: the error, raised by `objects`.
    """

    why: Exception

    @property
    def address(self) -> str:
        return _without_user(self.root)

    @property
    def is_bucket(self) -> bool:
        return self.root.partition("://")[0] in _BUCKETS

    @property
    def is_s3(self) -> bool:
        return self.root.startswith("s3://")

    @property
    def is_version_aware(self) -> bool:
        return False

    def objects(self) -> frozenset[str] | None:
        raise self.why


def _without_user(address: str) -> str:
    scheme, slashes, rest = address.partition("://")
    return f"{scheme}{slashes}{rest.rpartition('@')[2]}" if slashes else address


def error_text(error: Exception) -> str:
    """Error of a store as one line of text; each file system raises its own types."""
    text = " ".join(str(error).split())[:200]
    return text if isinstance(error, StoreNotFound) else f"could not be reached: {type(error).__name__}: {text}"


def has_legacy_layout(fs: Any, root: str) -> bool:
    """True if a store has objects in the layout of DVC 2; false too if it does not answer."""
    with suppress(Exception):  # each file system raises its own; its store reports the error
        return bool(_object_folders(fs, root))
    return False


def _object_folders(fs: Any, root: str) -> list[str]:
    """Folders `ab` of a store in the layout of DVC 2."""
    if not fs.exists(root):
        return []
    paths = [path.rstrip("/") for path in fs.ls(root, detail=False)]
    return sorted(path for path in paths if _LEGACY_FOLDER.fullmatch(fs.name(path)))


def _mentions(fs: Any, path: str, wanted: list[bytes]) -> bool:
    with fs.open(path, "rb") as file:
        text = file.read()
    return any(listing in text for listing in wanted)


class ObjectIndex:
    """Index of the objects of all stores.

    - `stores`: the stores, nearest first;
    - `errors`: name of a store → its error; its objects are not known;
    - `unlistable`: names of stores that cannot be listed; only objects known by name are found there.
    """

    def __init__(self, stores: Iterable[ObjectStore]) -> None:
        self.stores = list(stores)
        self.errors: dict[str, str] = {}
        self.unlistable: list[str] = []
        self._listed: dict[str, frozenset[str]] = {}
        for store in self.stores:
            self._list(store)
        self._store_of: dict[str, ObjectStore | None] = {}

    def _list(self, store: ObjectStore) -> None:
        try:
            objects = store.objects()
        except Exception as error:  # each file system raises its own
            self.errors[store.name] = error_text(error)
            return
        if objects is None:
            self.unlistable.append(store.name)
        else:
            self._listed[store.name] = objects

    @property
    def objects(self) -> frozenset[str]:
        """Objects (md5) of all stores that could be listed."""
        return frozenset().union(*self._listed.values())

    def added_since_listing(self, store: ObjectStore, listed: frozenset[str] | None) -> frozenset[str]:
        """Objects of `listed`, the store's objects now, that the index lacks. Empty if the store cannot be listed."""
        return (listed or frozenset()) - self._listed.get(store.name, frozenset())

    def has(self, oid: str) -> bool:
        """True if a store that answers has the object itself."""
        return self._first_store(oid) is not None

    def size_bytes(self, oid: str) -> int:
        store = self._first_store(oid)
        return 0 if store is None else store.size_bytes(oid)

    @contextmanager
    def open(self, oid: str) -> Generator[BinaryIO | None]:
        """Open the object as a binary file; yields None if no store has it."""
        store = self._first_store(oid)
        if store is None:
            yield None
            return
        with store.open(oid) as file:
            yield file

    def read(self, oid: str) -> bytes | None:
        """Bytes of the object; None if no store has it."""
        with self.open(oid) as file:
            return None if file is None else file.read()

    def _first_store(self, oid: str) -> ObjectStore | None:
        if oid not in self._store_of:
            self._store_of[oid] = next((store for store in self.stores if self._holds(store, oid)), None)
        return self._store_of[oid]

    def _holds(self, store: ObjectStore, oid: str) -> bool:
        if store.name in self.errors or oid not in self._listed.get(store.name, (oid,)):
            return False
        try:
            return store.has_original(oid)
        except Exception as error:  # as in `_list`
            self.errors[store.name] = error_text(error)
            return False
