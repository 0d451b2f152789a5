"""Fields of a reviewer's data set: where each face stands for this reviewer, and of others nothing too early."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from mtf.review_app.engine.page import Page
from mtf.review_app.engine.plan import standing
from mtf.review_app.engine.queue import NOTHING, SKIP
from mtf.review_app.engine.review_data import Key, ReviewData
from mtf.review_app.engine.session import ReviewSession
from mtf.review_app.fiftyone import samples
from mtf.schemas import Step


def accepted_of(desk: ReviewSession, material: ReviewData, identity: str) -> list[Key]:
    """The faces that this reviewer accepted as the identity's, largest first."""
    accepted = [
        face
        for face in material.faces_of(identity)
        if (said := desk.verdict(face, Step.IDENTITY)) is not None and said[0] == "accept"
    ]
    sizes = material.faces["width"]
    return sorted(accepted, key=lambda face: (-sizes[material.row(face)], face))


def proposed_keepers(material: ReviewData, page: Page) -> list[Key]:
    """The faces of a page of duplicates that are proposed to be kept: the best picture of their group."""
    if page.step != Step.DUPLICATE:
        return []
    proposed = material.faces["proposed_keeper"]
    return [face for face in page.faces if proposed[material.row(face)]]


def sample_updates(desk: ReviewSession, material: ReviewData, changed: Sequence[Key]) -> list[Any]:
    """Updates of faces that were decided, and of their groups' other members."""
    from bson import ObjectId
    from pymongo import UpdateOne

    touched = set(changed) | {rival for face in changed for rival in material.rivals(face)}
    panel = _panel(desk, material, np.array(sorted(material.row(face) for face in touched)))
    told = {row["row"]: row for row in panel.iter_rows(named=True)}
    return [
        UpdateOne(
            {"_id": ObjectId(samples.sample_id(*face))},
            {"$set": _standing(desk, material, face) | _told(told.get(material.row(face)))},
        )
        for face in sorted(touched)
    ]


def panel_updates(desk: ReviewSession, before: ReviewData, now: ReviewData) -> list[Any]:
    """Updates where the panel stands otherwise than it did: for this reviewer, and for the faces told of."""
    from bson import ObjectId
    from pymongo import UpdateOne

    rows = np.arange(now.faces.height)
    told = [
        {row["row"]: row for row in _panel(desk, material, rows).iter_rows(named=True)} for material in (before, now)
    ]
    changed = [row for row in sorted(told[0].keys() | told[1].keys()) if told[0].get(row) != told[1].get(row)]
    return [
        UpdateOne(
            {"_id": ObjectId(samples.sample_id(*now.key(row)))},
            {"$set": {**_told(told[1].get(row)), "digest": None}},
        )
        for row in changed
    ]


def _told(panel: dict[str, Any] | None) -> dict[str, Any]:
    return {name: panel[name] if panel else None for name in ("panel", "panel_said")}


def page_updates(page: Page, before: Page | None) -> list[Any]:
    """Updates that make the saved views begin with the page, in its order."""
    from bson import ObjectId
    from pymongo import UpdateOne

    gone = set(before.faces) - set(page.faces) if before else set()
    ranks: dict[Key, dict[str, Any]] = dict.fromkeys(gone, samples.PASSING)
    ranks |= {face: {"rank": rank, "run": page.run} for rank, face in enumerate(page.faces)}
    return [UpdateOne({"_id": ObjectId(samples.sample_id(*face))}, {"$set": ranks[face]}) for face in sorted(ranks)]


def _standing(desk: ReviewSession, material: ReviewData, face: Key) -> dict[str, Any]:
    row = material.row(face)
    verdict, reason = desk.said.last_word(row)
    step, ready = desk.owed_step(face)
    corrected = {samples.own(column): desk.said.label(row, column) for column in material.labels}
    # Without its digest the sample is written anew when the room is opened again.
    owed = {"step": str(step) if step else None, "ready": ready}
    return {**owed, "verdict": verdict, "reason": reason, **corrected, "digest": None}


def sample_rows(desk: ReviewSession, material: ReviewData, *, dataset: str) -> pl.DataFrame:
    """The reviewer's data set, as `samples.rows` wants it, in the order of the tables."""
    own = pl.concat([standing(*desk.owed()), desk.said.last_words()], how="horizontal")
    data = material.faces.with_columns(own.get_columns()).with_row_index("row")
    data = data.with_columns(pl.col("row").cast(pl.Int64))
    corrections = desk.said.corrections()
    for column in material.labels:
        given = corrections.filter(column=column).select("row", pl.col("label").alias(samples.own(column)))
        data = data.join(given, on="row", how="left", maintain_order="left")
    told = _panel(desk, material, np.arange(data.height))
    data = data.join(told, on="row", how="left", maintain_order="left")
    return samples.rows(data.drop("row"), list(material.labels), dataset=dataset)


def _panel(desk: ReviewSession, material: ReviewData, rows: np.ndarray) -> pl.DataFrame:
    """Per face (`row`) `panel`, how the panel stands at the first step on which it is not of one mind, and
    `panel_said`, in words.

    `panel` is conflict (no majority), split (not of one mind, with a majority) or undecided (too few have voted). It
    is told only to those who had their say at that step, and to the joint session; the words to that alone. To leave a
    face for later is no say.
    """
    conflict = pl.col("outcome") == "conflict"
    split = material.conflicts_by_row.filter(pl.col("row").is_in(pl.lit(pl.Series(rows)).implode())).with_columns(
        panel=pl.when(conflict).then(pl.lit("conflict")).otherwise(pl.lit("split"))
    )
    if desk.joint:
        return split.group_by("row", maintain_order=True).agg(
            pl.col("panel").first(), panel_said=pl.col("detail").str.join("; ")
        )
    undecided = material.undecided_by_row.filter(pl.col("row").is_in(pl.lit(pl.Series(rows)).implode()))
    waiting = pl.concat([split.select("row", "place", "panel"), undecided])
    words = desk.said.words[waiting["row"], waiting["place"]]
    first = (
        waiting.filter((words != NOTHING) & (words != SKIP))
        .sort("place", maintain_order=True)
        .unique("row", keep="first")
    )
    return first.select("row", "panel", panel_said=pl.lit(None, pl.String))
