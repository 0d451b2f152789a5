"""`mtf takedown erase`: plan, replace in every place, verify, and write it down."""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dvc.repo import Repo

import mtf
from mtf import takedowns
from mtf.erasure import holders, receipt, subjects
from mtf.erasure.history import WORKSPACE, History
from mtf.erasure.holders import Holder
from mtf.erasure.places import Place, all_places
from mtf.erasure.receipt import Receipt
from mtf.erasure.subjects import Subjects
from mtf.errors import GateFailed, listed
from mtf.takedowns import Takedowns
from mtf.workspace import Workspace

# Derived pictures that DVC does not track: what is left of them is made again when it is wanted.
UNTRACKED = ("inputs", "room")


def plan(workspace: Workspace, *, signed_by: str) -> Receipt:
    """The receipt as it will be, with nothing erased yet.

    Raises GateFailed where the current version still holds an erased picture: `dvc repro` comes first.
    """
    repo = Repo(str(workspace.root))
    places = list(all_places(repo))
    history = History(repo, places)
    requests = takedowns.load(workspace.takedowns)
    wanted = subjects.find(requests, history)
    found = holders.find(wanted, history)
    current = [holder.path for holder in found if WORKSPACE in holder.revisions]
    if current:
        raise GateFailed(
            f"the current version still holds pictures to erase ({listed(current, 4)}): run `dvc repro` and commit "
            "dvc.lock first; it makes them again without the pictures"
        )
    return _receipt(requests, wanted, found, history, places, signed_by=signed_by)


def erase(workspace: Workspace, *, signed_by: str, report: Callable[[str], object] = print) -> list[Receipt]:
    """Erase what the takedowns name, and what earlier erasures still owe; returns the receipts written.

    A place that cannot be reached is reported, and owed by the receipt; running again goes on from there.
    """
    places = {place.name: place for place in all_places(Repo(str(workspace.root)))}
    earlier = receipt.unfinished(workspace.data)
    for path, one in earlier:
        _carry_out(workspace, path, one, places, report)
    written = [one for _, one in earlier]
    known = {holder["oid"] for one in written for holder in one["objects"]}
    planned = plan(workspace, signed_by=signed_by)
    if not written or any(holder["oid"] not in known for holder in planned["objects"]):
        path = receipt.folder(workspace.data) / f"{planned['started_at'].replace(':', '').replace('-', '')}.json"
        receipt.save(path, planned)
        _carry_out(workspace, path, planned, places, report)
        written.append(planned)
    return written


def _carry_out(
    workspace: Workspace, path: Path, one: Receipt, places: dict[str, Place], report: Callable[[str], object]
) -> None:
    one["workspace"] += _clear_untracked(workspace, set(one["subjects"]["image_ids"] + one["subjects"]["face_ids"]))
    listings = sorted({listing for holder in one["objects"] for listing in holder["listings"]})
    for name, state in one["places"].items():
        place = places.get(name)
        if place is None:
            state["error"] = "no longer configured"
            continue
        _empty(place, state)
        if not state["error"]:
            one["run_cache"] += place.forget_runs(listings)
        receipt.save(path, one)
        report(
            f"{name}: {state['before'] - len(state['owed'])} of {state['before']} objects erased {state['error'] or ''}"
        )
    if receipt.owed(one) == 0:
        one["finished_at"] = _now()
    receipt.save(path, one)


def _empty(place: Place, state: dict[str, Any]) -> None:
    """Bury what is owed in one place; then look again."""
    state["error"] = None
    try:
        for oid in state["owed"]:
            place.bury(oid)
        state["owed"] = [oid for oid in state["owed"] if place.holds(oid)]
        state["after"] = len(state["owed"])
    except Exception as error:  # each file system raises its own; the receipt owes what is left
        state["error"] = f"could not be reached: {type(error).__name__}: {' '.join(str(error).split())[:200]}"


def _receipt(
    requests: Takedowns,
    wanted: Subjects,
    found: list[Holder],
    history: History,
    places: Iterable[Place],
    *,
    signed_by: str,
) -> Receipt:
    oids = sorted({holder.oid for holder in found})
    return {
        "schema": receipt.SCHEMA,
        "program": f"mtf {mtf.__version__}",
        "started_at": _now(),
        "finished_at": None,
        "signed_by": signed_by,
        "requests": [asdict(record) | {"kind": str(record.kind)} for record in requests.records],
        "subjects": {name: sorted(values) for name, values in asdict(wanted).items()},
        "objects": [holder.plain() for holder in found],
        "places": {place.name: _state(place, oids) for place in places},
        "run_cache": 0,
        "workspace": [],
        "models": list(holders.trained_models(wanted, history)),
        "unreadable": sorted(history.unreadable),
    }


def _state(place: Place, oids: list[str]) -> dict[str, Any]:
    """What a place holds before; one that cannot be asked owes everything."""
    try:
        held = [oid for oid in oids if place.holds(oid)]
        error = None
    except Exception as failure:  # as in `_empty`
        held, error = oids, f"could not be reached: {type(failure).__name__}"
    return {"address": place.address, "before": len(held), "after": len(held), "owed": held, "error": error}


def _clear_untracked(workspace: Workspace, names: set[str]) -> list[str]:
    """Pictures that lie about in the workspace outside DVC: caches go whole where any picture may be in them."""
    gone = []
    for cache in UNTRACKED:
        if names and workspace.stage(cache).exists():
            shutil.rmtree(workspace.stage(cache))
            gone.append(f"build/{cache}")
    return gone


def _now() -> str:
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
