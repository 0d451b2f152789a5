"""The places where DVC keeps objects: the cache here and every configured remote."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dvc.repo import Repo

TOMBSTONE = b"This object was erased on request; see data/receipts of the project.\n"
CACHE = "cache"


@dataclass(frozen=True)
class Place:
    """Objects by their md5, wherever DVC's file systems reach (a folder, SSH, S3, …)."""

    name: str
    store: Any  # dvc_objects' ObjectDB
    runs: str  # where the run cache of this place lies

    @property
    def address(self) -> str:
        """For people; without user and password."""
        path = str(self.store.fs.unstrip_protocol(self.store.path))
        scheme, slashes, rest = path.partition("://")
        return f"{scheme}{slashes}{rest.rpartition('@')[2]}" if slashes else path

    def holds(self, oid: str) -> bool:
        """Is the original there (rather than nothing, or its tombstone)?"""
        path = self.store.oid_to_path(oid)
        if not self.store.fs.exists(path):
            return False
        if self.store.fs.size(path) != len(TOMBSTONE):
            return True
        return self.read(oid) != TOMBSTONE

    def read(self, oid: str) -> bytes:
        with self.store.fs.open(self.store.oid_to_path(oid), "rb") as file:
            return file.read()

    def bury(self, oid: str) -> None:
        """Replace the object by a tombstone; one that was removed before (an interrupted run's) gets its own too."""
        path = self.store.oid_to_path(oid)
        if self.store.fs.exists(path):
            self.store.fs.remove(path)
        self.store.add_bytes(oid, TOMBSTONE)
        if self.name == CACHE:
            # A cached file that is not read-only is hashed again by DVC, and dropped as corrupt.
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


def all_places(repo: Repo) -> Iterator[Place]:
    """The cache, then the remotes in their configuration's order."""
    cache = Path(repo.cache.legacy.path)
    yield Place(CACHE, repo.cache.local, str(cache / "runs"))
    for name in repo.config["remote"]:
        remote = repo.cloud.get_remote(name)
        yield Place(f"remote {name}", remote.odb, remote.fs.join(remote.path, "runs"))


def _mentions(fs: Any, path: str, wanted: list[bytes]) -> bool:
    with fs.open(path, "rb") as file:
        text = file.read()
    return any(listing in text for listing in wanted)
