"""Funnel (MTF, section 3.2): the registered steps in order, each of which keeps a face or drops it with a reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from mtf.config import Params
from mtf.curation.filters import NOBODY
from mtf.curation.steps import Context, majority
from mtf.schemas import EXCLUSIONS, FACE, frame, funnel_steps
from mtf.schemas.funnel_steps import StepFilter


def automatic(params: Params) -> list[StepFilter]:
    """Filters of the non-curated set: automatic crops with the roster's labels (MTF's second set)."""
    context = Context(params, mode="non_curated", accepted=NOBODY)
    return _filters([step for step in funnel_steps.registered() if step.is_for_non_curated], context)


def steps(params: Params, *, accepted: pl.DataFrame) -> list[StepFilter]:
    """Filters of the mode `params.curate.mode`, in the registry's order.

    `accepted` are the faces (identity, face_id) that the panel accepted for their person; the non-curated mode ignores
    them.
    """
    return _filters(funnel_steps.registered(), Context(params, mode=params.curate.mode, accepted=accepted))


def _filters(registered: Sequence[funnel_steps.FunnelStep], context: Context) -> list[StepFilter]:
    found = (step.filter(context) if step.filter else majority(step.name, context) for step in registered)
    return [one for one in found if one is not None]


@dataclass(frozen=True)
class StepFigures:
    """Figures of one step.

    step: the step.
    faces: faces left.
    identities: identities left.
    dropped: number of dropped faces by reason.
    """

    step: str
    faces: int
    identities: int
    dropped: dict[str, int]


@dataclass(frozen=True)
class FunnelResult:
    """Result of the funnel.

    kept: faces that passed every step.
    exclusions: rows of `schemas.EXCLUSIONS` for the dropped faces.
    step_figures: figures of each step.
    """

    kept: pl.DataFrame
    exclusions: pl.DataFrame
    step_figures: list[StepFigures]


def run(faces: pl.DataFrame, steps: Sequence[StepFilter]) -> FunnelResult:
    """Run `faces` (as `mtf.curation.funnel_inputs` joins them) through the filters; results are sorted by identity and
    face_id.
    """
    exclusions = [frame(EXCLUSIONS, [])]
    step_figures = []
    for step in steps:
        judged = step.judge(faces).sort(FACE)
        dropped = judged.filter(pl.col("reason").is_not_null())
        faces = judged.filter(pl.col("reason").is_null()).select(faces.columns)
        exclusions.append(frame(EXCLUSIONS, dropped.with_columns(step=pl.lit(str(step.step)))))
        step_figures.append(StepFigures(step.step, faces.height, faces["identity"].n_unique(), _by_reason(dropped)))
    return FunnelResult(faces, pl.concat(exclusions).sort(FACE), step_figures)


def _by_reason(dropped: pl.DataFrame) -> dict[str, int]:
    counts = dict(dropped.group_by("reason").len().iter_rows())
    return {str(reason): counts[reason] for reason in funnel_steps.reasons() if reason in counts}
