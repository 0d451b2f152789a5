"""The places where DVC keeps objects: the cache here and every configured remote.

What lies in all the places together: listed once, and read from the nearest place that has it.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from dvc.repo import Repo
from dvc_objects.fs.local import LocalFileSystem

TOMBSTONE = b"This object was erased on request; see data/receipts of the project.\n"
CACHE = "cache"
# Where such a place is not there, it is not mounted or not reachable; a bucket without objects looks the same as none.
_FOLDERS = frozenset({"file", "local", "ssh", "sftp", "hdfs", "webhdfs"})
_BUCKETS = frozenset({"s3", "gs", "azure", "oss"})


class NotThere(Exception):
    """A place that is configured and cannot be found."""


@dataclass(frozen=True)
class ObjectStore:
    """Objects by their md5, wherever DVC's file systems reach (a folder, SSH, S3, …)."""

    name: str
    store: Any  # dvc_objects' ObjectDB
    root: str

    @property
    def address(self) -> str:
        """For people; without user and password."""
        return _without_user(str(self.store.fs.unstrip_protocol(self.store.path)))

    @property
    def is_bucket(self) -> bool:
        """Whether it may keep what was overwritten there, as older versions of an object."""
        return self.store.fs.protocol in _BUCKETS

    @property
    def keeps_names(self) -> bool:
        """Whether DVC stores files there under their own names (version_aware, worktree), and not as objects."""
        return bool(getattr(self.store.fs, "version_aware", False))

    @property
    def runs(self) -> str:
        """Where the run cache of this place lies."""
        return self.store.fs.join(self.root, "runs")

    def objects(self) -> frozenset[str] | None:
        """The md5 of every object that is there, referred to or not; None where the file system cannot list.

        Raises NotThere for a folder that does not exist, and whatever the file system raises.
        """
        fs = self.store.fs
        if self.name != CACHE and fs.protocol in _FOLDERS and not fs.exists(self.root):
            raise NotThere("no such folder; is it mounted?")
        if not fs.exists(self.store.path):
            return frozenset()
        try:
            paths = list(fs.find(self.store.path))
        except NotImplementedError:
            return None
        return frozenset(oid for path in paths if (oid := self._oid(path)))

    def _oid(self, path: str) -> str | None:
        """None for what is no object, such as a file that DVC was writing when it was stopped."""
        try:
            return self.store.path_to_oid(path)
        except ValueError:
            return None

    def holds(self, oid: str) -> bool:
        """Is the original there (rather than nothing, or its tombstone)?"""
        return self.store.fs.exists(self.store.oid_to_path(oid)) and not self.is_buried(oid)

    def is_buried(self, oid: str) -> bool:
        """Is its tombstone there?"""
        path = self.store.oid_to_path(oid)
        if not self.store.fs.exists(path) or self.size_bytes(oid) != len(TOMBSTONE):
            return False
        return self.read(oid) == TOMBSTONE

    def size_bytes(self, oid: str) -> int:
        return int(self.store.fs.size(self.store.oid_to_path(oid)))

    def open(self, oid: str) -> AbstractContextManager[BinaryIO]:
        """The object as a file that can be read in part."""
        return self.store.fs.open(self.store.oid_to_path(oid), "rb")

    def read(self, oid: str) -> bytes:
        with self.open(oid) as file:
            return file.read()

    def bury(self, oid: str) -> None:
        """Put a tombstone where the object is, or would be: where one is, a stale clone pushes no original."""
        path = self.store.oid_to_path(oid)
        if self.store.fs.exists(path):
            self.store.fs.remove(path)
        self.store.add_bytes(oid, TOMBSTONE)
        if isinstance(self.store.fs, LocalFileSystem):
            # A file of a cache or a folder that is not read-only is hashed again by DVC, and dropped as corrupt.
            Path(path).chmod(0o444)

    def forget_runs(self, listings: Iterable[str]) -> int:
        """Remove the run cache's entries whose results are among `listings`; returns how many."""
        fs, wanted = self.store.fs, [listing.encode("ascii") for listing in listings]
        if not wanted or not fs.exists(self.runs):
            return 0
        entries = [path for path in fs.find(self.runs) if _mentions(fs, path, wanted)]
        for path in entries:
            fs.remove(path)
        return len(entries)


