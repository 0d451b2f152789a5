"""Updates of a reviewer's samples: the state of each face for this reviewer, without showing others' votes too
early.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import polars as pl

from mtf.review_app.engine.face_key import Key
from mtf.review_app.engine.page import Page
from mtf.review_app.engine.plan import queue_columns
from mtf.review_app.engine.queue import ACCEPT, NOTHING, SKIP
from mtf.review_app.engine.review_data import ReviewData
from mtf.review_app.engine.session import ReviewSession
from mtf.review_app.fiftyone import samples
from mtf.schemas import Step, funnel_steps


def accepted_of(
    session: ReviewSession, review_data: ReviewData, identity: str, without: Collection[Key] = ()
) -> list[Key]:
    """Faces that this reviewer accepted for the identity, largest first, except those in `without`."""
    rows = review_data.real.rows_of(identity)
    accepted = rows[session.votes.codes[rows, funnel_steps.place_of(Step.IDENTITY)] == ACCEPT]
    sizes = review_data.faces["width"]
    by_size = sorted(accepted.tolist(), key=lambda row: (-sizes[row], row))
    return [face for row in by_size if (face := review_data.key(row)) not in without]


# Measures by which the best face of a group is found, the most important one first (`face_table.with_keepers`).
KEEPER_MEASURES = ("eyes", "size_px", "sharpness")


def proposed_keeper(session: ReviewSession, review_data: ReviewData, page: Page) -> Key | None:
    """Proposed keeper on a page of duplicates: the best face of the group, or of those that earlier steps left.

    None on other pages, and once the reviewer has decided on the best face.
    """
    if page.step != Step.DUPLICATE or not page.faces:
        return None
    is_best = review_data.faces["proposed_keeper"]
    group = {*page.faces, *(rival for face in page.faces for rival in review_data.rivals(face))}
    best = [face for face in group if is_best[review_data.row(face)]]
    if any(face not in page.faces and session.verdict(face, Step.DUPLICATE) for face in best):
        return None
    on_page = [face for face in page.faces if face in best]
    return on_page[0] if on_page else max(page.faces, key=lambda face: keeper_measures(review_data, face))


def keeper_measures(review_data: ReviewData, face: Key) -> tuple[float, ...]:
    """Values of KEEPER_MEASURES of a face; -1 where one was not taken."""
    row = review_data.faces.row(review_data.row(face), named=True)
    return tuple(float(row[name]) if row.get(name) is not None else -1.0 for name in KEEPER_MEASURES)


def sample_updates(session: ReviewSession, review_data: ReviewData, changed: Sequence[Key]) -> list[Any]:
    """Updates for decided faces and the other members of their groups."""
    from bson import ObjectId
    from pymongo import UpdateOne

    touched = set(changed) | {rival for face in changed for rival in review_data.rivals(face)}
    panel = _panel(session, review_data, np.array(sorted(review_data.row(face) for face in touched)))
    panel_rows = {row["row"]: row for row in panel.iter_rows(named=True)}
    return [
        UpdateOne(
            {"_id": ObjectId(samples.sample_id(*face))},
            {"$set": _queue_fields(session, review_data, face) | _panel_fields(panel_rows.get(review_data.row(face)))},
        )
        for face in sorted(touched)
    ]


def panel_updates(session: ReviewSession, before: ReviewData, now: ReviewData) -> list[Any]:
    """Updates for faces whose panel state changed, as far as this reviewer may see it."""
    from bson import ObjectId
    from pymongo import UpdateOne

    rows = np.arange(now.faces.height)
    panel_rows = [
        {row["row"]: row for row in _panel(session, review_data, rows).iter_rows(named=True)}
        for review_data in (before, now)
    ]
    changed = [
        row
        for row in sorted(panel_rows[0].keys() | panel_rows[1].keys())
        if panel_rows[0].get(row) != panel_rows[1].get(row)
    ]
    return [
        UpdateOne(
            {"_id": ObjectId(samples.sample_id(*now.key(row)))},
            {"$set": {**_panel_fields(panel_rows[1].get(row)), "digest": None}},
        )
        for row in changed
    ]


def _panel_fields(panel: dict[str, Any] | None) -> dict[str, Any]:
    return {name: panel[name] if panel else None for name in ("panel", "panel_said")}


def page_updates(page: Page, before: Page | None) -> list[Any]:
    """Updates that put the page first in the saved views, in its order."""
    from bson import ObjectId
    from pymongo import UpdateOne

    gone = set(before.faces) - set(page.faces) if before else set()
    ranks: dict[Key, dict[str, Any]] = dict.fromkeys(gone, samples.PASSING)
    ranks |= {face: {"rank": rank, "run": page.run} for rank, face in enumerate(page.faces)}
    return [UpdateOne({"_id": ObjectId(samples.sample_id(*face))}, {"$set": ranks[face]}) for face in sorted(ranks)]


def _queue_fields(session: ReviewSession, review_data: ReviewData, face: Key) -> dict[str, Any]:
    row = review_data.row(face)
    verdict, reason = session.votes.last_verdict(row)
    step, ready = session.owed_step(face)
    corrected = {samples.own(column): session.votes.label(row, column) for column in review_data.labels}
    # Without its digest the sample is rewritten when the review app opens again.
    owed = {"step": str(step) if step else None, "ready": ready}
    return {**owed, "verdict": verdict, "reason": reason, **corrected, "digest": None}


def sample_rows(session: ReviewSession, review_data: ReviewData, *, dataset: str) -> pl.DataFrame:
    """Table of the reviewer's samples, as `samples.rows` returns it: all real faces, in the order of the tables."""
    own = pl.concat([queue_columns(*session.owed()), session.votes.last_verdicts()], how="horizontal")
    data = review_data.faces.with_columns(own.get_columns()).with_row_index("row")
    data = data.with_columns(pl.col("row").cast(pl.Int64))
    corrections = session.votes.corrections()
    for column in review_data.labels:
        given = corrections.filter(column=column).select("row", pl.col("label").alias(samples.own(column)))
        data = data.join(given, on="row", how="left", maintain_order="left")
    panel_rows = _panel(session, review_data, np.arange(data.height))
    data = data.join(panel_rows, on="row", how="left", maintain_order="left")
    real = data.drop("row").head(review_data.real.faces.height)
    return samples.rows(real, list(review_data.labels), dataset=dataset)


