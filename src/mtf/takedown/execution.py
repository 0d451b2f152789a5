"""Execution of an erasure (`mtf takedown erase`): plan, write tombstones in every store, search for leftovers, write
receipts.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mtf import config
from mtf.core.cluster_storage import ClusterStorage
from mtf.core.errors import GateFailed, MtfError, listed
from mtf.core.project_paths import ProjectPaths
from mtf.forget.repository import locked_repository
from mtf.forget.store_erasure import dropped_in, empty_store, now, resume_places
from mtf.takedown import exported_evidence, leftovers, open_reviews, originals, receipt, untracked, withdrawn_files
from mtf.takedown.erasure_plan import ErasurePlan, make_plan
from mtf.takedown.leftovers import Leftovers
from mtf.takedown.receipt import Receipt

Progress = Callable[[int, int], object]


def plan(workspace: ProjectPaths, *, signed_by: str, progress: Progress | None = None) -> ErasurePlan:
    """Plan an erasure without changing anything. Raises MtfError if another DVC command is running."""
    with locked_repository(workspace.root) as repo:
        return make_plan(repo, workspace, signed_by=signed_by, progress=progress)


def erase(
    workspace: ProjectPaths,
    *,
    signed_by: str,
    report: Callable[[str], object] = print,
    progress: Progress | None = None,
) -> list[Receipt]:
    """Erase what the takedowns name, and what earlier erasures still owe. Returns the receipts written.

    A store that cannot be reached is reported and stays owed in the receipt; the next call continues there. Raises
    GateFailed if the current version still holds a picture to erase: `dvc repro` comes first.
    """
    with locked_repository(workspace.root) as repo, open_reviews.none_open(workspace):
        planned = make_plan(repo, workspace, signed_by=signed_by, progress=progress)
        if planned.current:
            raise GateFailed(
                f"the current version still holds pictures to erase ({listed(planned.current, 4)}): {planned.first}"
            )
        due = _due(workspace, planned)
        for line in planned.unreadable_versions if not due else ():
            report(line)
        if due:
            # Afterwards, nobody could say any more how the published pictures looked.
            params = config.load(workspace.params)
            withdrawn_files.record(frozenset(planned.scope.image_ids), workspace, params, planned.history)
        for path, one in due:
            receipt.save(path, one)
        objects = [each for _, one in due for each in one["objects"]]
        patterns = leftovers.prepare(objects, planned.scope, planned.history, workspace) if due else None
        for original in planned.originals:
            originals.clear(original)
        for exported in planned.evidence:
            exported_evidence.clear(exported)
        left = [*open_reviews.drop_databases(workspace)] if due and planned.scope.names else []
        left += _empty_storage(workspace, report) if due else []
        for _, one in due:
            one["by_hand"] += left
        for path, oid in ((each["path"], each["oid"]) for _, one in due for each in one["objects"]):
            originals.detach(workspace.root / path, oid)
        for path, one in due:
            _carry_out(workspace, path, one, planned, report)
        if patterns is not None:
            report("searching every byte of the project, its remotes and git for what is left …")
            _search(leftovers.search(patterns, workspace, repo, planned.index), workspace, due, report)
    return [one for _, one in due]


def _empty_storage(workspace: ProjectPaths, report: Callable[[str], object]) -> list[str]:
    """Remove all copies from the storage of a cluster: its stages copy what they need again. Returns what is left."""
    address = config.load(workspace.params).compute.storage
    if address is None:
        return []
    try:
        ClusterStorage(address).empty()
    except MtfError as error:
        return [f"remove the copies of pictures from compute.storage by hand: {error}"]
    report(f"compute.storage: {address} is empty")
    return []


def _due(workspace: ProjectPaths, planned: ErasurePlan) -> list[tuple[Path, Receipt]]:
    """Receipts to work on: the unfinished ones, updated; else a new one; none if there is nothing to erase."""
    earlier = receipt.load_all(workspace.data)
    unfinished = [(path, one) for path, one in earlier if not one["finished_at"]]
    if unfinished:
        _extend(unfinished[-1][1], planned.receipt)
        for _, one in unfinished:
            _update(one, planned)
        return unfinished
    covered = {_request(each) for _, one in earlier for each in one["requests"]}
    is_new = any(_request(each) not in covered for each in planned.receipt["requests"])
    if planned.is_empty and not (is_new and planned.receipt["workspace"]):
        return []
    stamp = planned.receipt["started_at"].replace(":", "").replace("-", "")
    return [(receipt.folder(workspace.data) / f"{stamp}.json", planned.receipt)]


def _request(request: dict[str, str]) -> tuple[str, str]:
    return request["kind"], request["value"]


def _extend(one: Receipt, fresh: Receipt) -> None:
    """Add what the new plan found to the receipt of an unfinished erasure."""
    for name in ("requests", "objects", "originals", "outside", "models"):
        one[name] += [each for each in fresh[name] if each not in one[name]]
    for name, values in fresh["subjects"].items():
        one["subjects"][name] = sorted({*one["subjects"][name], *values})


def _update(one: Receipt, planned: ErasurePlan) -> None:
    """Update an unfinished receipt: the state of each store, and the lists of what is unreadable, lost or by hand."""
    index, fresh = planned.index, planned.receipt
    one |= {name: fresh[name] for name in ("unreadable", "lost")}
    # The first run removed the links that led outside, so later plans do not find them.
    one["by_hand"] = [*dict.fromkeys((*one["outside"], *fresh["by_hand"]))]
    oids = sorted({each["oid"] for each in one["objects"]})
    resume_places(one["places"], oids, planned.unseen, index)
    one["by_hand"] = [*one["by_hand"], *dropped_in(one["places"])]


def _carry_out(
    workspace: ProjectPaths, path: Path, one: Receipt, planned: ErasurePlan, report: Callable[[str], object]
) -> None:
    """Carry out one receipt, store by store; it is saved after each. It is finished after the search for leftovers."""
    one["workspace"] = sorted({*one["workspace"], *untracked.clear(workspace, planned.untracked)})
    listings = sorted({listing for each in one["objects"] for listing in each["listings"]})
    oids = {each["oid"] for each in one["objects"]}
    for store in planned.index.stores:
        state = one["places"][store.name]
        if not state["error"]:
            empty_store(store, state, oids, planned.index)
        if not state["error"]:
            one["run_cache"] += store.remove_run_cache_entries(listings)
        receipt.save(path, one)
        done = state["before"] - state["after"]
        report(f"{store.name}: {done} of {state['before']} objects erased {state['error'] or ''}".rstrip())


def _search(
    found: Leftovers, workspace: ProjectPaths, due: list[tuple[Path, Receipt]], report: Callable[[str], object]
) -> None:
    """Note in each receipt what the search for leftovers found, and finish those that owe nothing."""
    report(
        f"search: {found.files:,} files and objects of git, {found.size_bytes:,} bytes: "
        f"{listed(found.owed, 4) if found.owed else 'nothing'} is left of the pictures"
    )
    for path, one in due:
        one["leftovers"] = found.plain()
        one["by_hand"] = [*dict.fromkeys((*one["by_hand"], *found.by_hand))]
        if not receipt.outstanding(one):
            one["finished_at"] = now()
        receipt.save(path, one)
    if all(one["finished_at"] for _, one in due):
        leftovers.finish(workspace)
