"""Queue of a reviewer: the funnel's reviewed steps, one face at a time through them (MTF, section 3.2).

A reviewer's queue follows from the tables, this reviewer's own verdicts and the panel's settled verdicts.
Others' verdicts that have not settled anything play no part, and none of them is ever shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mtf.schemas import FACE, Step, funnel_steps

# Likely accepts first: they are what the work is for, and what the rest of the triage learns from.
RUNS = ("likely accept", "unsure", "likely reject")

# A reviewer's verdicts, and those the panel has settled: one row per face and step.
OPINIONS = {"identity": pl.String, "face_id": pl.String, "step": pl.String, "verdict": pl.String, "reason": pl.String}
SETTLED = {**OPINIONS, "joint": pl.Boolean}

# In arrays of faces × steps a verdict is its place in this list; 0 is nothing said.
VERDICTS = (None, "accept", "keep", "reject", "skip")
NOTHING, ACCEPT, KEEP, REJECT, SKIP = range(len(VERDICTS))
DONE = -1

Words = NDArray[np.int8]
Rows = NDArray[np.int64]


def duplicate_place() -> int:
    """The place among the reviewed steps of the one at which the faces of a group are compared."""
    return funnel_steps.place_of(Step.DUPLICATE)


class Settled(NamedTuple):
    """The panel's settled verdicts (faces × steps, as in VERDICTS), and which of them jointly."""

    words: Words
    joint: NDArray[np.bool_]


def words_of(faces: pl.DataFrame, opinions: pl.DataFrame) -> Words:
    """The verdicts of `opinions` on `faces`, as an array (faces × steps); of other faces they are left out."""
    words = np.zeros((faces.height, len(funnel_steps.reviewed())), np.int8)
    given = numbered(faces, opinions)
    words[given["row"], given["place"]] = given["word"]
    return words


def settled_of(faces: pl.DataFrame, settled: pl.DataFrame) -> Settled:
    joint = np.zeros((faces.height, len(funnel_steps.reviewed())), bool)
    given = numbered(faces, settled).filter("joint")
    joint[given["row"], given["place"]] = True
    return Settled(words_of(faces, settled), joint)


def numbered(faces: pl.DataFrame, opinions: pl.DataFrame) -> pl.DataFrame:
    """`opinions` on `faces` with `row`, the face's place in `faces`, `place`, the step's, and `word`, the verdict's."""
    places = {str(step): place for place, step in enumerate(funnel_steps.reviewed())}
    words = {verdict: word for word, verdict in enumerate(VERDICTS) if verdict}
    met = faces.select(FACE).with_row_index("row").join(opinions, on=FACE)
    return met.with_columns(
        place=pl.col("step").replace_strict(places, return_dtype=pl.Int64),
        word=pl.col("verdict").replace_strict(words, return_dtype=pl.Int8),
    )


def groups_of(faces: pl.DataFrame) -> Rows:
    """The number of each face's group of duplicates; -1 where it is in none."""
    grouped = faces.with_row_index("row").filter(pl.col("duplicate_group").is_not_null())
    numbers = np.full(faces.height, -1, np.int64)
    numbers[grouped["row"]] = grouped.select(pl.struct("identity", "duplicate_group").rank("dense") - 1).to_series()
    return numbers


def next_steps(own: Words, settled: Settled, groups: Rows) -> tuple[NDArray[np.int8], NDArray[np.bool_]]:
    """Per face the step that this reviewer owes it (a place in `funnel_steps.reviewed`, or DONE), and what is ready.

    A face goes on to the next step when the panel accepted it, or, where the panel has not settled, when this
    reviewer did; a skip leaves it owed. A majority of the others does not skip a step for a reviewer, so that each step
    has every reviewer's own verdict; it skips the later ones. A group of duplicates is ready when all its members have
    come to that step or been rejected before it; a member that comes alone has no rivals, and goes on.
    """
    duplicate = duplicate_place()
    given = np.where(own == SKIP, NOTHING, own)
    words = np.where(settled.words != NOTHING, settled.words, given)
    passed = (words == ACCEPT) | (words == KEEP)
    wanted = (given == NOTHING) & ~settled.joint
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
    """For each face, how many of its group are chosen; 0 where it is in none."""
    counts = np.bincount(groups + 1, weights=chosen, minlength=1).astype(np.int64)
    counts[0] = 0
    return counts[groups + 1]


def named(steps: NDArray[np.int8]) -> pl.Series:
    """The names of steps (places in `funnel_steps.reviewed`); null for DONE."""
    names = funnel_steps.reviewed()
    found = np.where(steps == DONE, len(names), steps)
    return pl.Series("step", [*map(str, names), None], dtype=pl.String).gather(found)


def counted(steps: NDArray[np.int8]) -> dict[str, int]:
    """Number of faces owed at each step, in the funnel's order; `steps` as `next_steps` gives them."""
    counts = np.bincount(steps[steps != DONE], minlength=len(funnel_steps.reviewed()))
    return {str(step): int(count) for step, count in zip(funnel_steps.reviewed(), counts, strict=True)}


def in_order(faces: pl.DataFrame, *, page_faces: int = 40, unsure_faces: int | None = None) -> pl.DataFrame:
    """The owed faces in the order of the queue, with `rank` (from 0) and `page` (from 0).

    `faces` has `step`, `score` and `run` (RUNS), and may have the columns that steps make pages by
    (`FunnelStep.pages_by`). Steps come in the funnel's order; within one, faces that are judged alike stand together:
    one person's when the question is who it is, one group's when it is which to keep, and likely accepts and likely
    rejects in runs. A page is at most `page_faces` of one run, so that a page can be answered at once (a group of
    duplicates is never cut); `unsure_faces` at most where nothing is likely, so that the triage soon learns from the
    answers.
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
    """The value that the faces of a page have in common at their step, beside their run."""
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
