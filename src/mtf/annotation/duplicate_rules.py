"""Rule for duplicate groups: one face of each group must stay, else the panel's verdicts on the group are a conflict.

Votes are counted per face. If each of three reviewers keeps a different one of three duplicates, each face is rejected
by two of them, and the whole group would be lost.
"""

from __future__ import annotations

import polars as pl

from mtf.annotation.consensus import Outcome
from mtf.schemas import FACE, Step, funnel_steps

_GROUP = ["identity", "group"]


def duplicate_group() -> pl.Expr:
    """Duplicate group of a face within its identity, as screening found it; null for a face without duplicates."""
    return pl.coalesce("near_group", "exact_group")


def with_group_conflicts(verdicts: pl.DataFrame, faces: pl.DataFrame) -> pl.DataFrame:
    """Panel verdicts with a conflict for each rejected duplicate of a group from which no face would stay.

    A face that was rejected for another reason before its group was compared could not have stayed: it does not count
    as kept.

    verdicts: table as `consensus.verdicts` returns it.
    faces: columns identity, face_id, near_group and exact_group.
    """
    groups = faces.select(*FACE, group=duplicate_group()).filter(pl.col("group").is_not_null())
    is_rejected = pl.col("outcome") == Outcome.REJECT
    before = funnel_steps.reviewed()[: funnel_steps.place_of(Step.DUPLICATE)]
    at_duplicates = pl.col("step") == Step.DUPLICATE
    gone = verdicts.filter(is_rejected, pl.col("step").is_in([str(step) for step in before]))
    copies = verdicts.filter(is_rejected, at_duplicates)
    compared = groups.join(gone, on=FACE, how="anti")
    staying = compared.join(copies, on=FACE, how="anti")
    lost = compared.join(staying, on=_GROUP, how="anti").select(*FACE, is_lost=pl.lit(value=True))
    marked = verdicts.join(lost, on=FACE, how="left", maintain_order="left")
    holds = pl.col("is_lost").is_not_null() & is_rejected & at_duplicates
    return marked.with_columns(
        outcome=pl.when(holds).then(pl.lit(Outcome.CONFLICT.value)).otherwise("outcome"),
        reason=pl.when(~holds).then("reason"),
        detail=pl.when(holds).then(pl.format("{}; no face of its group would stay", "detail")).otherwise("detail"),
    ).drop("is_lost")
