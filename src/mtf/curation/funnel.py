"""The funnel (MTF, section 3.2): the registered steps in their order, each of which keeps a face or drops it."""

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
    """The filters of the non-curated set: automatic crops with the roster's labels (MTF's second set)."""
    context = Context(params, mode="non_curated", accepted=NOBODY)
    return _filters([step for step in funnel_steps.registered() if step.is_for_non_curated], context)


def steps(params: Params, *, accepted: pl.DataFrame) -> list[StepFilter]:
    """The filters of the mode that `params.curate` chooses, in the registry's order.

    `accepted` are the faces (identity, face_id) that the panel accepted as their person's; non-curated is without.
    """
    return _filters(funnel_steps.registered(), Context(params, mode=params.curate.mode, accepted=accepted))


def _filters(taken: Sequence[funnel_steps.FunnelStep], context: Context) -> list[StepFilter]:
    found = (step.filter(context) if step.filter else majority(step.name, context) for step in taken)
    return [one for one in found if one is not None]


@dataclass(frozen=True)
class Passed:
    """Figures of one step: the faces and identities it left, and how many it dropped for each reason."""

    step: str
    faces: int
    identities: int
    dropped: dict[str, int]


@dataclass(frozen=True)
class Funnelled:
    """The faces that passed every step, the rows of `tables.EXCLUSIONS` for the others, and each step's figures."""

    kept: pl.DataFrame
    exclusions: pl.DataFrame
    passed: list[Passed]


def run(faces: pl.DataFrame, steps: Sequence[StepFilter]) -> Funnelled:
    """Send `faces` (as `mtf.curation.funnel_inputs` gathers them) through `steps`. Sorted by identity and face_id."""
    exclusions = [frame(EXCLUSIONS, [])]
    passed = []
    for step in steps:
        judged = step.judge(faces).sort(FACE)
        dropped = judged.filter(pl.col("reason").is_not_null())
        faces = judged.filter(pl.col("reason").is_null()).select(faces.columns)
        exclusions.append(frame(EXCLUSIONS, dropped.with_columns(step=pl.lit(str(step.step)))))
        passed.append(Passed(step.step, faces.height, faces["identity"].n_unique(), _by_reason(dropped)))
    return Funnelled(faces, pl.concat(exclusions).sort(FACE), passed)


def _by_reason(dropped: pl.DataFrame) -> dict[str, int]:
    counts = dict(dropped.group_by("reason").len().iter_rows())
    return {str(reason): counts[reason] for reason in funnel_steps.reasons() if reason in counts}
