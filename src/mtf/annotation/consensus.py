"""From reviewers' votes to the panel's verdict: the majority's, unless they settled it together (MTF, 3.2 and 3.3).

Standing votes and labels of each reviewer: the latest that are not undone.
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
    """The panel's verdict on one face at one step. `keep`: it is its duplicate group's keeper."""

    ACCEPT = "accept"
    REJECT = "reject"
    KEEP = "keep"
    UNDECIDED = "undecided"
    CONFLICT = "conflict"


def verdicts(votes: pl.DataFrame, *, reviewers: int) -> pl.DataFrame:
    """One row per face and step that anyone voted on.

    `votes` as `standing.votes` gives them; `reviewers` is the panel's size: more than half of it (or of those who
    voted, where they are more) must agree. Fewer votes than that leave the face undecided; enough votes without a
    majority are a conflict. A majority to reject does so for its most given reason.
    Columns: identity, face_id, step, outcome, reason, decided_by, detail, agreeing, given.
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
            decided_by=pl.format("panel {}/{}", "agreeing", "given"),
            detail=_counts(reviewers),
        )
    )
    return _overridden(decided, _joint_verdicts(votes, key), key).sort(key)


def is_split() -> pl.Expr:
    """True where the reviewers who voted do not agree, with a majority or without (MTF, section 3.3).

    Over the rows of `verdicts` and `label_verdicts`; what was settled jointly is split no more. To accept and to
    keep a face agree: it stays. A conflict between the faces of a group (`survivor.demanded`) is split, though all
    may have said the same of each.
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
    said = pl.concat_str(parts, separator=", ", ignore_nulls=True)
    speakers = _speakers(reviewers, pl.format(f"{{}} of {reviewers} reviewers", "given"))
    return pl.format("{} decided: {}", speakers, said)


def _speakers(reviewers: int, of_panel: pl.Expr) -> pl.Expr:
    """Number of voters in words; `of_panel` where there are no more of them than the panel has members."""
    more = pl.format(f"{{}} reviewers (panel of {reviewers})", "given")
    return pl.when(pl.col("given") > reviewers).then(more).otherwise(of_panel)


def _most_given_reason(votes: pl.DataFrame, key: list[str]) -> pl.DataFrame:
    """Per face and step; of reasons given equally often the one that the review lists first."""
    rank = {
        str(reason): place for reasons in funnel_steps.review_reasons().values() for place, reason in enumerate(reasons)
    }
    given = votes.filter(pl.col("reason").is_not_null()).group_by(*key, "reason").len()
    ranked = given.with_columns(rank=pl.col("reason").replace_strict(rank, return_dtype=pl.Int64))
    ordered = ranked.sort("len", "rank", descending=[True, False])
    return ordered.unique(key, keep="first", maintain_order=True).select(*key, "reason")


def _joint_verdicts(votes: pl.DataFrame, key: list[str]) -> pl.DataFrame:
    """The latest joint verdict, whoever wrote it down."""
    joint = votes.filter("joint").sort("order").unique(key, keep="last", maintain_order=True)
    return joint.select(
        *key, "reason", outcome="verdict", decided_by=pl.lit(JOINT), detail=pl.lit("decided together")
    ).with_columns(agreeing=pl.lit(1, pl.Int64), given=pl.lit(1, pl.Int64))


def _overridden(decided: pl.DataFrame, joint: pl.DataFrame, key: list[str]) -> pl.DataFrame:
    columns = [*key, "outcome", "reason", "decided_by", "detail", "agreeing", "given"]
    rest = decided.join(joint, on=key, how="anti")
    return pl.concat([joint.select(columns), rest.select(columns)])


def label_verdicts(
    labels: pl.DataFrame, votes: pl.DataFrame, faces: pl.DataFrame, *, columns: Sequence[str], reviewers: int
) -> pl.DataFrame:
    """One row per face and label column that anyone corrected.

    `labels` and `votes` as `standing` gives them, `faces` with the roster's labels. A reviewer who accepted the face
    as fit for the tasks and corrected nothing speaks for the roster's label.
    Columns: identity, face_id, column, label (null where not decided), outcome, decided_by, detail, agreeing, given.
    """
    key = [*FACE, "column"]
    corrected = labels.select(key).unique()
    spoken = pl.concat([_panel_labels(labels), _silent_consent(corrected, labels, votes, faces, columns)])
    counted = (
        spoken.group_by(*key, "label")
        .len("count")
        .sort([*key, "count", "label"], descending=[False] * 3 + [True, False])
    )
    best = counted.group_by(key, maintain_order=True).agg(
        pl.col("label").first(),
        agreeing=pl.col("count").first(),
        given=pl.col("count").sum(),
        said=pl.format("{} {}", "count", "label").str.join(", "),
    )
    decided = best.with_columns(outcome=_label_outcome(reviewers)).select(
        *key,
        "outcome",
        label=pl.when(pl.col("outcome") == Outcome.ACCEPT).then("label"),
        decided_by=pl.format("panel {}/{}", "agreeing", "given"),
        detail=pl.format("{}: {} of {}", "column", "said", _speakers(reviewers, pl.lit(f"{reviewers} reviewers"))),
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


def _silent_consent(
    corrected: pl.DataFrame, labels: pl.DataFrame, votes: pl.DataFrame, faces: pl.DataFrame, columns: Sequence[str]
) -> pl.DataFrame:
    fit = votes.filter(~pl.col("joint"), pl.col("step") == Step.TASK_FIT, pl.col("verdict") == Verdict.ACCEPT)
    rosters = faces.select(*FACE, *columns).unpivot(columns, index=FACE, variable_name="column", value_name="label")
    consenting = corrected.join(fit.select("reviewer", *FACE), on=FACE)
    silent = consenting.join(_panel_labels(labels), on=["reviewer", *FACE, "column"], how="anti")
    return silent.join(rosters, on=[*FACE, "column"]).select("reviewer", *FACE, "column", "label")


def _joint_labels(labels: pl.DataFrame, key: list[str]) -> pl.DataFrame:
    joint = labels.filter("joint").sort("order").unique(key, keep="last", maintain_order=True)
    accepted = {"outcome": pl.lit(Outcome.ACCEPT.value), "decided_by": pl.lit(JOINT)}
    alone = {"agreeing": pl.lit(1, pl.Int64), "given": pl.lit(1, pl.Int64)}
    return joint.select(*key, "label", **accepted, detail=pl.lit("decided together"), **alone)


def check_labels(decisions: pl.DataFrame, permitted: Mapping[str, Sequence[str]]) -> None:
    """Every label of the ledger is one of its task's (`permitted`: column → labels). Raises BadInput for the first."""
    given = decisions.filter(pl.col("labels").is_not_null()).explode("labels").unnest("labels")
    for file, line, column, label in (
        given.select("file", "line", "column", "label").unique().sort("file", "line").iter_rows()
    ):
        check_label(column, label, permitted, where=f"{file} line {line}")


