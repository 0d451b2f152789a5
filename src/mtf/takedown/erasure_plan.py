"""Plan of an erasure: the pictures that the requests name, and the objects of every store that hold them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from dvc.repo import Repo

import mtf
from mtf import config
from mtf.core.errors import BadInput, listed
from mtf.core.project_paths import PATHS_IN_PROJECT, ProjectPaths
from mtf.forget.history import WORKSPACE, History, git_damage, shallow_clone
from mtf.forget.object_store import ObjectIndex
from mtf.forget.store_erasure import now, store_state
from mtf.forget.stores import all_stores
from mtf.schemas import takedown_file
from mtf.takedown import (
    affected_objects,
    exported_evidence,
    manual_followups,
    originals,
    receipt,
    scope_search,
    untracked,
)
from mtf.takedown.affected_objects import AffectedObjects
from mtf.takedown.exported_evidence import ExportedFile
from mtf.takedown.originals import Original
from mtf.takedown.receipt import Receipt
from mtf.takedown.requests import unrecorded_pages
from mtf.takedown.scope import TakedownScope


@dataclass
class ErasurePlan:
    """Plan of an erasure.

    - `receipt`: receipt of the erasure before its first step;
    - `current`: files of the current version with pictures to erase, which `dvc repro` must make again first;
    - `unseen`: objects (md5) that may hold an erased picture, and that only a store without an answer may have;
    - `history`: all versions, with the index of the objects of all stores;
    - `scope`: people, images and faces that the requests name;
    - `originals`: files that people added, with pictures to erase;
    - `evidence`: exported evidence on pictures to erase;
    - `untracked`: paths in the project's folder to remove;
    - `unreadable_versions`: messages on versions that could not be read;
    - `unrecorded_pages`: requested pages whose pictures `dvc repro` would keep.
    """

    receipt: Receipt
    current: list[str]
    unseen: list[str]
    history: History
    scope: TakedownScope
    originals: list[Original]
    evidence: list[ExportedFile]
    untracked: list[str]
    unreadable_versions: list[str]
    unrecorded_pages: list[str]

    @property
    def index(self) -> ObjectIndex:
        """Index of the objects of all stores."""
        return self.history.index

    @property
    def first(self) -> str:
        """Steps before the erasure, if the current version still holds pictures to erase."""
        if not self.unrecorded_pages:
            return "run `dvc repro` and commit dvc.lock first; it makes them again without the pictures"
        return (
            f"the crawl knows no picture on {listed(self.unrecorded_pages)}, so first `mtf takedown add` each of these "
            "pages again, which records their pictures; then run `dvc repro` and commit dvc.lock"
        )

    @property
    def is_empty(self) -> bool:
        """True if all stores were searched, and none has anything that the requests name."""
        return not (self.receipt["objects"] or self.receipt["originals"] or receipt.outstanding(self.receipt))


def make_plan(
    repo: Repo,
    workspace: ProjectPaths,
    *,
    signed_by: str,
    progress: Callable[[int, int], object] | None = None,
) -> ErasurePlan:
    """Plan the erasure of all takedowns. Raises BadInput if a commit or a DVC file of the workspace is unreadable."""
    if lacking := shallow_clone(workspace.root) or git_damage(workspace.root):
        raise BadInput(f"nothing was erased, since not every version is known: {lacking}")
    requests = takedown_file.load(workspace.takedowns)
    index = ObjectIndex(all_stores(repo))
    history = History(repo, index, progress)
    if faults := [why for why, revisions in history.faults.items() if WORKSPACE in revisions]:
        raise BadInput(f"what DVC tracks in the project's folder is not known; put this right first: {listed(faults)}")
    settings = config.load(workspace.params)
    scope = scope_search.find(requests, history, max_pixels=settings.crawl.max_pixels)
    found = affected_objects.find(scope, history)
    own, unreadable_originals = originals.find(scope, workspace, settings)
    exported, unreadable_evidence = exported_evidence.find(scope, workspace)
    oids = sorted({each.oid for each in found.affected})
    unseen = sorted({version.oid for version in found.unseen})
    fitted = [{"path": untracked.FITTED, "revisions": [WORKSPACE], "trained_on_faces": None}]
    has_fitted = bool(scope.face_ids) and (workspace.root / untracked.FITTED).exists()
    beside = untracked.find(scope, workspace, repo)
    unreadable = {
        *found.unreadable,
        *unreadable_originals,
        *unreadable_evidence,
        *beside.unreadable,
        *_unread(scope, found),
    }
    unreadable_versions = [*manual_followups.unreadable_versions(history)]
    outside = [*_outside(own, repo, workspace)]
    planned: Receipt = {
        "schema": receipt.SCHEMA,
        "program": f"mtf {mtf.__version__}",
        "started_at": now(),
        "finished_at": None,
        "signed_by": signed_by,
        "requests": [asdict(record) | {"kind": str(record.kind)} for record in requests.records],
        "subjects": scope.plain(),
        "objects": [each.plain() for each in found.affected],
        "places": {store.name: store_state(store, oids, unseen, index) for store in index.stores if requests.records},
        "run_cache": 0,
        "workspace": beside.names if scope.names else [],
        "originals": [
            *(_described(original, workspace) for original in own),
            *(each.described(workspace) for each in exported),
        ],
        "outside": outside,
        "models": [*affected_objects.trained_models(scope, history), *(fitted if has_fitted else [])],
        "unreadable": sorted(unreadable) if requests.records else [],
        "lost": sorted(history.missing_listings),
        "by_hand": [
            *manual_followups.about_clone_and_storage(workspace, index.stores, index.unlistable),
            *unreadable_versions,
            *outside,
            *manual_followups.about_remaining_records(scope.whole, workspace),
            *beside.by_hand,
        ],
        "leftovers": dict(receipt.NOT_SEARCHED),
    }
    made = [each.path for each in found.affected if WORKSPACE in each.revisions and _is_made(each.path)]
    pages = unrecorded_pages(requests, workspace) if made else []
    return ErasurePlan(
        planned,
        sorted(set(made)),
        unseen,
        history,
        scope,
        own,
        exported,
        beside.names,
        unreadable_versions,
        pages,
    )


def _outside(own: list[Original], repo: Repo, workspace: ProjectPaths) -> Iterator[str]:
    """Messages on links to pictures outside the project and DVC's cache, which people must remove."""
    cache = Path(repo.cache.local.path).resolve()
    for original in own:
        target = original.target
        if target is not None and not any(target.is_relative_to(each) for each in (workspace.root.resolve(), cache)):
            yield f"{workspace.relative(original.path)} was a link to {target}: the picture there is yours to remove."


def _unread(scope: TakedownScope, found: AffectedObjects) -> Iterator[str]:
    """Messages on shards that could not be compared, without those that are erased anyway."""
    erased = {each.oid for each in found.affected}
    for version, why in scope.unread:
        if version.oid not in erased:
            yield f"{version.path} at {', '.join(version.revisions)} ({version.oid}): {why}"


def _is_made(path: str) -> bool:
    """True for a file that a stage makes, false for one that people added."""
    return path.startswith(f"{PATHS_IN_PROJECT.build.as_posix()}/")


def _described(original: Original, workspace: ProjectPaths) -> str:
    where = workspace.relative(original.path)
    return f"{where}: {len(original.members)} members" if original.members else where
