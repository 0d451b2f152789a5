"""Plan of `dvc-forget`: the receipt of an erasure before its first step, with what no erasure reaches."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dvc.repo import Repo
from dvc_objects.fs.local import LocalFileSystem

from mtf.core.errors import BadInput, listed
from mtf.forget import content_search, out_of_reach, targets
from mtf.forget.file_versions import FileVersion
from mtf.forget.history import WORKSPACE, History, git_damage, shallow_clone
from mtf.forget.object_store import ObjectIndex
from mtf.forget.store_erasure import now, store_state
from mtf.forget.stores import all_stores
from mtf.forget.targets import Targets

Receipt = dict[str, Any]
Progress = Callable[[int, int], object]
SCHEMA = 1


@dataclass
class OpenedRepository:
    """Repository whose lock is held, with its history."""

    repo: Repo
    root: Path
    history: History

    @property
    def index(self) -> ObjectIndex:
        return self.history.index

    @property
    def cache(self) -> Path:
        return Path(self.repo.cache.local.path)

    @property
    def folders(self) -> list[Path]:
        """Folders with the objects of the cache, and of remotes on this machine."""
        stores = [store.odb for store in self.index.stores if store.odb is not None]
        return [Path(odb.path) for odb in stores if isinstance(odb.fs, LocalFileSystem)]


def opened(repo: Repo, root: Path, progress: Progress | None) -> OpenedRepository:
    """Repository with all its versions. Raises BadInput if a commit or a DVC file of the workspace is unreadable."""
    if lacking := shallow_clone(root) or git_damage(root):
        raise BadInput(f"nothing was erased, since not every version is known: {lacking}")
    history = History(repo, ObjectIndex(all_stores(repo)), progress)
    if faults := [why for why, revisions in history.faults.items() if WORKSPACE in revisions]:
        raise BadInput(f"what DVC tracks here is not known; put this right first: {listed(faults)}")
    return OpenedRepository(repo, root, history)


def planned(here: OpenedRepository, wanted: Targets, earlier: Receipt | None = None) -> Receipt:
    """Receipt before the first step. `earlier`: receipt of a run that was not finished, whose objects count too."""
    history, index = here.history, here.index
    known = {each["oid"]: each["size_bytes"] for each in earlier["objects"]} if earlier else {}
    oids = targets.selected(wanted, history, is_resumed=earlier is not None) - _new_since(earlier, history)
    oids = _with_members(oids, wanted, index) | set(known)
    versions = [version for version in history.versions if version.oid in oids]
    sizes = known | _sizes(here, versions, oids)
    named = {version.oid for version in versions}
    objects = [
        {
            "oid": version.oid,
            "path": version.path,
            "revisions": version.revisions,
            "listings": sorted(version.listings),
            "size_bytes": sizes.get(version.oid, 0),
            "is_named": bool(wanted.naming(version.path)) or version.oid in wanted.digests,
        }
        for version in versions
    ]
    for oid in sorted(oids - named):
        nameless = {"path": "", "revisions": [], "listings": [oid], "is_named": True}
        objects.append({"oid": oid, **nameless, "size_bytes": sizes.get(oid, 0)})
    copies = {*content_search.copies(here.root, _by_size(sizes), skipped=here.folders)}
    if not wanted.members and (earlier is None or earlier["workspace"]):
        copies |= {*_tracked_at(here, wanted)}
    return {
        "schema": SCHEMA,
        "program": "dvc-forget",
        "started_at": now(),
        "finished_at": None,
        "targets": wanted.plain(),
        "objects": objects,
        "places": {store.name: store_state(store, sorted(oids), [], index, wanted.kind) for store in index.stores},
        "run_cache": 0,
        "workspace": sorted(copies),
        "removed": [],
        "out_of_reach": [*_out_of_reach(here, wanted, oids, sizes)],
        "next": [*_next_steps(here, copies, objects, is_rewritten=bool(wanted.members))],
    }


def _new_since(earlier: Receipt | None, history: History) -> set[str]:
    """Contents of the current version, if an earlier run had removed the old ones: somebody put new files there."""
    if earlier is None or earlier["workspace"]:
        return set()
    return {version.oid for version in history.versions if WORKSPACE in version.revisions}


def _with_members(oids: set[str], wanted: Targets, index: ObjectIndex) -> set[str]:
    """Those of the objects of which a store has something to erase; all, if they go as a whole."""
    if not wanted.members:
        return oids
    kind, answering = wanted.kind, [store for store in index.stores if store.name not in index.errors]
    return {oid for oid in oids if any(kind.holds(store, oid) for store in answering)}


def _tracked_at(here: OpenedRepository, wanted: Targets) -> Iterator[str]:
    """Files and folders at the paths, whatever they hold now, as far as DVC tracks them. Nothing else is removed."""
    for path in _output_paths(here.repo):
        inside = [each for each in wanted.paths if each.startswith(f"{path}/")]
        found = [path] if wanted.naming(path) else inside
        yield from (each for each in found if os.path.lexists(here.root / each))


def _output_paths(repo: Repo) -> Iterator[str]:
    return ("/".join(out.index_key[1]) for out in repo.index.outs if out.is_in_repo)


def _sizes(here: OpenedRepository, versions: list[FileVersion], oids: set[str]) -> dict[str, int]:
    """Size in bytes of each object that a store has, or that is in the repository's folder alone."""
    sizes = {oid: here.index.size_bytes(oid) for oid in oids if here.index.has(oid)}
    for version in versions:
        path = here.root / version.path
        if version.oid not in sizes and WORKSPACE in version.revisions and path.is_file():
            sizes[version.oid] = path.stat().st_size
    return sizes


