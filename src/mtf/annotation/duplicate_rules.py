"""Of each group of duplicates one face must stay. Where the panel's votes would leave none, nothing is settled.

Votes are counted face by face. Of three copies each of which another reviewer keeps, each is rejected by two, and a
person's picture would be lost though everyone wanted one of it.
"""

from __future__ import annotations

import polars as pl

from mtf.annotation.consensus import Outcome
from mtf.schemas import FACE, Step, funnel_steps

_GROUP = ["identity", "group"]


def duplicate_group() -> pl.Expr:
    """The group of duplicates that screening put a face in, among its identity's; null where it is in none."""
    return pl.coalesce("near_group", "exact_group")


def demanded(verdicts: pl.DataFrame, faces: pl.DataFrame) -> pl.DataFrame:
    """`verdicts` with a conflict for each rejected duplicate of a group of which no face would stay.

    `verdicts` as `consensus.verdicts` gives them; `faces` has identity, face_id, near_group and exact_group. A face
    that was rejected for another reason before its group was compared could not have stayed, and counts as none.
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