def _panel(session: ReviewSession, review_data: ReviewData, rows: np.ndarray) -> pl.DataFrame:
    """Panel state per face (`row`) at its first split or undecided step: columns `panel` and `panel_said` (the votes).

    - `panel` is conflict (no majority), split (a majority, but not unanimous) or undecided (too few votes).
    - It is shown only to reviewers with a verdict at that step, and to the joint session; a skip is no verdict.
    - `panel_said` is shown to the joint session only.
    """
    conflict = pl.col("outcome") == "conflict"
    split = review_data.conflicts_by_row.filter(pl.col("row").is_in(pl.lit(pl.Series(rows)).implode())).with_columns(
        panel=pl.when(conflict).then(pl.lit("conflict")).otherwise(pl.lit("split"))
    )
    if session.joint:
        return split.group_by("row", maintain_order=True).agg(
            pl.col("panel").first(), panel_said=pl.col("detail").str.join("; ")
        )
    undecided = review_data.undecided_by_row.filter(pl.col("row").is_in(pl.lit(pl.Series(rows)).implode()))
    waiting = pl.concat([split.select("row", "place", "panel"), undecided])
    codes = session.votes.codes[waiting["row"], waiting["place"]]
    first = (
        waiting.filter((codes != NOTHING) & (codes != SKIP))
        .sort("place", maintain_order=True)
        .unique("row", keep="first")
    )
    return first.select("row", "panel", panel_said=pl.lit(None, pl.String))
