"""Standing votes and labels of each reviewer: the latest that are not undone."""

from __future__ import annotations

import polars as pl

from mtf.review.decision import Verdict
from mtf.tables import FACE

_DESK = ["reviewer", "joint", *FACE, "step"]


def votes(matched: pl.DataFrame) -> pl.DataFrame:
    """The latest verdict per reviewer, face and step, joint ones apart; one who skips gives none.

    `matched` are decisions in the ledger's order, with their face_id. Columns: reviewer, joint, identity, face_id,
    step, verdict (accept, reject, keep), reason, order (the place in `matched`).
    """
    verdicts = _not_undone(matched).filter(pl.col("verdict") != Verdict.LABEL)
    latest = verdicts.unique(_DESK, keep="last", maintain_order=True)
    return latest.filter(pl.col("verdict") != Verdict.SKIP).select(*_DESK, "verdict", "reason", "order")


def labels(matched: pl.DataFrame) -> pl.DataFrame:
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
