"""Filters of the screened mode: limits on screening's measures of a face (`curate.screened` of params.yaml)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import polars as pl

from mtf.config import Screened
from mtf.curation.duplicates import AUTOMATIC, surplus_members
from mtf.schemas import FACE, Reason, Step


@dataclass(frozen=True)
class Limit:
    """Limit on a screening measure; a face without a value passes.

    measure: column of the table screening.
    reason: reason for dropping a face outside the limit.
    minimum: lowest permitted value.
    maximum: highest permitted value.
    """

    measure: str
    reason: Reason
    minimum: float | None = None
    maximum: float | None = None

    def is_broken(self) -> pl.Expr:
        value = pl.col(self.measure)
        below = pl.lit(value=False) if self.minimum is None else value < self.minimum
        above = pl.lit(value=False) if self.maximum is None else value > self.maximum
        return (below | above).fill_null(value=False)

    def detail(self) -> pl.Expr:
        bounds = (("least", self.minimum), ("most", self.maximum))
        wanted = [f"at {name} {bound:g}" for name, bound in bounds if bound is not None]
        value = pl.col(self.measure).cast(pl.Float64).round(3)
        return pl.format(f"{self.measure} {{}}, {' and '.join(wanted)} wanted", value)


@dataclass(frozen=True)
class WithinLimits:
    """Filter by several limits; the first one violated gives the reason."""

    step: str
    limits: Sequence[Limit]

    def judge(self, faces: pl.DataFrame) -> pl.DataFrame:
        broken = [(limit.is_broken(), limit) for limit in self.limits]
        return faces.with_columns(
            reason=pl.coalesce(pl.when(is_broken).then(pl.lit(limit.reason.value)) for is_broken, limit in broken),
            detail=pl.coalesce(pl.when(is_broken).then(limit.detail()) for is_broken, limit in broken),
            decided_by=pl.lit(AUTOMATIC),
        )


@dataclass(frozen=True)
class OneOfEachGroup:
    """Filter that keeps one face per duplicate group as screening found it, exact duplicates first, then near ones."""

    step: ClassVar[Step] = Step.DUPLICATE

    def judge(self, faces: pl.DataFrame) -> pl.DataFrame:
        unnamed = faces.with_columns(named_by=pl.lit(None, pl.String))
        exact = surplus_members(unnamed, "exact_group").with_columns(reason=pl.lit(Reason.EXACT_DUPLICATE.value))
        left = unnamed.join(exact, on=FACE, how="anti")
        near = surplus_members(left, "near_group").with_columns(reason=pl.lit(Reason.NEAR_DUPLICATE.value))
        return faces.join(pl.concat([exact, near]), on=FACE, how="left")


@dataclass(frozen=True)
class ProposedPerson:
    """Filter that keeps the faces of the proposed person, if screening's embedding distinguishes people.

    otherwise: filter of the other faces.
    """

    otherwise: WithinLimits
    step: ClassVar[Step] = Step.IDENTITY

    def judge(self, faces: pl.DataFrame) -> pl.DataFrame:
        judged = self.otherwise.judge(faces)
        is_proposed = pl.col("cluster").is_not_null()
        is_stranger = (pl.col("likeness") <= 0).fill_null(value=True)
        likeness = pl.col("likeness").cast(pl.Float64).round(2)
        alike = pl.format("likeness {} to the proposed person, above 0 wanted", likeness)
        detail = pl.coalesce(alike, pl.lit("no two shots of this identity show the same person"))
        return judged.with_columns(
            reason=pl.when(is_proposed & is_stranger)
            .then(pl.lit(Reason.WRONG_PERSON.value))
            .when(~is_proposed)
            .then("reason"),
            detail=pl.when(is_proposed & is_stranger).then(detail).when(~is_proposed).then("detail"),
        )


def right_person(screened: Screened) -> ProposedPerson:
    """Filter by the proposed person or, without proposals, by the distance of a face to the others of its person."""
    limit = Limit("identity_distance", Reason.WRONG_PERSON, maximum=screened.max_identity_distance)
    return ProposedPerson(WithinLimits(Step.IDENTITY, [limit]))


def good_quality(screened: Screened) -> WithinLimits:
    """Filter by size, sharpness, exposure, eyes found, likeness to a photograph, and quality components."""
    darkest, brightest = screened.brightness
    limits = [
        Limit("size_px", Reason.TOO_SMALL, minimum=screened.min_size_px),
        Limit("sharpness", Reason.BLURRED, minimum=screened.min_sharpness),
        Limit("brightness", Reason.BADLY_EXPOSED, minimum=darkest, maximum=brightest),
        Limit("clipped_share", Reason.BADLY_EXPOSED, maximum=screened.max_clipped_share),
        Limit("eyes", Reason.OBSTRUCTED, minimum=screened.min_eyes),
        Limit("not_photograph", Reason.NOT_A_PHOTOGRAPH, maximum=screened.max_not_photograph),
        Limit("inter_eye_distance", Reason.TOO_SMALL, minimum=screened.min_inter_eye_distance),
        Limit("under_exposure_prevention", Reason.BADLY_EXPOSED, minimum=screened.min_under_exposure_prevention),
        Limit("over_exposure_prevention", Reason.BADLY_EXPOSED, minimum=screened.min_over_exposure_prevention),
        Limit("eyes_visible", Reason.OBSTRUCTED, minimum=screened.min_eyes_visible),
        Limit("mouth_occlusion_prevention", Reason.OBSTRUCTED, minimum=screened.min_mouth_occlusion_prevention),
        _to_either_side("head_pose_yaw", Reason.TURNED_AWAY, screened.max_head_pose_yaw),
        _to_either_side("head_pose_pitch", Reason.TURNED_AWAY, screened.max_head_pose_pitch),
    ]
    return WithinLimits(Step.QUALITY, limits)


def _to_either_side(measure: str, reason: Reason, maximum: float | None) -> Limit:
    return Limit(measure, reason, minimum=None if maximum is None else -maximum, maximum=maximum)


def steps(screened: Screened) -> list[ProposedPerson | WithinLimits | OneOfEachGroup]:
    """Filters that replace the reviewers' steps, as far as a program can."""
    return [right_person(screened), good_quality(screened), OneOfEachGroup()]
