"""Objects that hold an erased picture, found by their shard, their name or their content."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import polars as pl

from mtf.forget.file_versions import NO_VERSION, FileVersion, finished_name
from mtf.forget.history import WORKSPACE, History
from mtf.takedown import file_contents, history_tables
from mtf.takedown.scope import TakedownScope
from mtf.takedown.scope_search import SPLITS

_MODELS = (".pt", ".ckpt", ".onnx")
_DERIVED = "build"


@dataclass(frozen=True)
class AffectedObject:
    """Object to erase.

    - `oid`: md5 of its content;
    - `path`: path of the tracked file;
    - `revisions`: revisions that have it there;
    - `listings`: listings of tracked folders that name it;
    - `size_bytes`: its size;
    - `others`: number of pictures in it that nobody asked to erase.
    """

    oid: str
    path: str
    revisions: tuple[str, ...]
    listings: tuple[str, ...]
    size_bytes: int
    others: int

    def plain(self) -> dict[str, Any]:
        """Object as the receipt stores it."""
        return asdict(self) | {"revisions": list(self.revisions), "listings": list(self.listings)}


@dataclass
class AffectedObjects:
    """Result of the search for affected objects.

    - `affected`: objects to erase;
    - `unseen`: files that may hold an erased picture, and that no answering store has;
    - `unreadable`: files that could not be read, with revisions and error, one line each.
    """

    affected: list[AffectedObject] = field(default_factory=list)
    unseen: list[FileVersion] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)


def find(scope: TakedownScope, history: History) -> AffectedObjects:
    """Affected objects of all versions, and of the objects without a version."""
    found = AffectedObjects()
    for version in history.versions:
        if _may_hold(version, scope, history):
            _examine(version, scope, history, found)
    for oid in history.unnamed:
        _examine(FileVersion(f"({oid[:8]})", oid, [NO_VERSION]), scope, history, found)
    return found


def trained_models(scope: TakedownScope, history: History) -> Iterator[dict[str, Any]]:
    """Models of any version that were trained or validated with an erased face; they must be retrained or withdrawn."""
    models = [version for version in history.versions if version.name.suffix in _MODELS]
    told = set()
    for revisions, rows in history_tables.tables(history, SPLITS, columns=("face_id", "split")):
        seen = rows.filter(pl.col("face_id").is_in(list(scope.face_ids)) & (pl.col("split") != "test")).height
        for model in models if seen else ():
            shared = sorted(set(model.revisions) & set(revisions))
            if shared and (model.oid, *shared) not in told:
                told.add((model.oid, *shared))
                yield {"path": model.path, "revisions": shared, "trained_on_faces": seen}


def is_affected(path: Path, scope: TakedownScope) -> bool:
    """True if a file of the project's folder holds an erased picture. Raises Unexaminable and OSError."""
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
    except Exception as error:  # each store and format raises its own; the receipt lists the file as unreadable
        found.unreadable.append(f"{version.path} at {', '.join(version.revisions)} ({version.oid}): {error}")
        return
    if others is not None:
        revisions, listings = tuple(version.revisions), tuple(sorted(version.listings))
        size_bytes = index.size_bytes(version.oid)
        found.affected.append(AffectedObject(version.oid, version.path, revisions, listings, size_bytes, others))


def _may_hold(version: FileVersion, scope: TakedownScope, history: History) -> bool:
    """True if a file may hold an erased picture, judged without reading it.

    False for shards of identities that are not affected, and for tables and figures without pictures.
    """
    name = finished_name(version.name)
    if name.parent.name == "shards":
        return name.stem in scope.affected
    if _is_named(name, scope) or name.suffix == ".tar":
        return True
    if name.suffix == ".html":
        return _report_may_show(version, scope)
    if name.suffix == ".parquet" and (version.is_unversioned or "release" in name.parts):
        return True
    return name.parts[0] != _DERIVED and _may_be_original(version, scope, history)


def _report_may_show(version: FileVersion, scope: TakedownScope) -> bool:
    """True for a report of a version with an erased face.

    False if the workspace has the same report and no erased face: then it was written without the face.
    """
    if version.is_unversioned:
        return True
    with_face = scope.revisions.intersection(version.revisions)
    return bool(with_face) and (WORKSPACE in with_face or WORKSPACE not in version.revisions)


def _may_be_original(version: FileVersion, scope: TakedownScope, history: History) -> bool:
    """True if a file that people added, under any name, may be an erased picture."""
    index = history.index
    if not index.has(version.oid):
        return bool(index.errors) and version.name.suffix.lower() in (".jpg", ".jpeg", ".png", ".webp")
    return scope.may_be_erased(index.size_bytes(version.oid))


def _others_beside(version: FileVersion, scope: TakedownScope, history: History) -> int | None:
    """Number of other pictures in a file with an erased one; None if it has none, or if no store has the file."""
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
                return 0  # an unfinished or damaged shard of an affected identity
            raise


def _pictures_of(page: bytes) -> int | None:
    pictures = page.count(b"data:image/")
    return pictures - 1 if pictures else None


def _is_named(name: PurePosixPath, scope: TakedownScope) -> bool:
    stem = name.name.partition(".")[0]
    return stem in scope.names or stem.rpartition("-")[2] in scope.names