def _by_size(sizes: dict[str, int]) -> dict[int, set[str]]:
    found: dict[int, set[str]] = {}
    for oid, size in sizes.items():
        found.setdefault(size, set()).add(oid)
    return found


def _out_of_reach(here: OpenedRepository, wanted: Targets, oids: set[str], sizes: dict[str, int]) -> Iterator[str]:
    """Messages on what this erasure does not reach."""
    history, stores = here.history, here.index.stores
    yield from out_of_reach.about_clone_and_stores(here.root, stores, here.index.unlistable)
    if blobs := content_search.git_blobs(here.root, _by_size(sizes)):
        yield (
            f"Git itself has {len(blobs)} of these contents (blob {listed(sorted(blobs), 3)}): rewrite its history "
            "(`git filter-repo --strip-blobs-with-ids FILE`), push it anew, and run `git gc --prune=now` in each clone."
        )
    yield from (f"Versions that could not be read: {line}." for line in history.fault_lines)
    if history.missing_listings:
        lost = listed(sorted(history.missing_listings), 4)
        yield f"No storage has the list of files of {lost}: what these folders held is known by no path."
    if maybe := targets.same_name_without_version(wanted, oids, history):
        digests = listed(sorted({version.oid for version in maybe}), 8)
        yield (
            f"{len(maybe)} contents of no version have the name of a target in a folder that is not known: {digests}. "
            "Name them with --digest to erase them, too."
        )
    if not here.cache.is_relative_to(here.root):
        yield f"The cache {here.cache} may be shared: other repositories that use it lose these contents, too."
    yield from (
        f"{stage.addressing} is imported: its source still has it, and `dvc update` brings it back."
        for stage in here.repo.index.stages
        if stage.is_import and any(_names_output(wanted, out) for out in stage.outs)
    )


def _next_steps(
    here: OpenedRepository, copies: set[str], objects: list[dict[str, Any]], *, is_rewritten: bool
) -> Iterator[str]:
    """Commands that record the current version without the files that go."""
    gone = {*copies, *(each["path"] for each in objects if WORKSPACE in each["revisions"])}
    for out in sorted(here.repo.index.outs, key=str):
        if not out.is_in_repo:
            continue
        path = "/".join(out.index_key[1])
        inside = [each for each in gone if each.startswith(f"{path}/")]
        if is_rewritten and out.stage.is_data_source and (path in gone or inside):
            yield f"`dvc add {path}` records {path} as it is now."
        elif path in gone and out.stage.is_data_source:
            yield f"`dvc remove {out.stage.addressing}`: {path} is gone."
        elif inside and out.stage.is_data_source:
            yield f"`dvc add {path}` records {path} without {listed(sorted(inside), 4)}."
        elif path in gone or inside:
            yield (
                f"change what the stage {out.stage.addressing} makes, then `dvc repro {out.stage.addressing}`: "
                f"as it is, it makes {path} again."
            )


def _names_output(wanted: Targets, out: Any) -> bool:
    path = "/".join(out.index_key[1]) if out.is_in_repo else ""
    return bool(path) and (bool(wanted.naming(path)) or any(each.startswith(f"{path}/") for each in wanted.paths))
