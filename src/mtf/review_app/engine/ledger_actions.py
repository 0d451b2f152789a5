"""Earlier actions of a reviewer, as the ledger has them: what `u` takes back after a restart."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import polars as pl

from mtf.annotation import consensus
from mtf.annotation.decision import Decision, Verdict
from mtf.review_app.engine.face_key import Key
from mtf.review_app.engine.review_data import ReviewData
from mtf.review_app.engine.reviewer_votes import ReviewerVotes

# Lines that one key wrote have one time, or with an older program times that lie closer together than this.
ONE_KEY = timedelta(microseconds=300)
# So many lines back actions can be undone after a restart.
RESTORED_LINES = 2000

Action = list[tuple[Key, Decision]]


def restored(review_data: ReviewData, votes: ReviewerVotes, *, reviewer: str, joint: bool) -> list[Action]:
    """Actions of the reviewer in the ledger that were not undone, oldest first; `votes` learn what was before them.

    Joint verdicts of somebody else end the list: nobody takes back what they did not record.
    """
    standing = consensus.standing_lines(review_data.matched).filter(pl.col("joint") == joint).sort("order")
    if joint:
        standing = standing.tail(_own_end(standing, reviewer))
    own = standing.filter(pl.col("reviewer") == reviewer)
    _remember(review_data, votes, own)
    lines = own.tail(RESTORED_LINES)
    return list(_by_key(lines, cut=lines.height < own.height))


def _own_end(lines: pl.DataFrame, reviewer: str) -> int:
    """Number of lines at the end that the reviewer wrote."""
    is_other = (lines["reviewer"] != reviewer).reverse()
    return int(is_other.arg_max() or 0) if is_other.any() else lines.height


def _by_key(lines: pl.DataFrame, *, cut: bool) -> Iterator[Action]:
    """Lines grouped by the key that wrote them; of lines that were `cut`, the first group may lack some."""
    rows = list(lines.iter_rows(named=True))
    begins = [place for place, (one, other) in enumerate(pairwise(rows), 1) if _is_new_key(one, other)]
    ends = [0, *begins, len(rows)] if rows else []
    for first, end in list(pairwise(ends))[1 if cut else 0 :]:
        yield [(Key(row["identity"], row["face_id"]), _decision(row)) for row in rows[first:end]]


def _is_new_key(one: dict[str, Any], other: dict[str, Any]) -> bool:
    earlier, later = _time(one), _time(other)
    return one["file"] != other["file"] or later - earlier >= ONE_KEY


def _time(row: dict[str, Any]) -> datetime:
    return row["time"]


def _decision(row: dict[str, Any]) -> Decision:
    labels = {one["column"]: one["label"] for one in row["labels"] or ()}
    return Decision(
        image_id=row["image_id"],
        box=(row["x"], row["y"], row["width"], row["height"]),
        identity=row["identity"],
        step=row["step"],
        verdict=Verdict(row["verdict"]),
        reason=row["reason"],
        labels=labels or None,
        reviewer=row["reviewer"],
        time=row["time"],
        joint=row["joint"],
    )


def _remember(review_data: ReviewData, votes: ReviewerVotes, lines: pl.DataFrame) -> None:
    """Tell the votes all that the reviewer said before, so that each undo finds what it brings back."""
    verdicts: dict[tuple[Key, str], list[tuple[Verdict, str | None]]] = {}
    labels: dict[tuple[Key, str], list[str]] = {}
    for row in lines.iter_rows(named=True):
        face = Key(row["identity"], row["face_id"])
        for one in row["labels"] or ():
            labels.setdefault((face, one["column"]), []).append(one["label"])
        if row["verdict"] != Verdict.LABEL:
            verdicts.setdefault((face, row["step"]), []).append((Verdict(row["verdict"]), row["reason"]))
    for (face, step), given in verdicts.items():
        votes.remember_verdicts(review_data.row(face), step, given)
    for (face, column), values in labels.items():
        votes.remember_labels(review_data.row(face), column, values)
