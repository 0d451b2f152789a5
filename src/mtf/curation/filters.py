"""Filters of the funnel: each keeps a face or drops it for a reason (MTF, section 3.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import polars as pl

from mtf.annotation.consensus import Outcome
from mtf.curation.duplicates import AUTOMATIC, surplus_members
from mtf.schemas import FACE, Reason, Step

NOBODY = pl.DataFrame(schema=dict.fromkeys(FACE, pl.String))
"""The faces that the panel accepted where no people were asked."""


@dataclass(frozen=True)
class NotTakenDown:
    """Filter that drops faces named by a takedown request."""

    step: ClassVar[Step] = Step.TAKEDOWN

    def judge(self, faces: pl.DataFrame) -> pl.DataFrame:
        reason = pl.when(pl.col("taken_down").is_not_null()).then(pl.lit(Reason.TAKEN_DOWN.value))
        return faces.with_columns(reason=reason, decided_by=pl.lit("takedown"), detail="taken_down")


@dataclass(frozen=True)
class Licensed:
    """Filter that drops faces whose license the policy does not permit."""

    step: ClassVar[Step] = Step.LICENSE

    def judge(self, faces: pl.DataFrame) -> pl.DataFrame:
        return faces.with_columns(reason="license_reason", decided_by=pl.lit(AUTOMATIC), detail="license_detail")


@dataclass(frozen=True)
class OnePerson:
    """Filter that drops shots listed for several people, unless the panel accepted the face for this person.

    At least one of the names is wrong. With `by_likeness` a shot stays with the one identity whose proposed person it
    is like; if it is like several, or none, nothing tells which.

    accepted: faces (identity, face_id) that the panel accepted; empty without a panel.
    by_likeness: use the identity proposals of screening.
    """

    accepted: pl.DataFrame
    by_likeness: bool = False
    step: ClassVar[Step] = Step.ONE_PERSON

    def judge(self, faces: pl.DataFrame) -> pl.DataFrame:
        accepted = self.accepted.select(*FACE, is_accepted=pl.lit(value=True))
        joined = faces.join(accepted, on=FACE, how="left", maintain_order="left")
        is_doubtful = pl.col("across_group").is_not_null() & pl.col("is_accepted").is_null()
        if self.by_likeness:
            is_like = (pl.col("likeness") > 0).fill_null(value=False)
            likened = pl.col("identity").filter(is_like).n_unique().over("across_group")
            is_doubtful &= ~(is_like & (likened == 1))
        return joined.drop("is_accepted").with_columns(
            reason=joined.select(pl.when(is_doubtful).then(pl.lit(Reason.SEVERAL_PEOPLE.value))).to_series(),
            decided_by=pl.lit(AUTOMATIC),
            detail=pl.format("group {} has faces of several people", "across_group"),
        )


@dataclass(frozen=True)
class PanelMajority:
    """Filter by the panel's majority; without one a face is held back as undecided or as a conflict.

    step: the reviewed step.
    reviewers: size of the panel.
    """

    step: str
    reviewers: int

    def judge(self, faces: pl.DataFrame) -> pl.DataFrame:
        outcome = pl.col(f"{self.step}_outcome")
        return faces.with_columns(
            reason=pl.when(outcome == Outcome.REJECT)
            .then(f"{self.step}_reason")
            .when(outcome == Outcome.CONFLICT)
            .then(pl.lit(Reason.CONFLICT.value))
            .when(outcome.is_null() | (outcome == Outcome.UNDECIDED))
            .then(pl.lit(Reason.UNDECIDED.value)),
            decided_by=pl.col(f"{self.step}_by").fill_null("panel 0/0"),
            detail=pl.col(f"{self.step}_detail").fill_null(f"0 of {self.reviewers} reviewers decided"),
        )


@dataclass(frozen=True)
class NoDuplicate:
    """Filter that keeps one face per duplicate group.

    Exact duplicates are dropped without a vote. Near duplicates are those that screening grouped, unless the panel
    rejected a face, chose it as keeper, or accepted it as no duplicate.
    """

    step: ClassVar[Step] = Step.DUPLICATE

    def judge(self, faces: pl.DataFrame) -> pl.DataFrame:
        outcome = pl.col("duplicate_outcome")
        named = faces.with_columns(named_by=pl.when(outcome == Outcome.KEEP).then("duplicate_by"))
        out = named.filter(outcome.is_in([Outcome.REJECT.value, Outcome.CONFLICT.value])).select(
            *FACE,
            reason=pl.coalesce("duplicate_reason", pl.lit(Reason.CONFLICT.value)),
            decided_by="duplicate_by",
            detail="duplicate_detail",
        )
        exact = _dropped(_without(named, out), "exact_group", Reason.EXACT_DUPLICATE)
        grouped = _without(_without(named, out), exact).filter((outcome != Outcome.ACCEPT).fill_null(value=True))
        near = _dropped(grouped, "near_group", Reason.NEAR_DUPLICATE)
        return faces.join(pl.concat([out, exact, near]), on=FACE, how="left")


def _dropped(faces: pl.DataFrame, group: str, reason: Reason) -> pl.DataFrame:
    return (
        surplus_members(faces, group)
        .select(*FACE, "decided_by", "detail", reason=pl.lit(reason.value))
        .select(*FACE, "reason", "decided_by", "detail")
    )


def _without(faces: pl.DataFrame, dropped: pl.DataFrame) -> pl.DataFrame:
    return faces.join(dropped, on=FACE, how="anti", maintain_order="left")


@dataclass(frozen=True)
class FitForTasks:
    """Filter by the panel's majority that a face fits every task, with all its labels settled.

    A label that is one per identity is that of most of the identity's faces; a face with another is held back as a
    conflict.

    reviewers: size of the panel.
    columns: label columns.
    per_identity: label columns with one label per identity.
    """

    reviewers: int
    columns: Sequence[str]
    per_identity: Sequence[str]
    step: ClassVar[Step] = Step.TASK_FIT

    def judge(self, faces: pl.DataFrame) -> pl.DataFrame:
        judged = PanelMajority(self.step, self.reviewers).judge(faces)
        for column in self.columns:
            unsettled = pl.col(f"{column}_outcome").is_in([Outcome.UNDECIDED.value, Outcome.CONFLICT.value])
            judged = _held_back(judged, unsettled, pl.col(f"{column}_outcome"), pl.col(f"{column}_detail"), column)
        for column in self.per_identity:
            judged = self._one_label(judged, column)
        return judged

    def _one_label(self, judged: pl.DataFrame, column: str) -> pl.DataFrame:
        joined = judged.join(
            _labels_of_identities(judged.filter(pl.col("reason").is_null()), column), on="identity", how="left"
        )
        differs = pl.col(column) != pl.col("_of_identity")
        detail = pl.format(f"{column} {{}} where most of the identity's faces have {{}}", column, "_of_identity")
        return _held_back(joined, differs, pl.lit(Reason.CONFLICT.value), detail, column).drop("_of_identity")


def _labels_of_identities(faces: pl.DataFrame, column: str) -> pl.DataFrame:
    """Most frequent label of each identity; the roster's label wins a tie."""
    counts = faces.group_by("identity", column, (pl.col(column) == pl.col(f"roster_{column}")).alias("rosters")).len()
    ordered = counts.sort("identity", -pl.col("len").cast(pl.Int64), ~pl.col("rosters"), column)
    first = ordered.unique("identity", keep="first", maintain_order=True)
    return first.select("identity", pl.col(column).alias("_of_identity"))


def _held_back(judged: pl.DataFrame, holds: pl.Expr, reason: pl.Expr, detail: pl.Expr, column: str) -> pl.DataFrame:
    """Faces with `reason` set where they are still kept and `holds` is true."""
    holds = holds.fill_null(value=False) & pl.col("reason").is_null()
    return judged.with_columns(
        reason=pl.when(holds).then(reason).otherwise("reason"),
        decided_by=pl.when(holds).then(pl.coalesce(f"{column}_by", "decided_by")).otherwise("decided_by"),
        detail=pl.when(holds).then(detail).otherwise("detail"),
    )


@dataclass(frozen=True)
class EnoughImages:
    """Filter that drops identities with fewer than `minimum` images left; several faces of one image count once."""

    minimum: int
    step: ClassVar[Step] = Step.ENOUGH_IMAGES

    def judge(self, faces: pl.DataFrame) -> pl.DataFrame:
        left = pl.col("image_id").n_unique().over("identity")
        return faces.with_columns(
            reason=pl.when(left < self.minimum).then(pl.lit(Reason.TOO_FEW_IMAGES.value)),
            decided_by=pl.lit(AUTOMATIC),
            detail=pl.format(f"{{}} images left, {self.minimum} needed", left),
        )