@dataclass(frozen=True)
class Unusable(ObjectStore):
    """A remote that is configured and cannot be set up here: its plugin is missing, or its settings are wrong.

    `root` is its address. It answers nothing but why.
    """

    why: Exception

    @property
    def address(self) -> str:
        return _without_user(self.root)

    @property
    def is_bucket(self) -> bool:
        return self.root.partition("://")[0] in _BUCKETS

    @property
    def keeps_names(self) -> bool:
        return False

    def objects(self) -> frozenset[str] | None:
        raise self.why


def all_places(repo: Repo) -> Iterator[ObjectStore]:
    """The cache, then the remotes in their configuration's order."""
    yield cache_of(repo)
    for name, settings in repo.config["remote"].items():
        yield _remote(repo, name, str(settings.get("url", "")))


def cache_of(repo: Repo) -> ObjectStore:
    """What this machine has."""
    return ObjectStore(CACHE, repo.cache.local, str(repo.cache.legacy.path))


def _remote(repo: Repo, name: str, url: str) -> ObjectStore:
    try:
        remote = repo.cloud.get_remote(name)
        return ObjectStore(f"remote {name}", remote.odb, remote.path)
    except Exception as error:  # each plugin raises its own
        return Unusable(f"remote {name}", None, url, error)


def _without_user(address: str) -> str:
    scheme, slashes, rest = address.partition("://")
    return f"{scheme}{slashes}{rest.rpartition('@')[2]}" if slashes else address


def in_words(error: Exception) -> str:
    """Why a place did not answer, in one line; each file system raises its own kinds."""
    said = " ".join(str(error).split())[:200]
    return said if isinstance(error, NotThere) else f"could not be reached: {type(error).__name__}: {said}"


def _mentions(fs: Any, path: str, wanted: list[bytes]) -> bool:
    with fs.open(path, "rb") as file:
        text = file.read()
    return any(listing in text for listing in wanted)


class ObjectIndex:
    """The objects of all places. `errors` says of a place why it did not answer: what it holds is not known."""

    def __init__(self, places: Iterable[ObjectStore]) -> None:
        self.places = list(places)
        self.errors: dict[str, str] = {}
        self.unlisted: list[str] = []
        """Places that cannot be listed: only what a version names can be looked for there."""
        self._listed: dict[str, frozenset[str]] = {}
        for place in self.places:
            self._list(place)
        self._held: dict[str, ObjectStore | None] = {}

    def _list(self, place: ObjectStore) -> None:
        try:
            objects = place.objects()
        except Exception as error:  # each file system raises its own
            self.errors[place.name] = in_words(error)
            return
        if objects is None:
            self.unlisted.append(place.name)
        else:
            self._listed[place.name] = objects

    @property
    def objects(self) -> frozenset[str]:
        """Every object of the places that could be listed."""
        return frozenset().union(*self._listed.values())

    def new_in(self, place: ObjectStore, listed: frozenset[str] | None) -> frozenset[str]:
        """What a place has now (`listed`) and did not have when it was looked through; nothing where it cannot list."""
        return (listed or frozenset()) - self._listed.get(place.name, frozenset())

    def has(self, oid: str) -> bool:
        """Whether the original is in some place that answers."""
        return self._place(oid) is not None

    def size_bytes(self, oid: str) -> int:
        place = self._place(oid)
        return 0 if place is None else place.size_bytes(oid)

    @contextmanager
    def open(self, oid: str) -> Generator[BinaryIO | None]:
        """The original as a file; None where no place has it."""
        place = self._place(oid)
        if place is None:
            yield None
            return
        with place.open(oid) as file:
            yield file

    def read(self, oid: str) -> bytes | None:
        """The original's bytes; None where no place has it."""
        with self.open(oid) as file:
            return None if file is None else file.read()

    def _place(self, oid: str) -> ObjectStore | None:
        if oid not in self._held:
            self._held[oid] = next((place for place in self.places if self._holds(place, oid)), None)
        return self._held[oid]

    def _holds(self, place: ObjectStore, oid: str) -> bool:
        if place.name in self.errors or oid not in self._listed.get(place.name, (oid,)):
            return False
        try:
            return place.holds(oid)
        except Exception as error:  # as in `_list`
            self.errors[place.name] = in_words(error)
            return False
