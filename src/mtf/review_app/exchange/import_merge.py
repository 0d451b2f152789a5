"""Decisions that arrive from elsewhere: what may not be kept, what the ledger has already, and what it has outgrown."""

from __future__ import annotations

import polars as pl

from mtf.annotation import matching
from mtf.annotation.decision import Decision, Verdict
from mtf.annotation.ledger_lines import SCHEMA
from mtf.core.errors import bad_value, listed
from mtf.review_app.engine.review_data import ReviewData
from mtf.review_app.exchange.import_formats import Arrival
from mtf.schemas import BOX, FACE
from mtf.schemas.takedown_file import Takedowns


def not_taken_down(arrived: list[Arrival], requests: Takedowns) -> list[Arrival]:
    """Those about nobody and no picture that a request names: their faces are gone, and nothing new is kept of them.

    A request for a page names the pictures on it as well, so their addresses need not be known here.
    """
    return [
        each
        for each in arrived
        if not (requests.of_identity(each.decision.identity) or requests.of_image(each.decision.image_id))
    ]


def met(arrived: list[Arrival], material: ReviewData, *, box_iou: float) -> pl.DataFrame:
    """The decisions, by number, with the faces they meet. Raises BadInput where one meets none."""
    rows = [
        {"number": number, "identity": one.identity, "image_id": one.image_id, **dict(zip(BOX, one.box, strict=True))}
        | {"step": str(one.step), "verdict": str(one.verdict), "reason": one.reason and str(one.reason)}
        | {"reviewer": one.reviewer, "joint": one.joint, "time": one.time}
        | {"labels": [{"column": column, "label": label} for column, label in sorted((one.labels or {}).items())]}
        for number, (_, one) in enumerate(arrived)
    ]
    names = ("identity", "image_id", *BOX, "step", "verdict", "reason", "reviewer", "joint", "time", "labels")
    given = pl.DataFrame(rows, schema={"number": pl.Int64, **{name: SCHEMA[name] for name in names}})
    found = matching.match(given, material.faces, box_iou=box_iou)
    if not (lost := found.filter(pl.col("face_id").is_null())).is_empty():
        where, one = arrived[lost["number"][0]]
        given = f"{one.identity} {one.image_id[:12]} at {listed(one.box)}"
        others = f"; {lost.height - 1} more meet none" if lost.height > 1 else ""
        raise bad_value(where, given, f"a face of this data set whose box overlaps by {box_iou}{others}")
    return found


def standing(met: pl.DataFrame, material: ReviewData) -> pl.Series:
    """Whether each decision is what the ledger says: the same verdict and reason, or the same labels."""
    key = ["reviewer", "joint", *FACE, "step", "verdict", "reason"]
    verdicts = met.join(material.votes, on=key, how="semi", nulls_equal=True)["number"]
    each = met.filter(pl.col("labels").list.len() > 0).explode("labels").unnest("labels")
    other = each.join(material.corrections, on=["reviewer", "joint", *FACE, "column", "label"], how="anti")["number"]
    is_label = pl.col("verdict") == str(Verdict.LABEL)
    numbers, labelled = met["number"], met.select(is_label).to_series()
    return (labelled & ~numbers.is_in(other.to_list())) | (~labelled & numbers.is_in(verdicts.to_list()))


def older(met: pl.DataFrame, material: ReviewData) -> pl.Series:
    """Whether the ledger has a word on the same thing that is as new: a verdict, a label, or the undoing of either."""
    desk = ["reviewer", "joint", *FACE, "step"]
    is_label = pl.col("verdict") == str(Verdict.LABEL)
    lines = material.matched.filter(pl.col("face_id").is_not_null())
    undone = lines.filter(pl.col("verdict") == str(Verdict.UNDO)).select(*desk, "time")
    both = [undone.with_columns(is_label=pl.lit(value)) for value in (True, False)]
    said = lines.filter(pl.col("verdict") != str(Verdict.UNDO)).select(*desk, "time", is_label=is_label)
    last = pl.concat([said, *both], how="diagonal").group_by(*desk, "is_label").agg(last=pl.col("time").max())
    joined = met.with_columns(is_label=is_label).join(last, on=[*desk, "is_label"], how="left", maintain_order="left")
    return joined.select((pl.col("last") >= pl.col("time")).fill_null(value=False)).to_series()


def without_repetitions(decisions: list[Decision]) -> list[Decision]:
    """`decisions` without those that one further on repeats word for word, time included. The last of them stays: of
    what is said at the same time the later line counts.
    """
    last = {decision.line(): number for number, decision in enumerate(decisions)}
    return [decisions[number] for number in sorted(last.values())]
