"""Search for leftovers of an erasure, through every byte of the places that may have a copy.

- Searched: the project's folder without virtual environments (`build/`, DVC's cache, temporary files and experiments
  included), every remote, all objects of git, DVC's index of the project, temporary folders of this program, and
  FiftyOne's own folders.
- A picture, crop, thumbnail, embedding or file that is left in the project or a store keeps the receipt open. One in
  git's objects or outside the project is left to people. Text that remains is counted.
- An object of a remote that is not on this machine's disk, with the name and size of one that was searched here, is
  known by its md5 and not fetched again.
"""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet
from dvc.repo import Repo
from dvc_objects.fs.local import LocalFileSystem

from mtf.core.errors import listed
from mtf.core.project_paths import ProjectPaths
from mtf.forget import byte_patterns
from mtf.forget.byte_patterns import BytePatterns
from mtf.forget.byte_search import ByteSearch, Pieces
from mtf.forget.history import History, git
from mtf.forget.object_store import LEGACY, ObjectIndex, ObjectStore, error_text
from mtf.takedown import leftover_patterns
from mtf.takedown.leftover_patterns import HELD, TEXT
from mtf.takedown.scope import TakedownScope

_STATE = ".dvc/tmp/erasure-patterns.json"
# Folders of this program's commands in the folder for temporary files.
_TEMPORARY = "mtf-*"
# Virtual environments of Python: gigabytes of installed packages.
_ENVIRONMENT = "*/pyvenv.cfg"
_FIFTYONE = (".fiftyone", "fiftyone")
_SHOWN = 4


@dataclass
class Leftovers:
    """Result of a search for leftovers.

    - `owed`: places in the project or a store that still have something of an erased picture, one line each;
    - `by_hand`: the same in places that this program does not change, and places that could not be searched;
    - `text`: names, numbers and addresses that remain, one line for each kind of place;
    - `patterns`, `files`, `size_bytes`: number of patterns, and what was searched for them.
    """

    owed: list[str] = field(default_factory=list)
    by_hand: list[str] = field(default_factory=list)
    text: list[str] = field(default_factory=list)
    patterns: int = 0
    files: int = 0
    size_bytes: int = 0

    def plain(self) -> dict[str, Any]:
        """Result as the receipt stores it."""
        return {name: getattr(self, name) for name in ("owed", "text", "patterns", "files", "size_bytes")}


def prepare(
    objects: list[dict[str, Any]], scope: TakedownScope, history: History, workspace: ProjectPaths
) -> BytePatterns:
    """Patterns of what will be erased, saved until the erasure is finished, since a resumed one finds less."""
    path = workspace.root / _STATE
    new = leftover_patterns.of_erasure(objects, scope, history)
    patterns = BytePatterns({*new, *byte_patterns.load(path)})
    patterns.save(path)
    return patterns


def finish(workspace: ProjectPaths) -> None:
    """Forget the patterns of a finished erasure."""
    (workspace.root / _STATE).unlink(missing_ok=True)


def search(patterns: BytePatterns, workspace: ProjectPaths, repo: Repo, index: ObjectIndex) -> Leftovers:
    """Search all places for the patterns."""
    root = workspace.root
    search = ByteSearch(patterns, {b"PAR1": _arrow_of_parquet, b"ARROW1": _arrow, b"\x28\xb5\x2f\xfd": _zstandard})
    objects_of_git = Path(os.path.normpath(root / git(root, "rev-parse", "--git-path", "objects").stdout.strip()))
    environments = [path.parent for path in root.glob(_ENVIRONMENT)]
    search.folder(root, skipped=(root / _STATE, workspace.receipts, objects_of_git, *environments))
    inside = [root]
    for store in index.stores:
        if store.name in index.errors:
            continue
        if not isinstance(store.odb.fs, LocalFileSystem):
            if not store.name.endswith(LEGACY):  # its root is that of the store before it
                _search_remote(search, store, index)
        elif not any(Path(store.root).is_relative_to(each) for each in inside):
            inside.append(Path(store.root))
            search.folder(Path(store.root))
    search.git_objects(root)
    for folder in _outside(repo):
        search.folder(folder)
    return _told(search, patterns, inside, workspace)


