"""Funnel steps of this package, one entry each, in their order (MTF, section 3.2).

Another package adds its own with `register`, or as an entry point of the group `mtf.funnel_steps`; see `FunnelStep` for
the fields of an entry.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import polars as pl

from mtf.config import Params
from mtf.curation import filters, screened
from mtf.schemas import Reason, Step
from mtf.schemas.funnel_steps import AGE_GROUP, FunnelStep, StepFilter, register, title_of

__all__ = ["AGE_GROUP", "STEPS", "Context", "FunnelStep", "StepFilter", "majority", "register", "title_of"]


@dataclass(frozen=True)
class Context:
    """Input of a step's filter.

    params: the project's `params.yaml`.
    mode: the set that is built, `curate.mode` or the non-curated one beside it.
    accepted: faces (identity, face_id) that the panel accepted for their person.
    """

    params: Params
    mode: Literal["curated", "screened", "non_curated"]
    accepted: pl.DataFrame


def majority(step: str, context: Context) -> StepFilter | None:
    """Filter by the panel's majority at a step; None in modes without a panel."""
    if context.mode != "curated":
        return None
    return filters.PanelMajority(step, context.params.curate.reviewers)


def _one_person(context: Context) -> StepFilter | None:
    """Filter of shots listed for several people; None in the curated mode, where people judge the identity of every
    face.
    """
    if context.mode == "curated":
        return None
    if context.mode == "non_curated":
        return filters.OnePerson(filters.NOBODY)
    return filters.OnePerson(context.accepted, by_likeness=True)


def _identity(context: Context) -> StepFilter | None:
    if context.mode == "screened":
        return screened.right_person(context.params.curate.screened)
    return majority(Step.IDENTITY, context)


def _quality(context: Context) -> StepFilter | None:
    if context.mode == "screened":
        return screened.good_quality(context.params.curate.screened)
    return majority(Step.QUALITY, context)


def _duplicate(context: Context) -> StepFilter | None:
    by_mode = {"curated": filters.NoDuplicate(), "screened": screened.OneOfEachGroup()}
    return by_mode.get(context.mode)


def _task_fit(context: Context) -> StepFilter | None:
    if context.mode != "curated":
        return None
    attributes = context.params.attributes
    return filters.FitForTasks(
        context.params.curate.reviewers,
        columns=list(attributes),
        per_identity=[column for column, task in attributes.items() if task.per_identity],
    )


def _enough_images(context: Context) -> StepFilter:
    return filters.EnoughImages(context.params.curate.min_images_per_identity)


STEPS = (
    FunnelStep(
        name=Step.TAKEDOWN,
        title="not taken down",
        reasons=(Reason.TAKEN_DOWN,),
        is_reviewed=False,
        is_for_non_curated=True,
        filter=lambda _: filters.NotTakenDown(),
    ),
    FunnelStep(
        name=Step.LICENSE,
        title="license permitted",
        reasons=(
            Reason.OPTED_OUT,
            Reason.NO_EVIDENCE,
            Reason.CLAIM_ONLY,
            Reason.NOT_PERMITTED,
            Reason.CONTRADICTION,
            Reason.EVIDENCE_TOO_OLD,
            Reason.NO_ATTRIBUTION,
            Reason.CONSENT_REVOKED,
            Reason.CONSENT_EXPIRED,
            Reason.GUARDIAN_MISSING,
            Reason.CONSENT_SCOPE,
            Reason.CONSENT_MISSING,
        ),
        is_reviewed=False,
        is_for_non_curated=True,
        filter=lambda _: filters.Licensed(),
    ),
    FunnelStep(
        name=Step.ONE_PERSON,
        title="listed for one person alone",
        reasons=(Reason.SEVERAL_PEOPLE,),
        is_reviewed=False,
        is_for_non_curated=True,
        filter=_one_person,
    ),
    FunnelStep(
        name=Step.FACE,
        title="a whole human face",
        heading="faces",
        question="Is this one whole human face?",
        reasons=(Reason.NOT_A_FACE, Reason.PARTIAL_FACE),
        keys={Reason.NOT_A_FACE: "1", Reason.PARTIAL_FACE: "2"},
        is_seen_at_once=True,
        hints={
            **{"eyes": 1.0, "size_px": 0.5, "sharpness": 0.25, "identity_distance": -0.5},
            **{"eyes_visible": 1.0, "mouth_occlusion_prevention": 0.5},
        },
    ),
    FunnelStep(
        name=Step.IDENTITY,
        title="the right person",
        question="Is this {identity}?",
        reasons=(Reason.WRONG_PERSON,),
        keys={Reason.WRONG_PERSON: "3"},
        is_seen_at_once=True,
        hints={"identity_distance": -1.0},
        pages_by="identity",
        filter=_identity,
    ),
    FunnelStep(
        name=Step.QUALITY,
        title="unobstructed, natural, sharp",
        question="Is the face unobstructed, natural and sharp?",
        reasons=(Reason.OBSTRUCTED, Reason.NOT_A_PHOTOGRAPH, Reason.UNNATURAL, Reason.BLURRED),
        keys={Reason.OBSTRUCTED: "4", Reason.NOT_A_PHOTOGRAPH: "5", Reason.UNNATURAL: "6", Reason.BLURRED: "7"},
        is_seen_at_once=True,
        hints={
            **{"eyes": 1.0, "sharpness": 1.0, "not_photograph": -1.0, "clipped_share": -0.5},
            **{"eyes_visible": 1.0, "mouth_occlusion_prevention": 1.0},
        },
        filter=_quality,
    ),
    FunnelStep(
        name=Step.DUPLICATE,
        title="no duplicate",
        heading="duplicates",
        question="Which picture of the group stays?",
        reasons=(Reason.EXACT_DUPLICATE, Reason.NEAR_DUPLICATE),
        keys={Reason.EXACT_DUPLICATE: "e", Reason.NEAR_DUPLICATE: "8"},
        hints={"sharpness": 1.0, "size_px": 1.0, "eyes": 0.5},
        pages_by="duplicate_group",
        filter=_duplicate,
    ),
    FunnelStep(
        name=Step.TASK_FIT,
        title="fit for every task",
        question="Do the labels fit {identity} in this picture?",
        reasons=(Reason.WRONG_AGE_GROUP, Reason.CHILDHOOD),
        keys={Reason.WRONG_AGE_GROUP: "9", Reason.CHILDHOOD: "0"},
        hints={"identity_distance": -1.0, "contradiction": -1.0},
        pages_by=AGE_GROUP,
        filter=_task_fit,
    ),
    FunnelStep(
        name=Step.ENOUGH_IMAGES,
        title="enough images of the person",
        reasons=(Reason.TOO_FEW_IMAGES,),
        is_reviewed=False,
        filter=_enough_images,
    ),
)
