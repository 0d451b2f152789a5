"""Copies that an erasure cannot reach, as messages to people: in a clone, in git's objects, in the storage itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from mtf.forget.history import git
from mtf.forget.object_store import ObjectStore

_LEGACY = re.compile(r"[0-9a-f]{2}")


def about_clone_and_stores(root: Path, stores: list[ObjectStore], unlistable: list[str]) -> Iterator[str]:
    """Messages on branches that the clone does not follow, and on copies that stores and git keep.

    unlistable: names of stores that cannot be listed.
    """
    fetched = _git(root, "config", "--get-all", "remote.origin.fetch")
    if fetched and "refs/heads/*" not in fetched:
        yield (
            "This clone follows one branch: versions of others were not looked for. "
            "`git remote set-branches origin '*' && git fetch`, then erase again."
        )
    for name in unlistable:
        yield f"{name} cannot be listed: only what a version names was looked for there."
    for store in stores:
        yield from _kept_by_storage(store)
    yield from _kept_by_git(root, stores)


def about_old_layouts(stores: list[ObjectStore], errors: dict[str, str]) -> Iterator[str]:
    """Messages on stores with objects in the layout of DVC 2 (`ab/cdef…` at the root), where nothing is looked for."""
    for store in stores:
        if store.name in errors:
            continue
        names: list[str] = []
        with suppress(Exception):  # each file system raises its own; a store without the folder has nothing there
            names = [store.odb.fs.name(path.rstrip("/")) for path in store.odb.fs.ls(store.root, detail=False)]
        if any(_LEGACY.fullmatch(name) for name in names):
            yield (
                f"{store.name} has objects in the layout of DVC 2, where nothing was looked for. "
                "`dvc cache migrate --dvc-files` brings them into today's layout in the cache; delete the old ones."
            )


def _kept_by_storage(store: ObjectStore) -> Iterator[str]:
    """Messages on a remote that keeps files under their own names, or older versions of objects."""
    if store.is_version_aware:
        yield (
            f"{store.name} is version_aware: DVC stores files there under their own names, where nothing was looked "
            "for. Delete there what this receipt names under what old versions lost, with every version of it."
        )
    if store.is_bucket:
        yield (
            f"{store.name}: a bucket that keeps versions keeps the erased bytes as older versions of the objects. "
            "Where it does (or did), delete its noncurrent versions."
        )


def _kept_by_git(root: Path, stores: list[ObjectStore]) -> Iterator[str]:
    """Messages on remotes inside the repository that git tracks: its commits keep the erased bytes."""
    for store in stores:
        folder = Path(store.root)
        if folder.is_relative_to(root) and _git(root, "ls-files", "--", str(folder.relative_to(root))):
            yield (
                f"{store.name} lies in this repository and git tracks it: commit what changed there. Earlier commits "
                "keep the erased bytes until git's history is rewritten (git filter-repo) and pushed anew."
            )


def _git(root: Path, *arguments: str) -> str:
    done = git(root, *arguments)
    return done.stdout.strip() if done.returncode == 0 else ""
