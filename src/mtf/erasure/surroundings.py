"""What only people can see to: what a clone, a place or a database keeps that this program cannot see or touch."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from mtf.erasure import clone
from mtf.erasure.history import History
from mtf.erasure.places import Place
from mtf.workspace import Workspace

_DATABASE = "FIFTYONE_DATABASE_URI"


def owed_by_hand(workspace: Workspace, places: list[Place], unlisted: list[str]) -> Iterator[str]:
    """What this program cannot see or must not touch, in words."""
    fetched = _git(workspace.root, "config", "--get-all", "remote.origin.fetch")
    if fetched and "refs/heads/*" not in fetched:
        yield (
            "This clone follows one branch: versions of others were not looked for. "
            "`git remote set-branches origin '*' && git fetch`, then erase again."
        )
    for name in unlisted:
        yield f"{name} cannot be listed: only what a version names was looked for there."
    for place in places:
        yield from _kept_by_storage(place)
    yield from _kept_by_git(workspace.root, places)
    if address := os.environ.get(_DATABASE):
        yield (
            f"FiftyOne's database at {address.rpartition('@')[2].removeprefix('mongodb://')} is not this project's: "
            "it may hold names, boxes and embeddings of the erased faces. Open each review again "
            "(`mtf review open`), which replaces its data set, or delete the data sets there."
        )


def broken_versions(history: History) -> Iterator[str]:
    """Versions of git's whose DVC files cannot be read: only git's history rewritten would put them right."""
    for line in history.unread:
        yield (
            f"Versions that could not be read ({line}): what they alone name was looked for by its content, in every "
            "place that can be listed; models that were trained then may be missing from this receipt."
        )


def _kept_by_storage(place: Place) -> Iterator[str]:
    """What a remote keeps beside the objects that DVC stores by their content."""
    if place.keeps_names:
        yield (
            f"{place.name} is version_aware: DVC stores files there under their own names, where nothing was looked "
            "for. Delete there what this receipt names under what old versions lost, with every version of it."
        )
    if place.is_bucket:
        yield (
            f"{place.name}: a bucket that keeps versions keeps the erased bytes as older versions of the objects. "
            "Where it does (or did), delete its noncurrent versions."
        )


def _kept_by_git(root: Path, places: list[Place]) -> Iterator[str]:
    """A remote in the repository itself: what git committed of it stays in git."""
    for place in places:
        folder = Path(place.root)
        if folder.is_relative_to(root) and _git(root, "ls-files", "--", str(folder.relative_to(root))):
            yield (
                f"{place.name} lies in this repository and git tracks it: commit what changed there. Earlier commits "
                "keep the erased bytes until git's history is rewritten (git filter-repo) and pushed anew."
            )


def _git(root: Path, *arguments: str) -> str:
    done = clone.git(root, *arguments)
    return done.stdout.strip() if done.returncode == 0 else ""
