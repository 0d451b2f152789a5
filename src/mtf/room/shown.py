"""What a reviewer's data set says of each face: where it stands for this reviewer, and of others nothing too early."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import polars as pl

from mtf.room.desk import Desk
from mtf.room.material import Key, Material
from mtf.room.queue import FACE, STEPS
from mtf.room.samples import rows, sample_id
from mtf.tables import Step


def accepted_of(desk: Desk, material: Material, identity: str) -> list[Key]:
    """The faces that this reviewer accepted as the identity's, largest first."""
    accepted = [
        face
        for face in material.faces_of(identity)
        if (said := desk.verdict(face, Step.IDENTITY)) is not None and said[0] == "accept"
    ]
    sizes = material.faces["width"]
    return sorted(accepted, key=lambda face: (-sizes[material.row(face)], face))


def last_word(desk: Desk, face: Key) -> tuple[str | None, str | None]:
    """The reviewer's verdict on a face as a whole: the rejection, or what was said at the latest step; its reason."""
    said = [verdict for step in STEPS if (verdict := desk.verdict(face, step)) is not None]
    chosen = next((verdict for verdict in said if verdict[0] == "reject"), said[-1] if said else None)
    return (str(chosen[0]), str(chosen[1]) if chosen[1] else None) if chosen else (None, None)


def sample_updates(desk: Desk, material: Material, changed: Sequence[Key]) -> list[Any]:
    from bson import ObjectId
    from pymongo import UpdateOne

    people = {face.identity for face in changed}
    touched = set(changed) | {rival for face in changed for rival in material.rivals(face)}
    owed = {Key(*names): place for *names, place in _owed_rows(desk, people)}
    return [
        UpdateOne({"_id": ObjectId(sample_id(*face))}, {"$set": _standing(desk, face, owed[face])})
        for face in sorted(touched)
    ]


def _owed_rows(desk: Desk, people: set[str]) -> Iterable[tuple[Any, ...]]:
    for identity, face_id, step, ready in desk.owed(people).select(*FACE, "step", "ready").iter_rows():
        yield identity, face_id, (step, ready)


def _standing(desk: Desk, face: Key, owed: tuple[str | None, bool]) -> dict[str, Any]:
    verdict, reason = last_word(desk, face)
    # Without its digest the sample is written anew when the room is opened again.
    return {"step": owed[0], "ready": owed[1], "verdict": verdict, "reason": reason, "digest": None}


def sample_rows(desk: Desk, material: Material, *, dataset: str) -> pl.DataFrame:
    """The reviewer's data set, as `samples.rows` wants it, in the order of the queue."""
    queue = desk.queue()
    said = [(*face, *last_word(desk, face)) for face in sorted(desk.judged())]
    schema = {"identity": pl.String, "face_id": pl.String, "verdict": pl.String, "reason": pl.String}
    own = pl.DataFrame(said, schema=schema, orient="row")
    data = queue.join(own, on=FACE, how="left").join(_panel(desk, material), on=FACE, how="left")
    return rows(data.sort("rank", *FACE, nulls_last=True), list(material.labels), dataset=dataset)


def _panel(desk: Desk, material: Material) -> pl.DataFrame:
    """`panel` is undecided or conflict, and is told only to those who had their say; to the joint session always."""
    told = material.outcomes.filter(pl.col("outcome").is_in(["undecided", "conflict"]))
    if desk.joint:
        return told.unique(FACE, keep="first", maintain_order=True).select(*FACE, panel="detail")
    own = desk.opinions().select(*FACE, "step")
    return (
        told.join(own, on=[*FACE, "step"])
        .unique(FACE, keep="first", maintain_order=True)
        .select(*FACE, panel="outcome")
    )
