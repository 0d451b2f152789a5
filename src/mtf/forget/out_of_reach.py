"""Copies that an erasure cannot reach, as messages to people: in a clone, in git's objects, in the storage itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mtf.forget.history import git
from mtf.forget.object_store import ObjectStore
from mtf.forget.version_aware import VersionAwareStore


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


def _kept_by_storage(store: ObjectStore) -> Iterator[str]:
    """Messages on a remote that keeps files under their own names, or older versions of objects."""
    if isinstance(store, VersionAwareStore):
        yield (
            f"{store.name} keeps files under their own names (version_aware): no tombstone can stand there for a "
            "version that is gone. `dvc pull` of an old version reports it missing; then `dvc pull FOLDER/FILE` gets "
            "the others."
        )
        return
    if store.is_version_aware:
        yield (
            f"{store.name} is version_aware: DVC stores files there under their own names, where nothing was looked "
            "for. Delete there what this receipt names under what old versions lost, with every version of it."
        )
    if store.is_bucket and not store.is_s3:
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
