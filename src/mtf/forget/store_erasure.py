"""Erasure in one store: its state before, its tombstones, and what it still owes.

A state is part of a receipt:

- `address`: address of the store;
- `before`: number of objects that it held before the erasure;
- `after`: number of those that it still holds;
- `owed`: objects (md5) that still need a tombstone;
- `error`: its error, or None.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from mtf.forget import bucket_versions
from mtf.forget.erasure_kinds import WHOLE_OBJECTS, ErasureKind
from mtf.forget.object_store import ObjectIndex, ObjectStore, error_text

State = dict[str, Any]
DROPPED = "no longer configured"
"""Error of a remote that was removed from the configuration. The receipt ends without it; people must see to it."""


def store_state(
    store: ObjectStore, oids: list[str], unseen: list[str], index: ObjectIndex, kind: ErasureKind = WHOLE_OBJECTS
) -> State:
    """State of a store before the erasure, as the receipt has it.

    A store that does not answer owes every object that it may have. A remote also gets tombstones for objects that it
    lacks, so that no older clone pushes them.
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
            older = bucket_versions.older(store.odb, oids)
            held = {oid for oid in oids if oid in older or kind.holds(store, oid)}
            owed = [oid for oid in oids if oid in held or not (store.is_cache or kind.is_done(store, oid))]
            return state | {"before": len(held), "after": len(held), "owed": owed}
        except Exception as failure:  # each file system raises its own
            state["error"] = error_text(failure)
    owed = sorted({*oids, *unseen})
    return state | {"before": len(owed), "after": len(owed), "owed": owed}


def resume_places(
    places: dict[str, State],
    oids: list[str],
    unseen: list[str],
    index: ObjectIndex,
    kind: ErasureKind = WHOLE_OBJECTS,
) -> None:
    """Update the states of an unfinished receipt: of stores that are configured now, and of those that no longer are.

    A run may have been killed between an object and its tombstone: the store lacks both, and owes the tombstone still.
    """
    for store in index.stores:
        state = store_state(store, oids, unseen, index, kind)
        before = places.get(store.name)
        if before and not before["error"]:
            state["before"] = max(before["before"], state["before"])
            if not state["error"]:
                lacking = _not_done(store, before["owed"], state, kind)
                state["owed"] = sorted({*state["owed"], *lacking})
        places[store.name] = state
    for name in places.keys() - {store.name for store in index.stores}:
        if places[name]["owed"] or places[name]["error"]:
            places[name]["error"] = DROPPED


def _not_done(store: ObjectStore, oids: list[str], state: State, kind: ErasureKind) -> list[str]:
    try:
        return [oid for oid in oids if not kind.is_done(store, oid)]
    except Exception as failure:  # as in `store_state`
        state["error"] = error_text(failure)
        return oids


def empty_store(
    store: ObjectStore, state: State, oids: Collection[str], index: ObjectIndex, kind: ErasureKind = WHOLE_OBJECTS
) -> None:
    """Erase the owed objects of one store, unfinished copies and older versions; then list it again and verify."""
    try:
        store.remove_unfinished_copies(oids)
        for oid in state["owed"]:
            if not kind.is_done(store, oid):
                kind.erase(store, oid, index)
        for older in bucket_versions.older(store.odb, state["owed"]).values():
            bucket_versions.delete(store.odb.fs, older)
        listed = store.objects()
        kept = oids if not store.is_cache else [oid for oid in oids if listed is None or oid in listed]
        left = bucket_versions.older(store.odb, kept)
        state["owed"] = sorted(oid for oid in kept if oid in left or not kind.is_done(store, oid))
        state["after"] = len(state["owed"])
        new = index.added_since_listing(store, listed)
        added = [oid for oid in new if oid not in oids and not store.has_tombstone(oid)]
        if added:
            state["error"] = f"{len(added)} objects came in while this was erasing; run it again"
    except Exception as error:  # each file system raises its own
        state["error"] = error_text(error)


def outstanding_in(places: Mapping[str, State]) -> Iterator[str]:
    """Messages on stores that may still hold an object to erase."""
    for name, place in places.items():
        if place["error"] == DROPPED:
            continue
        if place["error"]:
            yield f"{name}: {place['error']}. What else it holds is not known; {_objects(place)} known to be owed."
        elif place["owed"]:
            yield f"{name}: {_objects(place)} still there."


def dropped_in(places: Mapping[str, State]) -> Iterator[str]:
    """Messages on remotes that were removed from the configuration before they were emptied."""
    for name, place in places.items():
        if place["error"] == DROPPED:
            yield (
                f"{name} ({place['address']}) is {DROPPED} here; {_objects(place)} may still be there. Delete what is "
                "there, or configure it again and erase again."
            )


def _objects(place: State) -> str:
    count = len(place["owed"])
    return "1 object" if count == 1 else f"{count} objects"


def now() -> str:
    """Current time in UTC, in ISO 8601 with microseconds."""
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def receipt_digest(receipt: Mapping[str, Any]) -> str:
    """sha256 of a receipt without its own `sha256`."""
    body = {key: value for key, value in receipt.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode("utf-8")).hexdigest()