def check_label(column: str, label: str, permitted: Mapping[str, Sequence[str]], *, where: str) -> None:
    """The rule for one label; `where` names its place. Raises BadInput with what is permitted."""
    if column not in permitted:
        raise bad_value(f"{where}: labels", column, listed(permitted, 20))
    if label not in permitted[column]:
        raise bad_value(f"{where}: labels.{column}", label, listed(permitted[column], 20))


_DESK = ["reviewer", "joint", *FACE, "step"]


def current_votes(matched: pl.DataFrame) -> pl.DataFrame:
    """The latest verdict per reviewer, face and step, joint ones apart; one who skips gives none.

    `matched` are decisions in the ledger's order, with their face_id. Columns: reviewer, joint, identity, face_id,
    step, verdict (accept, reject, keep), reason, order (the place in `matched`).
    """
    verdicts = _not_undone(matched).filter(pl.col("verdict") != Verdict.LABEL)
    latest = verdicts.unique(_DESK, keep="last", maintain_order=True)
    return latest.filter(pl.col("verdict") != Verdict.SKIP).select(*_DESK, "verdict", "reason", "order")


def current_labels(matched: pl.DataFrame) -> pl.DataFrame:
    """The latest label per reviewer, face and column, joint ones apart.

    Columns: reviewer, joint, identity, face_id, column, label, order.
    """
    corrections = _not_undone(matched).filter(pl.col("verdict") == Verdict.LABEL)
    each = corrections.explode("labels").unnest("labels")
    key = ["reviewer", "joint", *FACE, "column"]
    return each.unique(key, keep="last", maintain_order=True).select(*key, "label", "order")


def _not_undone(matched: pl.DataFrame) -> pl.DataFrame:
    lines = matched.with_row_index("order").filter(pl.col("face_id").is_not_null())
    undone = (pl.col("verdict") == Verdict.UNDO).any().over(_DESK)
    withdrawn = _withdrawn(lines.filter(undone).select(*_DESK, "verdict", "order"))
    return lines.filter(pl.col("verdict") != Verdict.UNDO, ~pl.col("order").is_in(withdrawn))


def _withdrawn(lines: pl.DataFrame) -> list[int]:
    """Each undo takes away the latest line that still stands; undoing nothing does nothing."""
    stacks: dict[tuple[object, ...], list[int]] = {}
    gone = []
    for *desk, verdict, order in lines.iter_rows():
        stack = stacks.setdefault(tuple(desk), [])
        if verdict != Verdict.UNDO:
            stack.append(order)
        elif stack:
            gone.append(stack.pop())
    return gone
