"""From verdicts to pages: the queue and the triage, put together for one reviewer or for the joint session."""

from __future__ import annotations

from collections.abc import Collection

import polars as pl

from mtf.room import triage
from mtf.room.desk import NOTHING_LEFT, Page
from mtf.room.material import Key, Material
from mtf.room.queue import FACE, STEPS, funnel, in_order, owed
from mtf.tables import Step

PAGE_FACES = 40
UNSURE_FACES = 12


class ReviewPlan:
    """Everything this reviewer still owes. `triaged` off leaves the faces in the order of the table."""

    def __init__(
        self, material: Material, *, page_faces: int = PAGE_FACES, seed: int = 0, triaged: bool = True
    ) -> None:
        self._material = material
        self._page_faces = page_faces
        self._seed = seed
        self._rate = self._rated if triaged else _unrated

    def next_page(self, opinions: pl.DataFrame) -> tuple[Page, dict[str, int]]:
        """The page to be judged next, and how many faces are open at each step."""
        faces = owed(self._material.faces, opinions, self._material.settled)
        waiting = faces.filter(pl.col("ready"))["step"].drop_nulls().unique()
        step = next((step for step in STEPS if str(step) in waiting), None)
        if step is None:
            return NOTHING_LEFT, {}
        return _first_page(self._rate(faces, opinions, step), opinions, step, self._page_faces), funnel(faces)

    def queue(self, opinions: pl.DataFrame) -> pl.DataFrame:
        """All faces, with step, ready, score, run, rank and page; the last two are null for faces that are not owed."""
        faces = owed(self._material.faces, opinions, self._material.settled)
        rated = [self._rate(faces, opinions, step) for step in STEPS]
        none = {"score": pl.Float64, "run": pl.String}
        done = faces.filter(pl.col("step").is_null()).with_columns(pl.lit(None, t).alias(n) for n, t in none.items())
        every = pl.concat([*rated, done.select(rated[0].columns)])
        ranked = in_order(every, opinions, page_faces=self._page_faces).select(*FACE, "rank", "page")
        return every.join(ranked, on=FACE, how="left").sort(FACE)

    def owed_of(self, identities: Collection[str], opinions: pl.DataFrame) -> pl.DataFrame:
        """The faces of some people with `step` and `ready`, by `opinions`, which need to be of those people only."""
        about = pl.col("identity").is_in(list(identities))
        return owed(self._material.faces.filter(about), opinions, self._material.settled.filter(about))

    def _rated(self, faces: pl.DataFrame, opinions: pl.DataFrame, step: Step) -> pl.DataFrame:
        """The faces owed at `step`, rated by this reviewer's verdicts at it; a group's proposed keeper comes first."""
        if step is Step.DUPLICATE:
            return _unrated(faces, opinions, step).with_columns(score=pl.col("proposed_keeper").cast(pl.Float64))
        said = opinions.filter(pl.col("step") == str(step), pl.col("verdict") != "skip")
        verdicts = said.select(*FACE, accepted=pl.col("verdict") != "reject")
        at_step = (pl.col("step") == str(step)).fill_null(value=False)
        numbered = faces.with_row_index("row").join(verdicts, on=FACE, how="left", maintain_order="left")
        concerned = numbered.filter(at_step | pl.col("accepted").is_not_null())
        chosen = concerned["row"].to_numpy()
        embeddings, outlines = (
            None if every is None else every[chosen] for every in (self._material.embeddings, self._material.outlines)
        )
        rated = triage.rate(
            concerned.drop("row", "accepted"),
            verdicts,
            step=step,
            embeddings=embeddings,
            outlines=outlines,
            seed=self._seed,
        )
        return rated.filter(at_step)


class JointPlan:
    """What the panel is split on, and nothing else (MTF, section 3.3)."""

    def __init__(self, material: Material, *, page_faces: int = PAGE_FACES) -> None:
        self._material = material
        self._page_faces = page_faces

    def next_page(self, opinions: pl.DataFrame) -> tuple[Page, dict[str, int]]:
        """As `ReviewPlan.next_page`."""
        faces = self.owed_of(self._material.faces["identity"].unique(), opinions)
        step = next((step for step in STEPS if str(step) in faces["step"]), None)
        if step is None:
            return NOTHING_LEFT, {}
        return _first_page(_unrated(faces, opinions, step), opinions, step, self._page_faces), funnel(faces)

    def queue(self, opinions: pl.DataFrame) -> pl.DataFrame:
        """As `ReviewPlan.queue`, for the first step that the panel is split on."""
        faces = self.owed_of(self._material.faces["identity"].unique(), opinions)
        every = faces.with_columns(score=pl.lit(0.5), run=pl.lit(triage.UNSURE))
        ranked = in_order(every, opinions, page_faces=self._page_faces).select(*FACE, "rank", "page")
        return every.join(ranked, on=FACE, how="left").sort(FACE)

    def owed_of(self, identities: Collection[str], opinions: pl.DataFrame) -> pl.DataFrame:
        order = {str(step): place for place, step in enumerate(STEPS)}
        first = self._open(opinions).sort(pl.col("step").replace_strict(order)).unique(FACE, keep="first")
        faces = self._material.faces.filter(pl.col("identity").is_in(list(identities)))
        return faces.join(first.select(*FACE, "step"), on=FACE, how="left").with_columns(ready=pl.lit(value=True))

    def _open(self, opinions: pl.DataFrame) -> pl.DataFrame:
        decided = opinions.filter(pl.col("verdict") != "skip")
        return self._material.conflicts.join(decided, on=[*FACE, "step"], how="anti")


def _unrated(faces: pl.DataFrame, _: pl.DataFrame, step: Step) -> pl.DataFrame:
    at_step = faces.filter(pl.col("step") == str(step))
    return at_step.with_columns(score=pl.lit(0.5), run=pl.lit(triage.UNSURE))


def _first_page(faces: pl.DataFrame, opinions: pl.DataFrame, step: Step, page_faces: int) -> Page:
    queue = in_order(faces, opinions, page_faces=page_faces, unsure_faces=min(UNSURE_FACES, page_faces))
    if queue.is_empty():
        return NOTHING_LEFT
    page = queue.filter(pl.col("page") == 0)
    first = page.row(0, named=True)
    keys = tuple(Key(*names) for names in page.select(FACE).iter_rows())
    return Page(step, first["run"], first["together"], keys)
