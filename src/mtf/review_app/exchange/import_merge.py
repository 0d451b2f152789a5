"""Import of decisions from another tool's file: merges them into the ledger.

Skipped are decisions that the ledger has already, those older than the ledger's latest on the same thing, repeated
lines of the file, and those on images that were taken down.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import polars as pl

from mtf.annotation import consensus, matching
from mtf.annotation.decision import Decision, Verdict
from mtf.annotation.ledger import JOINT_REVIEWER, LedgerWriter
from mtf.annotation.ledger_lines import SCHEMA
from mtf.annotation.reviewer_name import reviewer_folder
from mtf.config import Params
from mtf.core.counts import number
from mtf.core.errors import MtfError, bad_value, listed
from mtf.core.project_paths import ProjectPaths
from mtf.review_app.engine.loading import load_review_data
from mtf.review_app.engine.review_data import ReviewData
from mtf.review_app.exchange import import_formats
from mtf.review_app.exchange.import_formats import ImportedDecision
from mtf.review_app.review_lock import lock_review
from mtf.schemas import BOX, FACE, takedown_file
from mtf.schemas.takedown_file import Takedowns

# Where a decision stands in each format.
_WHERE = {
    "csv": "a row with a verdict is one",
    "coco": "an annotation has them under `decisions`, or `attributes.decisions`",
    "fiftyone": "a detection has them under `decisions`, or `attributes.decisions`",
}


def read(workspace: ProjectPaths, params: Params, source: Path, *, format: str, reviewer: str | None) -> str:
    """Add the decisions of `source` to the ledger, one file per reviewer; returns a summary line.

    Raises BadInput, with nothing written, if a decision is malformed, matches no face, or gives a label that its task
    does not have: ledger lines are never removed, and one bad line would stop every reader of the ledger. Raises
    MtfError if the ledger cannot be written, or if one of the reviews is open.
    """
    given = import_formats.read(source, format=format, reviewer=reviewer)
    if not given:
        return f"0 decisions added: {source} has none; {_WHERE[format]}"
    imported = not_taken_down(given, takedown_file.load(workspace.takedowns))
    review_data, _ = load_review_data(workspace, params)
    for where, decision in imported:
        for column, label in (decision.labels or {}).items():
            consensus.check_label(column, label, review_data.labels, where=where)
    matched = match_faces(imported, review_data, box_iou=params.curate.box_iou)
    in_ledger, outdated = is_in_ledger(matched, review_data), is_outdated(matched, review_data)
    added = matched.filter(~in_ledger, ~outdated).sort("time", "number")["number"]
    fresh = without_repeats([imported[number].decision for number in added])
    with ExitStack() as locks:
        # An open review app would still ask for the decisions added here.
        for name in sorted({JOINT_REVIEWER if decision.joint else decision.reviewer for decision in fresh}):
            locks.enter_context(lock_review(workspace.stage("room"), name))
        for name in sorted({decision.reviewer for decision in fresh}):
            _append(workspace, name, [decision for decision in fresh if decision.reviewer == name])
    counts = f"{number(len(fresh), 'decision')} added, {in_ledger.sum()} were in the ledger already"
    if repeated := len(added) - len(fresh):
        counts += f", {repeated} repeat another of this file"
    if outdated_count := int((outdated & ~in_ledger).sum()):
        counts += f", {outdated_count} are older than a decision there"
    if taken_down := len(given) - len(imported):
        counts += f", {taken_down} are about pictures that were taken down"
    return counts


def _append(workspace: ProjectPaths, reviewer: str, decisions: list[Decision]) -> None:
    try:
        with LedgerWriter(workspace.review, reviewer) as writer:
            writer.append(*decisions)
    except OSError as error:
        place = workspace.relative(workspace.review / reviewer_folder(reviewer))
        raise MtfError(f"{place}: not written: {error.strerror}; correct that and import the same file again") from None


def not_taken_down(imported: list[ImportedDecision], requests: Takedowns) -> list[ImportedDecision]:
    """Decisions on faces that no takedown request names; the faces of the others are gone, and nothing new is kept of
    them.

    A request for a page names its images as well, so addresses need not be known here.
    """
    return [
        each
        for each in imported
        if not (requests.of_identity(each.decision.identity) or requests.of_image(each.decision.image_id))
    ]


def match_faces(imported: list[ImportedDecision], review_data: ReviewData, *, box_iou: float) -> pl.DataFrame:
    """Table of the decisions, by number, with the faces they match; raises BadInput if one matches none."""
    rows = [
        {"number": number, "identity": one.identity, "image_id": one.image_id, **dict(zip(BOX, one.box, strict=True))}
        | {"step": str(one.step), "verdict": str(one.verdict), "reason": one.reason and str(one.reason)}
        | {"reviewer": one.reviewer, "joint": one.joint, "time": one.time}
        | {"labels": [{"column": column, "label": label} for column, label in sorted((one.labels or {}).items())]}
        for number, (_, one) in enumerate(imported)
    ]
    names = ("identity", "image_id", *BOX, "step", "verdict", "reason", "reviewer", "joint", "time", "labels")
    given = pl.DataFrame(rows, schema={"number": pl.Int64, **{name: SCHEMA[name] for name in names}})
    matched = matching.match(given, review_data.faces, box_iou=box_iou)
    if not (lost := matched.filter(pl.col("face_id").is_null())).is_empty():
        where, one = imported[lost["number"][0]]
        given = f"{one.identity} {one.image_id[:12]} at {listed(one.box)}"
        others = f"; {lost.height - 1} more meet none" if lost.height > 1 else ""
        raise bad_value(where, given, f"a face of this data set whose box overlaps by {box_iou}{others}")
    return matched


def is_in_ledger(matched: pl.DataFrame, review_data: ReviewData) -> pl.Series:
    """True for each decision that is current in the ledger: the same verdict and reason, or the same labels."""
    key = ["reviewer", "joint", *FACE, "step", "verdict", "reason"]
    verdicts = matched.join(review_data.votes, on=key, how="semi", nulls_equal=True)["number"]
    each = matched.filter(pl.col("labels").list.len() > 0).explode("labels").unnest("labels")
    other = each.join(review_data.corrections, on=["reviewer", "joint", *FACE, "column", "label"], how="anti")["number"]
    is_label = pl.col("verdict") == str(Verdict.LABEL)
    numbers, labelled = matched["number"], matched.select(is_label).to_series()
    return (labelled & ~numbers.is_in(other.to_list())) | (~labelled & numbers.is_in(verdicts.to_list()))


def is_outdated(matched: pl.DataFrame, review_data: ReviewData) -> pl.Series:
    """True for each decision that is not newer than the ledger's latest verdict, label or undo on the same thing."""
    key = ["reviewer", "joint", *FACE, "step"]
    is_label = pl.col("verdict") == str(Verdict.LABEL)
    lines = review_data.matched.filter(pl.col("face_id").is_not_null())
    undone = lines.filter(pl.col("verdict") == str(Verdict.UNDO)).select(*key, "time")
    both = [undone.with_columns(is_label=pl.lit(value)) for value in (True, False)]
    verdicts = lines.filter(pl.col("verdict") != str(Verdict.UNDO)).select(*key, "time", is_label=is_label)
    last = pl.concat([verdicts, *both], how="diagonal").group_by(*key, "is_label").agg(last=pl.col("time").max())
    joined = matched.with_columns(is_label=is_label).join(
        last, on=[*key, "is_label"], how="left", maintain_order="left"
    )
    return joined.select((pl.col("last") >= pl.col("time")).fill_null(value=False)).to_series()


def without_repeats(decisions: list[Decision]) -> list[Decision]:
    """Decisions without exact repeats, time included; the last of equal ones stays, since later lines count at equal
    times.
    """
    last = {decision.line(): number for number, decision in enumerate(decisions)}
    return [decisions[number] for number in sorted(last.values())]
