"""Execution of `dvc-forget`: erases contents from a DVC repository, with a receipt that a next run resumes."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from mtf.core.atomic_files import write_json
from mtf.core.errors import BadInput, listed
from mtf.forget.erasure_kinds import ErasureKind, TarMembers
from mtf.forget.forget_plan import OpenedRepository, Progress, Receipt, opened, planned
from mtf.forget.repository import locked_repository
from mtf.forget.store_erasure import dropped_in, empty_store, now, outstanding_in, receipt_digest, resume_places
from mtf.forget.targets import Targets, resolved

FOLDER = "forget-receipts"


def plan(root: Path, wanted: Targets, *, progress: Progress | None = None) -> Receipt:
    """Receipt of an erasure before its first step; changes nothing. Raises MtfError."""
    with locked_repository(root) as repo:
        here = opened(repo, root, progress)
        return planned(here, resolved(wanted, here.index))


def forget(
    root: Path,
    wanted: Targets,
    receipts: Path,
    *,
    report: Callable[[str], object] = print,
    progress: Progress | None = None,
) -> list[tuple[Path, Receipt]]:
    """Erase what `wanted` names, and what unfinished receipts in the folder `receipts` still owe.

    A store that cannot be reached stays owed in the receipt; the next call continues there. Returns the receipts.
    """
    with locked_repository(root) as repo:
        here = opened(repo, root, progress)
        wanted = resolved(wanted, here.index)
        due = [(path, one) for path, one in load_all(receipts) if not one["finished_at"]]
        for _, one in due:
            _resume(one, here)
        if (wanted.paths or wanted.digests) and all(one["targets"] != wanted.plain() for _, one in due):
            fresh = planned(here, wanted)
            if is_empty(fresh):
                for line in fresh["out_of_reach"]:
                    report(f"not reached: {line}")
            else:
                stamp = fresh["started_at"].replace(":", "").replace("-", "")
                due.append((receipts / f"{stamp}.json", fresh))
        for path, one in due:
            _carry_out(one, path, here, report)
    return due


def is_empty(receipt: Receipt) -> bool:
    """True if no store owes anything, and no copy lies in the repository's folder."""
    return not (receipt["workspace"] or [*outstanding_in(receipt["places"])])


def load_all(folder: Path) -> list[tuple[Path, Receipt]]:
    """Receipts of a folder, oldest first. Raises BadInput for one that was changed by hand."""
    found = []
    for path in sorted(folder.glob("*.json")):
        try:
            receipt = json.loads(path.read_text(encoding="utf-8"))
            is_whole = receipt_digest(receipt) == receipt["sha256"]
        except (ValueError, TypeError, KeyError, AttributeError):
            is_whole = False
        if not is_whole:
            raise BadInput(f"{path}: no receipt, or changed by hand (its sha256 does not match); take it away")
        found.append((path, receipt))
    return found


def _resume(one: Receipt, here: OpenedRepository) -> None:
    """Update an unfinished receipt by a plan of now, which knows less: what was erased already has no size any more."""
    wanted = Targets.of_receipt(one["targets"])
    fresh = planned(here, wanted, one)
    there = {(each["oid"], each["path"]) for each in one["objects"]}
    one["objects"] += [each for each in fresh["objects"] if (each["oid"], each["path"]) not in there]
    for name in ("workspace", "next"):
        one[name] = [*dict.fromkeys([*one[name], *fresh[name]])]
    resume_places(one["places"], sorted({each["oid"] for each in one["objects"]}), [], here.index, wanted.kind)
    one["out_of_reach"] = [*fresh["out_of_reach"], *dropped_in(one["places"])]


def _carry_out(one: Receipt, path: Path, here: OpenedRepository, report: Callable[[str], object]) -> None:
    """Carry out one receipt, place by place; it is saved before the first one and after each."""
    _save(path, one)
    oids = {each["oid"] for each in one["objects"]}
    # The run cache would give an output back that is gone.
    mentioned = sorted(oids | {listing for each in one["objects"] for listing in each["listings"]})
    kind = Targets.of_receipt(one["targets"]).kind
    for name in one["workspace"]:
        if _erase(here.root / name, kind):
            one["removed"].append(name)
    one["workspace"] = []
    _save(path, one)
    if one["removed"]:
        done = "rewrote" if one["targets"].get("members") else "removed"
        report(f"folder: {done} {listed(one['removed'], 4)}")
    for store in here.index.stores:
        state = one["places"][store.name]
        if not state["error"]:
            empty_store(store, state, oids, here.index, kind)
        if not state["error"]:
            one["run_cache"] += store.remove_run_cache_entries(mentioned)
        _save(path, one)
        done = state["before"] - state["after"]
        report(f"{store.name}: {done} of {state['before']} objects erased {state['error'] or ''}".rstrip())
    if not [*outstanding_in(one["places"])]:
        one["finished_at"] = now()
    _save(path, one)


def _save(path: Path, receipt: Receipt) -> None:
    receipt["sha256"] = receipt_digest(receipt)
    write_json(path, receipt)


def _erase(path: Path, kind: ErasureKind) -> bool:
    """Rewrite a tar, or remove the path. False if it is not there."""
    if isinstance(kind, TarMembers) and path.is_file():
        kind.rewrite(path)
    elif path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    elif os.path.lexists(path):
        path.unlink()
    else:
        return False
    return True
