"""What an erasure would do: the pictures that the requests name, and every object of every place that holds them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dvc.repo import Repo

import mtf
from mtf import config
from mtf.core.errors import BadInput, listed
from mtf.core.project_paths import PATHS_IN_PROJECT, ProjectPaths
from mtf.forget import history as clone
from mtf.forget.history import WORKSPACE, History
from mtf.forget.object_store import CACHE, ObjectIndex, ObjectStore, all_stores, error_text
from mtf.schemas import takedown_file
from mtf.takedown import affected_objects, manual_followups, originals, receipt, scope_search, untracked
from mtf.takedown.affected_objects import AffectedObjects
from mtf.takedown.originals import Original
from mtf.takedown.receipt import Receipt
from mtf.takedown.requests import unrecorded_pages
from mtf.takedown.scope import TakedownScope

State = dict[str, Any]


@dataclass
class ErasurePlan:
    """`receipt` as it will be; `current` are files of the current version that `dvc repro` makes anew first.

    `unseen` are objects that may hold an erased picture and may lie in a place that does not answer; `untracked` lie
    about in the project's folder. `broken_versions` say which versions could not be read. `unrecorded_pages` are pages whose
    pictures `dvc repro` keeps.
    """

    receipt: Receipt
    current: list[str]
    unseen: list[str]
    index: ObjectIndex
    originals: list[Original]
    untracked: list[str]
    broken_versions: list[str]
    unrecorded_pages: list[str]

    @property
    def first(self) -> str:
        """What comes before the erasure where the current version still holds pictures to erase."""
        if not self.unrecorded_pages:
            return "run `dvc repro` and commit dvc.lock first; it makes them again without the pictures"
        return (
            f"the crawl knows no picture on {listed(self.unrecorded_pages)}, so first `mtf takedown add` each of these pages "
            "again, which writes their pictures down; then run `dvc repro` and commit dvc.lock"
        )

    @property
    def is_empty(self) -> bool:
        """Nothing that the requests name is anywhere, and every place was looked through."""
        return not (self.receipt["objects"] or self.receipt["originals"] or receipt.owed(self.receipt))


def make_plan(repo: Repo, workspace: ProjectPaths, *, signed_by: str) -> ErasurePlan:
    """A plan for all that the takedowns name. Raises BadInput where not every version is known."""
    if lacking := clone.shallow_clone(workspace.root) or clone.git_damage(workspace.root):
        raise BadInput(f"nothing was erased, since not every version is known: {lacking}")
    requests = takedown_file.load(workspace.takedowns)
    index = ObjectIndex(all_stores(repo))
    history = History(repo, index)
    if faults := [why for why, revisions in history.faults.items() if WORKSPACE in revisions]:
        raise BadInput(f"what DVC tracks in the project's folder is not known; put this right first: {listed(faults)}")
    settings = config.load(workspace.params)
    wanted = scope_search.find(requests, history, max_pixels=settings.crawl.max_pixels)
    found = affected_objects.find(wanted, history)
    own, broken = originals.find(wanted, workspace, settings)
    oids = sorted({each.oid for each in found.affected})
    unseen = sorted({version.oid for version in found.unseen})
    fitted = [{"path": untracked.FITTED, "revisions": [WORKSPACE], "trained_on_faces": None}]
    has_fitted = bool(wanted.face_ids) and (workspace.root / untracked.FITTED).exists()
    beside = untracked.find(wanted, workspace, repo)
    unreadable = {*found.unreadable, *broken, *beside.unreadable, *_unread(wanted, found)}
    broken_versions = [*manual_followups.broken_versions(history)]
    outside = [*_outside(own, repo, workspace)]
    planned: Receipt = {
        "schema": receipt.SCHEMA,
        "program": f"mtf {mtf.__version__}",
        "started_at": now(),
        "finished_at": None,
        "signed_by": signed_by,
        "requests": [asdict(record) | {"kind": str(record.kind)} for record in requests.records],
        "subjects": wanted.plain(),
        "objects": [each.plain() for each in found.affected],
        "places": {store.name: store_state(store, oids, unseen, index) for store in index.stores if requests.records},
        "run_cache": 0,
        "workspace": beside.names if wanted.names else [],
        "originals": [_named(original, workspace) for original in own],
        "outside": outside,
        "models": [*affected_objects.trained_models(wanted, history), *(fitted if has_fitted else [])],
        "unreadable": sorted(unreadable) if requests.records else [],
        "lost": sorted(history.missing_listings),
        "by_hand": [
            *manual_followups.storage_and_clone(workspace, index.stores, index.unlistable),
            *broken_versions,
            *outside,
            *manual_followups.remaining_records(wanted.whole, workspace),
            *beside.by_hand,
        ],
    }
    made = [each.path for each in found.affected if WORKSPACE in each.revisions and _is_made(each.path)]
    pages = unrecorded_pages(requests, workspace) if made else []
    return ErasurePlan(planned, sorted(set(made)), unseen, index, own, beside.names, broken_versions, pages)


def _outside(own: list[Original], repo: Repo, workspace: ProjectPaths) -> Iterator[str]:
    """Links to pictures that lie neither in the project nor in DVC's cache, wherever that is."""
    cache = Path(repo.cache.local.path).resolve()
    for original in own:
        target = original.target
        if target is not None and not any(target.is_relative_to(each) for each in (workspace.root.resolve(), cache)):
            yield f"{workspace.relative(original.path)} was a link to {target}: the picture there is yours to remove."


def _unread(wanted: TakedownScope, found: AffectedObjects) -> Iterator[str]:
    """Shards that may hold a look-alike; what is erased anyway need not be read."""
    erased = {each.oid for each in found.affected}
    for version, why in wanted.unread:
        if version.oid not in erased:
            yield f"{version.path} at {', '.join(version.revisions)} ({version.oid}): {why}"


def _is_made(path: str) -> bool:
    """A stage's file, rather than one that people put there."""
    return path.startswith(f"{PATHS_IN_PROJECT.build.as_posix()}/")


def _named(original: Original, workspace: ProjectPaths) -> str:
    where = workspace.relative(original.path)
    return f"{where}: {len(original.members)} members" if original.members else where


def store_state(store: ObjectStore, oids: list[str], unseen: list[str], index: ObjectIndex) -> State:
    """What a place holds before; one that cannot be asked owes everything that it may have.

    A remote is to have a tombstone also for what it does not hold: nobody's older clone pushes the original there.
    """
    state: State = {
        "address": store.address,
        "before": 0,
        "after": 0,
        "owed": [],
        "error": index.errors.get(store.name),
    }
    if not state["error"]:
        try:
            held = [oid for oid in oids if store.has_original(oid)]
            owed = held if store.name == CACHE else [oid for oid in oids if oid in held or not store.has_tombstone(oid)]
            return state | {"before": len(held), "after": len(held), "owed": owed}
        except Exception as failure:  # each file system raises its own
            state["error"] = error_text(failure)
    owed = sorted({*oids, *unseen})
    return state | {"before": len(owed), "after": len(owed), "owed": owed}


def now() -> str:
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
