"""Which objects hold an erased picture: by the shard they are, by their name, or by what is in them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import polars as pl

from mtf.forget.history import NO_VERSION, WORKSPACE, FileVersion, History, finished_name
from mtf.takedown import file_contents
from mtf.takedown.scope import TakedownScope
from mtf.takedown.scope_search import SPLITS

_MODELS = (".pt", ".ckpt", ".onnx")
_DERIVED = "build"


@dataclass(frozen=True)
class AffectedObject:
    """An object to erase. `others` counts the pictures in it that nobody asked to erase."""

    oid: str
    path: str
    revisions: tuple[str, ...]
    listings: tuple[str, ...]
    size_bytes: int
    others: int

    def plain(self) -> dict[str, Any]:
        return asdict(self) | {"revisions": list(self.revisions), "listings": list(self.listings)}


@dataclass
class AffectedObjects:
    """`holders` are somewhere; `unseen` may be in a place that does not answer; `unreadable` says what is broken."""

    affected: list[AffectedObject] = field(default_factory=list)
    unseen: list[FileVersion] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)


def find(scope: TakedownScope, history: History) -> AffectedObjects:
    """All holders, of any version or of none."""
    found = AffectedObjects()
    for version in history.versions:
        if _may_hold(version, scope, history):
            _examine(version, scope, history, found)
    for oid in history.unnamed:
        _examine(FileVersion(f"({oid[:8]})", oid, [NO_VERSION]), scope, history, found)
    return found


def trained_models(scope: TakedownScope, history: History) -> Iterator[dict[str, Any]]:
    """Models of any version whose training or validation saw an erased face: to retrain or withdraw."""
    models = [version for version in history.versions if version.name.suffix in _MODELS]
    told = set()
    for revisions, rows in history.tables(SPLITS, columns=("face_id", "split")):
        seen = rows.filter(pl.col("face_id").is_in(list(scope.face_ids)) & (pl.col("split") != "test")).height
        for model in models if seen else ():
            shared = sorted(set(model.revisions) & set(revisions))
            if shared and (model.oid, *shared) not in told:
                told.add((model.oid, *shared))
                yield {"path": model.path, "revisions": shared, "trained_on_faces": seen}


def is_held_by(path: Path, scope: TakedownScope) -> bool:
    """Whether a file of the project's folder holds an erased picture. Raises Unexaminable, and OSError."""
    name = finished_name(PurePosixPath(path.name))
    if _is_named(name, scope):
        return True
    with path.open("rb") as file:
        return file_contents.others_beside(file, name.suffix, scope) is not None


def _examine(version: FileVersion, scope: TakedownScope, history: History, found: AffectedObjects) -> None:
    index = history.index
    if not index.has(version.oid):
        if index.errors:
            found.unseen.append(version)
        return
    try:
        others = _others_beside(version, scope, history)
    except Exception as error:  # what cannot be looked at is owed, whatever its place or its format raises
        found.unreadable.append(f"{version.path} at {', '.join(version.revisions)} ({version.oid}): {error}")
        return
    if others is not None:
        revisions, listings = tuple(version.revisions), tuple(sorted(version.listings))
        size_bytes = index.size_bytes(version.oid)
        found.affected.append(AffectedObject(version.oid, version.path, revisions, listings, size_bytes, others))


def _may_hold(version: FileVersion, scope: TakedownScope, history: History) -> bool:
    """Without reading it: others' shards, tables without pictures and figures are left alone."""
    name = finished_name(version.name)
    if name.parent.name == "shards":
        return name.stem in scope.affected
    if _is_named(name, scope) or name.suffix == ".tar":
        return True
    if name.suffix == ".html":
        return _may_show(version, scope)
    if name.suffix == ".parquet" and (version.is_unversioned or "release" in name.parts):
        return True
    return name.parts[0] != _DERIVED and _may_be_original(version, scope, history)


def _may_show(version: FileVersion, scope: TakedownScope) -> bool:
    """A report of a version that knew an erased face. The current one was made without them, where it is the same."""
    if version.is_unversioned:
        return True
    knew = scope.revisions.intersection(version.revisions)
    return bool(knew) and (WORKSPACE in knew or WORKSPACE not in version.revisions)


def _may_be_original(version: FileVersion, scope: TakedownScope, history: History) -> bool:
    """A picture that a person put there, under a name of its own."""
    index = history.index
    if not index.has(version.oid):
        return bool(index.errors) and version.name.suffix.lower() in (".jpg", ".jpeg", ".png", ".webp")
    return scope.may_be(index.size_bytes(version.oid))


def _others_beside(version: FileVersion, scope: TakedownScope, history: History) -> int | None:
    name = finished_name(version.name)
    if name.suffix != ".tar" and _is_named(name, scope):
        return 0
    with history.index.open(version.oid) as file:
        if file is None:
            return None
        if name.suffix == ".html" and not version.is_unversioned:
            return _pictures_of(file.read())
        try:
            return file_contents.others_beside(file, name.suffix, scope)
        except file_contents.Unexaminable:
            if name.parent.name == "shards":
                return 0  # half a shard, or a broken one, of somebody who is affected
            raise


def _pictures_of(page: bytes) -> int | None:
    pictures = page.count(b"data:image/")
    return pictures - 1 if pictures else None


def _is_named(name: PurePosixPath, scope: TakedownScope) -> bool:
    stem = name.name.partition(".")[0]
    return stem in scope.names or stem.rpartition("-")[2] in scope.names