def _outside(repo: Repo) -> Iterator[Path]:
    """Folders outside the project and its stores that may have a copy."""
    if repo.site_cache_dir and Path(repo.site_cache_dir).is_dir():
        yield Path(repo.site_cache_dir)
    root = Path(repo.root_dir).resolve()
    for path in sorted(Path(tempfile.gettempdir()).glob(_TEMPORARY)):
        if path.is_dir() and path.stat().st_uid == os.getuid() and not root.is_relative_to(path.resolve()):
            yield path
    yield from (path for name in _FIFTYONE if (path := Path.home() / name).is_dir())


def _search_remote(search: ByteSearch, store: ObjectStore, index: ObjectIndex) -> None:
    """Search a store that is not on this machine's disk."""
    fs = store.odb.fs
    try:
        # The file system of fsspec beneath that of DVC, which gives no sizes with the names.
        for path, info in fs.fs.find(store.root, detail=True).items() if fs.exists(store.root) else ():
            size_bytes = int(info.get("size") or 0)
            if _has(index.stores[0], store.object_at(path), size_bytes):
                continue
            with fs.open(path, "rb") as file:
                search.file(str(fs.unstrip_protocol(path)), file, size_bytes)
    except Exception as error:  # each file system raises its own
        search.result.closed.append(f"{store.name}: {error_text(error)}")


def _has(cache: ObjectStore, oid: str | None, size_bytes: int) -> bool:
    """True if the cache, which was searched, has this object with this size."""
    return oid is not None and cache.odb.fs.exists(cache.odb.oid_to_path(oid)) and cache.size_bytes(oid) == size_bytes


def _told(search: ByteSearch, patterns: BytePatterns, inside: list[Path], workspace: ProjectPaths) -> Leftovers:
    result = search.result
    told = Leftovers(patterns=len(patterns.patterns), files=result.files, size_bytes=result.size_bytes)
    texts: Counter[str] = Counter()
    of_git: list[str] = []
    for place, kinds in sorted(result.found.items()):
        if kinds & {*TEXT}:
            texts[_area(place, workspace)] += 1
        if not (held := [kind for kind in HELD if kind in kinds]):
            continue
        if place.startswith("git "):
            of_git.append(place.removeprefix("git "))
        elif "://" in place or any(Path(place).is_relative_to(each) for each in inside):
            told.owed.append(f"{workspace.relative(Path(place)) if '://' not in place else place} ({', '.join(held)})")
        else:
            told.by_hand.append(f"{place} holds {', '.join(held)} of what was erased, outside the project: remove it.")
    if of_git:
        told.by_hand.append(
            f"Git itself has pictures or files of what was erased in {len(of_git)} objects ({listed(of_git, 3)}): "
            "rewrite its history (`git filter-repo --strip-blobs-with-ids FILE`), push it anew, and run "
            "`git gc --prune=now` in each clone."
        )
    if result.closed:
        closed = [workspace.relative(Path(each)) if each.startswith("/") else each for each in result.closed]
        told.by_hand.append(f"Could not be searched through: {listed(closed, _SHOWN)}.")
    told.text = [f"{area}: {count:,}" for area, count in sorted(texts.items())]
    return told


def _area(place: str, workspace: ProjectPaths) -> str:
    """Kind of a place, by which text that remains is counted."""
    if place.startswith("git "):
        return "objects of git"
    path = Path(place)
    if "://" in place or not path.is_relative_to(workspace.root):
        return "files outside the project"
    first, *rest = path.relative_to(workspace.root).parts
    if first == ".dvc" and rest:
        return "files of DVC's cache" if rest[0] == "cache" else f"files of .dvc/{rest[0]}"
    return f"files of {first}" if rest else "files beside them"


def _arrow_of_parquet(file: BinaryIO) -> Pieces:
    """Buffers of a Parquet file's columns, as they are in memory."""
    for batch in pa.parquet.ParquetFile(file).iter_batches(batch_size=4096):
        yield from _buffers(batch)


def _arrow(file: BinaryIO) -> Pieces:
    reader = pa.ipc.open_file(file)
    for number in range(reader.num_record_batches):
        yield from _buffers(reader.get_batch(number))


def _buffers(batch: pa.RecordBatch) -> Pieces:
    for column in batch.columns:
        plain = column.dictionary_decode() if isinstance(column, pa.DictionaryArray) else column
        for buffer in plain.buffers():
            if buffer is not None:
                yield buffer.to_pybytes()
                yield b"\0"


def _zstandard(file: BinaryIO) -> Pieces:
    with pa.CompressedInputStream(pa.PythonFile(file, "r"), "zstd") as stream:
        while piece := stream.read(2**22):
            yield piece
