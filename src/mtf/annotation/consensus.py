"""Consensus of the panel: each reviewer's current votes and labels, and the majority verdict that follows from them.

A verdict of the joint session replaces the majority (MTF, sections 3.2 and 3.3). A vote or label is current if it is
the reviewer's latest and was not undone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum

import polars as pl

from mtf.annotation.decision import STAYS, Verdict
from mtf.core.errors import bad_value, listed
from mtf.schemas import FACE, Step, funnel_steps

JOINT = "joint"


class Outcome(StrEnum):
    """Verdict of the panel on one face at one step.

    `keep` makes the face the keeper of its duplicate group; `undecided` and `conflict` mean that there is no majority.
    """

    ACCEPT = "accept"
    REJECT = "reject"
    KEEP = "keep"
    UNDECIDED = "undecided"
    CONFLICT = "conflict"


def verdicts(votes: pl.DataFrame, *, reviewers: int) -> pl.DataFrame:
    """Panel verdicts: one row per face and step with at least one vote.

    A majority is more than half of the panel, or more than half of those who voted if they are more than the panel.
    With fewer votes than a majority needs the outcome is `undecided`; with enough votes but no majority it is
    `conflict`. The reason of a rejection is the one given most often.

    votes: table as `current_votes` returns it.
    reviewers: size of the panel.

    Columns: identity, face_id, step, outcome, reason, decided_by, detail, agreeing, given, and given_reason: the reason
    given most often, whatever the outcome.
    """
    key = [*FACE, "step"]
    panel = votes.filter(~pl.col("joint"))
    counted = panel.group_by(key).agg(
        *(pl.col("verdict").eq(name).sum().cast(pl.Int64).alias(name) for name in (*STAYS, "reject")),
    )
    decided = (
        counted.with_columns(stays=pl.sum_horizontal(STAYS), given=pl.sum_horizontal(*STAYS, "reject"))
        .with_columns(outcome=_outcome(reviewers), agreeing=_agreeing())
        .join(_most_given_reason(panel, key), on=key, how="left")
        .with_columns(
            reason=pl.when(pl.col("outcome") == Outcome.REJECT).then("reason"),
            given_reason="reason",
            decided_by=pl.format("panel {}/{}", "agreeing", "given"),
            detail=_counts(reviewers),
        )
    )
    return _overridden(decided, _joint_verdicts(votes, key), key).sort(key)


def is_split() -> pl.Expr:
    """Expression over `verdicts` or `label_verdicts`: true where the votes differ, with or without a majority (MTF,
    3.3).

    A joint verdict is never split. Accept and keep agree, since the face stays in both cases. A conflict within a
    duplicate group (`duplicate_rules.with_group_conflicts`) is split even if all votes on each face are the same.
    """
    return (pl.col("agreeing") < pl.col("given")) | (pl.col("outcome") == Outcome.CONFLICT)


def _needed(reviewers: int) -> pl.Expr:
    return pl.max_horizontal(pl.lit(reviewers), "given") // 2 + 1


def _outcome(reviewers: int) -> pl.Expr:
    stays = pl.col("stays")
    needed = _needed(reviewers)
    return (
        pl.when(pl.col("reject") >= needed)
        .then(pl.lit(Outcome.REJECT.value))
        .when((stays >= needed) & (pl.col("keep") > 0) & (pl.col("keep") >= pl.col("accept")))
        .then(pl.lit(Outcome.KEEP.value))
        .when(stays >= needed)
        .then(pl.lit(Outcome.ACCEPT.value))
        .when(pl.col("given") < needed)
        .then(pl.lit(Outcome.UNDECIDED.value))
        .otherwise(pl.lit(Outcome.CONFLICT.value))
    )


def _agreeing() -> pl.Expr:
    return pl.max_horizontal("stays", "reject")


def _counts(reviewers: int) -> pl.Expr:
    parts = [
        pl.when(pl.col(name) > 0).then(pl.format(f"{{}} {name}", pl.col(name))) for name in ("accept", "keep", "reject")
    ]
    counts = pl.concat_str(parts, separator=", ", ignore_nulls=True)
    voters = _voters(reviewers, pl.format(f"{{}} of {reviewers} reviewers", "given"))
    return pl.format("{} decided: {}", voters, counts)


def _voters(reviewers: int, of_panel: pl.Expr) -> pl.Expr:
    """Number of voters as text; `of_panel` unless there are more voters than members of the panel."""
    more = pl.format(f"{{}} reviewers (panel of {reviewers})", "given")
    return pl.when(pl.col("given") > reviewers).then(more).otherwise(of_panel)


def _most_given_reason(votes: pl.DataFrame, key: list[str]) -> pl.DataFrame:
    """Most frequent reason per face and step; ties go to the reason that the review lists first."""
    rank = {
        str(reason): place for reasons in funnel_steps.review_reasons().values() for place, reason in enumerate(reasons)
    }
    given = votes.filter(pl.col("reason").is_not_null()).group_by(*key, "reason").len()
    ranked = given.with_columns(rank=pl.col("reason").replace_strict(rank, return_dtype=pl.Int64))
    ordered = ranked.sort("len", "rank", descending=[True, False])
    return ordered.unique(key, keep="first", maintain_order=True).select(*key, "reason")


def _joint_verdicts(votes: pl.DataFrame, key: list[str]) -> pl.DataFrame:
    """Latest joint verdict per face and step, whoever recorded it."""
    joint = votes.filter("joint").sort("order").unique(key, keep="last", maintain_order=True)
    return joint.select(
        *key,
        "reason",
        given_reason="reason",
        outcome="verdict",
        decided_by=pl.lit(JOINT),
        detail=pl.lit("decided together"),
    ).with_columns(agreeing=pl.lit(1, pl.Int64), given=pl.lit(1, pl.Int64))


def _overridden(decided: pl.DataFrame, joint: pl.DataFrame, key: list[str]) -> pl.DataFrame:
    columns = [*key, "outcome", "reason", "decided_by", "detail", "agreeing", "given", "given_reason"]
    rest = decided.join(joint, on=key, how="anti")
    return pl.concat([joint.select(columns), rest.select(columns)])


def label_verdicts(
    labels: pl.DataFrame, votes: pl.DataFrame, faces: pl.DataFrame, *, columns: Sequence[str], reviewers: int
) -> pl.DataFrame:
    """Panel verdicts on labels: one row per face and label column that at least one reviewer corrected.

    A reviewer who accepted the face at the step task_fit without correcting its label votes for the roster's label.

    labels: table as `current_labels` returns it.
    votes: table as `current_votes` returns it.
    faces: the faces with the roster's labels.
    columns: the label columns.
    reviewers: size of the panel.

    Columns: identity, face_id, column, label (null where not decided), outcome, decided_by, detail, agreeing, given.
    """
    key = [*FACE, "column"]
    corrected = labels.select(key).unique()
    votes_on_labels = pl.concat(
        [_panel_labels(labels), _roster_labels_accepted(corrected, labels, votes, faces, columns)]
    )
    counted = (
        votes_on_labels.group_by(*key, "label")
        .len("count")
        .sort([*key, "count", "label"], descending=[False] * 3 + [True, False])
    )
    best = counted.group_by(key, maintain_order=True).agg(
        pl.col("label").first(),
        agreeing=pl.col("count").first(),
        given=pl.col("count").sum(),
        counts=pl.format("{} {}", "count", "label").str.join(", "),
    )
    decided = best.with_columns(outcome=_label_outcome(reviewers)).select(
        *key,
        "outcome",
        label=pl.when(pl.col("outcome") == Outcome.ACCEPT).then("label"),
        decided_by=pl.format("panel {}/{}", "agreeing", "given"),
        detail=pl.format("{}: {} of {}", "column", "counts", _voters(reviewers, pl.lit(f"{reviewers} reviewers"))),
        agreeing=pl.col("agreeing").cast(pl.Int64),
        given=pl.col("given").cast(pl.Int64),
    )
    joint = _joint_labels(labels, key)
    return pl.concat([joint, decided.join(joint, on=key, how="anti").select(joint.columns)]).sort(key)


def _label_outcome(reviewers: int) -> pl.Expr:
    needed = _needed(reviewers)
    return (
        pl.when(pl.col("agreeing") >= needed)
        .then(pl.lit(Outcome.ACCEPT.value))
        .when(pl.col("given") < needed)
        .then(pl.lit(Outcome.UNDECIDED.value))
        .otherwise(pl.lit(Outcome.CONFLICT.value))
    )


def _panel_labels(labels: pl.DataFrame) -> pl.DataFrame:
    return labels.filter(~pl.col("joint")).select("reviewer", *FACE, "column", "label")


def _roster_labels_accepted(
    corrected: pl.DataFrame, labels: pl.DataFrame, votes: pl.DataFrame, faces: pl.DataFrame, columns: Sequence[str]
) -> pl.DataFrame:
    fit = votes.filter(~pl.col("joint"), pl.col("step") == Step.TASK_FIT, pl.col("verdict") == Verdict.ACCEPT)
    rosters = faces.select(*FACE, *columns).unpivot(columns, index=FACE, variable_name="column", value_name="label")
    accepting = corrected.join(fit.select("reviewer", *FACE), on=FACE)
    uncorrected = accepting.join(_panel_labels(labels), on=["reviewer", *FACE, "column"], how="anti")
    return uncorrected.join(rosters, on=[*FACE, "column"]).select("reviewer", *FACE, "column", "label")


def _joint_labels(labels: pl.DataFrame, key: list[str]) -> pl.DataFrame:
    joint = labels.filter("joint").sort("order").unique(key, keep="last", maintain_order=True)
    accepted = {"outcome": pl.lit(Outcome.ACCEPT.value), "decided_by": pl.lit(JOINT)}
    single = {"agreeing": pl.lit(1, pl.Int64), "given": pl.lit(1, pl.Int64)}
    return joint.select(*key, "label", **accepted, detail=pl.lit("decided together"), **single)


def check_labels(decisions: pl.DataFrame, permitted: Mapping[str, Sequence[str]]) -> None:
    """Check that the task of each label in the ledger has it; raises BadInput for the first that is not permitted.

    `permitted` maps a label column to its labels.
    """
    given = decisions.filter(pl.col("labels").is_not_null()).explode("labels").unnest("labels")
    for file, line, column, label in (
        given.select("file", "line", "column", "label").unique().sort("file", "line").iter_rows()
    ):
        check_label(column, label, permitted, where=f"{file} line {line}")


def check_label(column: str, label: str, permitted: Mapping[str, Sequence[str]], *, where: str) -> None:
    """Check one label; raises BadInput with the permitted ones. `where` is the place named in the message."""
    if column not in permitted:
        raise bad_value(f"{where}: labels", column, listed(permitted, 20))
    if label not in permitted[column]:
        raise bad_value(f"{where}: labels.{column}", label, listed(permitted[column], 20))


_VOTE_KEY = ["reviewer", "joint", *FACE, "step"]


def current_votes(matched: pl.DataFrame) -> pl.DataFrame:
    """Current votes: the latest verdict per reviewer, face and step that was not undone; skipped faces have none.

    Joint verdicts are kept apart from a reviewer's own. `matched` holds the decisions in the ledger's order with their
    face_id.

    Columns: reviewer, joint, identity, face_id, step, verdict (accept, reject, keep), reason, order (row in `matched`).
    """
    verdicts = standing_lines(matched).filter(pl.col("verdict") != Verdict.LABEL)
    latest = verdicts.unique(_VOTE_KEY, keep="last", maintain_order=True)
    return latest.filter(pl.col("verdict") != Verdict.SKIP).select(*_VOTE_KEY, "verdict", "reason", "order")


def verdict_counts(matched: pl.DataFrame) -> pl.DataFrame:
    """Number of verdicts (`times`) per reviewer, face and step, those that were undone or skipped left out.

    Columns: reviewer, joint, identity, face_id, step, times.
    """
    given = standing_lines(matched).filter(pl.col("verdict").is_in(["accept", "reject", "keep"]))
    return given.group_by(_VOTE_KEY).agg(times=pl.len().cast(pl.Int64))


def current_labels(matched: pl.DataFrame) -> pl.DataFrame:
    """Current labels: the latest correction per reviewer, face and column that was not undone, joint ones apart.

    Columns: reviewer, joint, identity, face_id, column, label, order (row in `matched`).
    """
    corrections = standing_lines(matched).filter(pl.col("verdict") == Verdict.LABEL)
    each = corrections.explode("labels").unnest("labels")
    key = ["reviewer", "joint", *FACE, "column"]
    return each.unique(key, keep="last", maintain_order=True).select(*key, "label", "order")


def standing_lines(matched: pl.DataFrame) -> pl.DataFrame:
    """Decisions on faces that no undo withdrew, without the undos; `order` is the row in `matched`."""
    lines = matched.with_row_index("order").filter(pl.col("face_id").is_not_null())
    undone = (pl.col("verdict") == Verdict.UNDO).any().over(_VOTE_KEY)
    withdrawn = _withdrawn(lines.filter(undone).select(*_VOTE_KEY, "verdict", "order"))
    return lines.filter(pl.col("verdict") != Verdict.UNDO, ~pl.col("order").is_in(withdrawn))


def _withdrawn(lines: pl.DataFrame) -> list[int]:
    """Order numbers of the lines that an undo withdraws: each undo the latest line not yet undone, if there is one."""
    stacks: dict[tuple[object, ...], list[int]] = {}
    gone = []
    for *key, verdict, order in lines.iter_rows():
        stack = stacks.setdefault(tuple(key), [])
        if verdict != Verdict.UNDO:
            stack.append(order)
        elif stack:
            gone.append(stack.pop())
    return gone
