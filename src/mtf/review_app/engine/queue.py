"""Queue of a reviewer: each face passes through the reviewed steps of the funnel (MTF, section 3.2).

The queue follows from the tables, the reviewer's own verdicts and the panel's settled verdicts. Votes of others that
have not settled anything have no effect and are never shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mtf.schemas import FACE, Step, funnel_steps

# Likely accepts come first: they are the data set, and the rest of the triage learns from them.
RUNS = ("likely accept", "unsure", "likely reject")

# A reviewer's verdicts, and those the panel has settled: one row per face and step.
OPINIONS = {"identity": pl.String, "face_id": pl.String, "step": pl.String, "verdict": pl.String, "reason": pl.String}
SETTLED = {**OPINIONS, "joint": pl.Boolean}

# In arrays of faces × steps a verdict is its place in this list; 0 is no verdict.
VERDICTS = (None, "accept", "keep", "reject", "skip")
NOTHING, ACCEPT, KEEP, REJECT, SKIP = range(len(VERDICTS))
DONE = -1

VerdictCodes = NDArray[np.int8]
Rows = NDArray[np.int64]


def duplicate_place() -> int:
    """Place of the duplicate step among the reviewed steps."""
    return funnel_steps.place_of(Step.DUPLICATE)


class Settled(NamedTuple):
    """Settled verdicts of the panel.

    codes: faces × steps, as in VERDICTS.
    joint: faces × steps, true for a joint verdict.
    spared: faces × steps, true where no further vote is needed (`mtf.annotation.model_verdicts`).
    """

    codes: VerdictCodes
    joint: NDArray[np.bool_]
    spared: NDArray[np.bool_]

    def of(self, rows: Rows) -> Settled:
        """Settled verdicts of some faces."""
        return Settled(self.codes[rows], self.joint[rows], self.spared[rows])


def codes_of(faces: pl.DataFrame, opinions: pl.DataFrame) -> VerdictCodes:
    """Verdict codes (faces × steps) of the verdicts in `opinions` on `faces`; other faces are ignored."""
    codes = np.zeros((faces.height, len(funnel_steps.reviewed())), np.int8)
    given = numbered(faces, opinions)
    codes[given["row"], given["place"]] = given["code"]
    return codes


def settled_of(faces: pl.DataFrame, settled: pl.DataFrame, spared: pl.DataFrame | None = None) -> Settled:
    """Settled verdicts as arrays; `settled` has the columns SETTLED, `spared` identity, face_id and step."""
    joint, needless = (np.zeros((faces.height, len(funnel_steps.reviewed())), bool) for _ in range(2))
    given = numbered(faces, settled).filter("joint")
    joint[given["row"], given["place"]] = True
    if spared is not None:
        placed = numbered(faces, spared.with_columns(verdict=pl.lit("accept")))
        needless[placed["row"], placed["place"]] = True
    return Settled(codes_of(faces, settled), joint, needless)


def numbered(faces: pl.DataFrame, opinions: pl.DataFrame) -> pl.DataFrame:
    """Verdicts in `opinions` with `row` (place in `faces`), `place` (of the step) and `code` (of the verdict)."""
    places = {str(step): place for place, step in enumerate(funnel_steps.reviewed())}
    codes = {verdict: code for code, verdict in enumerate(VERDICTS) if verdict}
    matched = faces.select(FACE).with_row_index("row").join(opinions, on=FACE)
    return matched.with_columns(
        place=pl.col("step").replace_strict(places, return_dtype=pl.Int64),
        code=pl.col("verdict").replace_strict(codes, return_dtype=pl.Int8),
    )


def groups_of(faces: pl.DataFrame) -> Rows:
    """Number of each face's duplicate group; -1 without a group."""
    grouped = faces.with_row_index("row").filter(pl.col("duplicate_group").is_not_null())
    numbers = np.full(faces.height, -1, np.int64)
    numbers[grouped["row"]] = grouped.select(pl.struct("identity", "duplicate_group").rank("dense") - 1).to_series()
    return numbers


