"""Stores of a DVC repository: its cache and its remotes, also those in the layout of DVC 2."""

from __future__ import annotations

from collections.abc import Iterator

from dvc.repo import Repo

from mtf.forget.bucket_versions import S3
from mtf.forget.object_store import CACHE, LEGACY, ObjectStore, UnusableStore, has_legacy_layout
from mtf.forget.version_aware import VersionAwareStore


def all_stores(repo: Repo) -> Iterator[ObjectStore]:
    """Cache, then remotes in the order of the configuration; each in today's layout, then in an older one if it has it.

    DVC 2 named objects by the md5 of their text with the line ends of Unix (`md5-dos2unix`), which is the name in the
    DVC files of that time.
    """
    yield from cache_stores(repo)
    for name, settings in repo.config["remote"].items():
        yield from _remote(repo, name, str(settings.get("url", "")))


def cache_stores(repo: Repo) -> Iterator[ObjectStore]:
    """Cache of this machine, in today's layout and in that of DVC 2 if it has it."""
    legacy = repo.cache.legacy
    yield ObjectStore(CACHE, repo.cache.local, str(legacy.path))
    if has_legacy_layout(legacy.fs, str(legacy.path)):
        yield ObjectStore(f"{CACHE}{LEGACY}", legacy, str(legacy.path))


def _remote(repo: Repo, name: str, url: str) -> Iterator[ObjectStore]:
    try:
        remote = repo.cloud.get_remote(name)
        odb, legacy = remote.odb, remote.legacy_odb
        is_aware = bool(getattr(odb.fs, "version_aware", False) or remote.worktree)
    except Exception as error:  # each plugin raises its own
        yield UnusableStore(f"remote {name}", None, url, error)
        return
    if is_aware and odb.fs.protocol == S3:
        yield VersionAwareStore(f"remote {name}", odb, remote.path)
        return
    yield ObjectStore(f"remote {name}", odb, remote.path)
    if has_legacy_layout(legacy.fs, remote.path):
        yield ObjectStore(f"remote {name}{LEGACY}", legacy, remote.path)
