"""What a reviewer still has to look at: the funnel's steps, one face at a time through them (MTF, section 3.2).

A reviewer's queue follows from the tables, this reviewer's own verdicts and what the panel has settled. Verdicts
of others that have not settled anything play no part, and none of them is ever shown.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from mtf.tables import REVIEW_REASONS, Step

STEPS: tuple[Step, ...] = tuple(REVIEW_REASONS)
FACE = ["identity", "face_id"]
# Likely accepts first: they are what the work is for, and what the rest of the triage learns from.
RUNS = ("likely accept", "unsure", "likely reject")

# A reviewer's verdicts, and those the panel has settled: one row per face and step.
OPINIONS = {"identity": pl.String, "face_id": pl.String, "step": pl.String, "verdict": pl.String, "reason": pl.String}
SETTLED = {**OPINIONS, "joint": pl.Boolean}


def owed(faces: pl.DataFrame, opinions: pl.DataFrame, settled: pl.DataFrame) -> pl.DataFrame:
    """`faces` with `step`, what this reviewer has to judge next of each face (null where nothing), and `ready`.

    `faces` has identity, face_id and `duplicate_group` (null: none). `opinions` are this reviewer's verdicts
    (OPINIONS; a skip leaves the face owed), `settled` the panel's (SETTLED). A face goes on to the next step when
    the panel accepted it, or, where the panel has not settled, when this reviewer did. Two others who agree spare
    nobody the step they agree on, so that each step has every reviewer's own verdict; they spare the steps after.
    A group of duplicates is `ready` when all its members have come to that step or been rejected before it; a
    member that comes alone has no rivals, and goes on.
    """
    wide = _beside(_beside(faces, opinions, "own"), settled, "panel")
    jointly = _beside(faces, settled.filter(pl.col("joint")), "joint")
    data = wide.with_columns(jointly.select(f"joint_{step}" for step in STEPS))
    early = STEPS[: STEPS.index(Step.DUPLICATE)]
    data = data.with_columns(
        arrived=pl.all_horizontal(_passed(step) for step in early),
        pending=pl.any_horizontal(_owed_at(index) for index in range(len(early))),
    )
    group = ["identity", "duplicate_group"]
    data = data.with_columns(
        rivals=pl.col("duplicate_group").is_not_null()
        & ((pl.col("arrived").sum().over(group) > 1) | pl.col("pending").any().over(group)),
        ready=pl.col("duplicate_group").is_null() | ~pl.col("pending").any().over(group),
    )
    names = pl.coalesce(pl.when(_owed_at(index)).then(pl.lit(str(step))) for index, step in enumerate(STEPS))
    data = data.with_columns(step=names)
    data = data.with_columns(ready=pl.col("ready") | (pl.col("step") != str(Step.DUPLICATE)))
    return data.select(*faces.columns, "step", "ready")


def _owed_at(index: int) -> pl.Expr:
    """Whether a step is the reviewer's next: all before it passed, and no verdict of one's own on it."""
    step = STEPS[index]
    before = [_passed(earlier) for earlier in STEPS[:index]]
    wanted = [pl.col(f"own_{step}").is_null() & pl.col(f"joint_{step}").is_null(), *before]
    if step is Step.DUPLICATE:
        wanted.append(pl.col("rivals"))
    return pl.all_horizontal(wanted)


def _passed(step: Step) -> pl.Expr:
    passed = pl.coalesce(f"panel_{step}", f"own_{step}").is_in(["accept", "keep"]).fill_null(value=False)
    return passed | ~pl.col("rivals") if step is Step.DUPLICATE else passed


def _beside(faces: pl.DataFrame, verdicts: pl.DataFrame, prefix: str) -> pl.DataFrame:
    """One more column per step, `PREFIX_STEP`: the verdict on the face at that step; a skip is none."""
    kept = verdicts.filter(pl.col("verdict").is_in(["accept", "reject", "keep"]))
    for step in STEPS:
        column = kept.filter(pl.col("step") == str(step)).select(*FACE, pl.col("verdict").alias(f"{prefix}_{step}"))
        faces = faces.join(column, on=FACE, how="left", maintain_order="left", validate="m:1")
    return faces


def funnel(faces: pl.DataFrame) -> dict[str, int]:
    """How many faces are owed at each step, in the funnel's order; `faces` as `owed` gives them."""
    counts = dict(faces["step"].drop_nulls().value_counts().iter_rows())
    return {str(step): counts.get(str(step), 0) for step in STEPS}


def in_order(
    faces: pl.DataFrame, opinions: pl.DataFrame, *, page_faces: int = 40, unsure_faces: int | None = None
) -> pl.DataFrame:
    """The owed faces in the order of the queue, with `rank` (from 0) and `page` (from 0).

    `faces` has `step`, `score` and `run` (RUNS), and may have label columns. Steps come in the funnel's
    order; within one, faces that are judged alike stand together: one person's when the question is who it is, one
    group's when it is which to keep, and likely accepts and likely rejects in runs. A page is at most `page_faces`
    of one run, so that a page can be answered at once (a group of duplicates is never cut); `unsure_faces` at
    most where nothing is likely, so that the triage soon learns from the answers. Skipped faces come after all
    others of their step.
    """
    skipped = opinions.filter(pl.col("verdict") == "skip").select(*FACE, "step", skipped=pl.lit(value=True))
    data = faces.filter(pl.col("step").is_not_null() & pl.col("ready")).join(
        skipped.unique(), on=[*FACE, "step"], how="left"
    )
    data = data.with_columns(pl.col("skipped").fill_null(value=False), together=_together(data.columns))
    keys = [
        pl.col("step").replace_strict({str(step): index for index, step in enumerate(STEPS)}, return_dtype=pl.Int8),
        pl.col("skipped"),
        pl.col("together"),
        pl.col("run").replace_strict({name: index for index, name in enumerate(RUNS)}, return_dtype=pl.Int8),
        -pl.col("score"),
        *(pl.col(name) for name in FACE),
    ]
    ordered = data.sort(keys, nulls_last=True).with_row_index("rank")
    return ordered.with_columns(page=_page(page_faces, unsure_faces or page_faces))


def _together(columns: Sequence[str]) -> pl.Expr:
    """What the faces of a page have in common at a step, beside their run."""
    age = pl.col("age") if "age" in columns else pl.lit(None, pl.String)
    return (
        pl.when(pl.col("step") == str(Step.IDENTITY))
        .then("identity")
        .when(pl.col("step") == str(Step.DUPLICATE))
        .then("duplicate_group")
        .when(pl.col("step") == str(Step.TASK_FIT))
        .then(age)
    )


def _page(page_faces: int, unsure_faces: int) -> pl.Expr:
    run = pl.struct("step", "skipped", "together", "run").rle_id()
    begins = (run != run.shift()).fill_null(value=True)
    place = pl.int_range(pl.len()).over(run)
    size = pl.when(pl.col("run") == RUNS[1]).then(unsure_faces).otherwise(page_faces)
    cut = (place % size == 0) & (pl.col("step") != str(Step.DUPLICATE))
    return (begins | cut).cum_sum() - 1