def next_steps(own: VerdictCodes, settled: Settled, groups: Rows) -> tuple[NDArray[np.int8], NDArray[np.bool_]]:
    """Open step of each face for a reviewer (a place in `funnel_steps.reviewed`, or DONE), and true if it is ready.

    - A face passes a step when the panel accepted it or, if the panel has not settled, when this reviewer accepted it.
      A skipped face stays open.
    - A majority of the others does not skip this step for a reviewer, so that each step has everyone's own verdict; it
      skips the later ones. It skips this step, too, where no further vote is needed (`Settled.spared`).
    - A duplicate group is ready when all its members have reached the step or were rejected before it. A member that
      reaches it alone passes.

    own: the reviewer's verdict codes, faces × steps.
    settled: the panel's settled verdicts.
    groups: as `groups_of`.
    """
    duplicate = duplicate_place()
    given = np.where(own == SKIP, NOTHING, own)
    codes = np.where(settled.codes != NOTHING, settled.codes, given)
    passed = (codes == ACCEPT) | (codes == KEEP)
    wanted = (given == NOTHING) & ~settled.joint & ~settled.spared
    before = np.cumprod(np.hstack([np.ones((len(passed), 1), bool), passed]), axis=1).astype(bool)
    arrived = before[:, duplicate]
    pending = (wanted & before[:, :-1])[:, :duplicate].any(axis=1)
    waiting = _in_group(pending, groups) > 0
    rivals = (groups >= 0) & ((_in_group(arrived, groups) > 1) | waiting)
    passed[:, duplicate] |= ~rivals
    wanted[:, duplicate] &= rivals
    before = np.cumprod(np.hstack([np.ones((len(passed), 1), bool), passed]), axis=1).astype(bool)
    owed_at = wanted & before[:, :-1]
    step = np.where(owed_at.any(axis=1), owed_at.argmax(axis=1), DONE).astype(np.int8)
    return step, (step != duplicate) | (groups < 0) | ~waiting


def _in_group(chosen: NDArray[np.bool_], groups: Rows) -> Rows:
    """Number of chosen faces in each face's group; 0 without a group."""
    counts = np.bincount(groups + 1, weights=chosen, minlength=1).astype(np.int64)
    counts[0] = 0
    return counts[groups + 1]


def named(steps: NDArray[np.int8]) -> pl.Series:
    """Names of steps given as places in `funnel_steps.reviewed`; null for DONE."""
    names = funnel_steps.reviewed()
    found = np.where(steps == DONE, len(names), steps)
    return pl.Series("step", [*map(str, names), None], dtype=pl.String).gather(found)


def counted(steps: NDArray[np.int8]) -> dict[str, int]:
    """Number of open faces at each step, in the funnel's order; `steps` as `next_steps` returns them."""
    counts = np.bincount(steps[steps != DONE], minlength=len(funnel_steps.reviewed()))
    return {str(step): int(count) for step, count in zip(funnel_steps.reviewed(), counts, strict=True)}


def in_order(faces: pl.DataFrame, *, page_faces: int = 40, unsure_faces: int | None = None) -> pl.DataFrame:
    """Open faces in the order of the queue, with `rank` and `page` (both from 0).

    Faces are sorted by step. Within a step those to compare stand together: one person's for identity, one group's for
    duplicates. Likely accepts and likely rejects form runs.

    faces: table with `step`, `ready`, `score`, `run` (one of RUNS), and the columns that steps form pages by
        (`FunnelStep.pages_by`) if present.
    page_faces: largest size of a page of one run; a duplicate group is never cut.
    unsure_faces: largest size of a page without a prediction, so that the triage soon learns from its verdicts.
    """
    data = faces.filter(pl.col("step").is_not_null() & pl.col("ready")).with_columns(together=_together(faces.columns))
    places = {str(step): place for place, step in enumerate(funnel_steps.reviewed())}
    keys = [
        pl.col("step").replace_strict(places, return_dtype=pl.Int8),
        pl.col("together"),
        pl.col("run").replace_strict({name: index for index, name in enumerate(RUNS)}, return_dtype=pl.Int8),
        -pl.col("score"),
        *(pl.col(name) for name in FACE),
    ]
    ordered = data.sort(keys, nulls_last=True).with_row_index("rank")
    return ordered.with_columns(page=_page(page_faces, unsure_faces or page_faces))


def _together(columns: Sequence[str]) -> pl.Expr:
    """Value that the faces of a page share at their step, besides their run."""
    shared = pl.lit(None, pl.String)
    for step in funnel_steps.registered():
        if step.is_reviewed and step.pages_by in columns:
            shared = pl.when(pl.col("step") == str(step.name)).then(step.pages_by).otherwise(shared)
    return shared


def _page(page_faces: int, unsure_faces: int) -> pl.Expr:
    run = pl.struct("step", "together", "run").rle_id()
    begins = (run != run.shift()).fill_null(value=True)
    place = pl.int_range(pl.len()).over(run)
    size = pl.when(pl.col("run") == RUNS[1]).then(unsure_faces).otherwise(page_faces)
    cut = (place % size == 0) & (pl.col("step") != str(Step.DUPLICATE))
    return (begins | cut).cum_sum() - 1
