"""Plans of the review: queue and triage combined into pages, for one reviewer or for the joint session."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mtf.review_app.engine import triage
from mtf.review_app.engine.face_key import Key
from mtf.review_app.engine.identity_pages import IdentityPages, steps_at_once
from mtf.review_app.engine.page import NOTHING_LEFT, Page
from mtf.review_app.engine.queue import (
    DONE,
    FACE,
    NOTHING,
    REJECT,
    SKIP,
    Rows,
    counted,
    duplicate_place,
    in_order,
    named,
    next_steps,
)
from mtf.review_app.engine.review_data import ReviewData
from mtf.review_app.engine.reviewer_votes import ReviewerVotes
from mtf.schemas import Step, funnel_steps
from mtf.schemas.funnel_steps import AGE_GROUP

PAGE_FACES = 40
UNSURE_FACES = 12
# Faces are rated in blocks, so that the next page takes no longer with 100,000 faces than with 1,000.
BLOCK_FACES = 4096
LEARNT_FACES = 3000

Steps = NDArray[np.int8]
Flags = NDArray[np.bool_]


class ReviewPlan:
    """Plan of one reviewer: pages of all faces that they have yet to judge.

    With `triaged` false the faces stay in the order of the table.
    """

    def __init__(
        self, review_data: ReviewData, *, page_faces: int = PAGE_FACES, seed: int = 0, triaged: bool = True
    ) -> None:
        self._review_data = review_data
        self._page_faces = page_faces
        self._seed = seed
        self._rate = self._rated if triaged else self._unrated
        faces = review_data.faces
        self._faces = faces.select(
            *_columns(review_data, *triage.measures(), *review_data.labels),
            score=pl.col("proposed_keeper").cast(pl.Float64),
        )
        self._persons = review_data.persons
        first = np.searchsorted(np.sort(self._persons), self._persons)
        self._blocks = first // BLOCK_FACES
        self._page_columns = [self._page_column(step) for step in funnel_steps.reviewed()]
        self._numbers = {column: self._numbered(column) for column in self._page_columns if column}
        is_by_identity = triaged and review_data.distinguishes_people and Step.IDENTITY in steps_at_once()
        self._identity_pages = (
            IdentityPages(review_data, rate=self._rated, blocks=self._blocks, seed=seed) if is_by_identity else None
        )
        self._shuffled = np.random.default_rng(seed).permutation(self._persons.max(initial=-1) + 1)

    def _page_column(self, step: str) -> str | None:
        """Column by which a step forms its pages, if the faces have it."""
        column = funnel_steps.named(step).pages_by
        return column if column in self._faces.columns else None

    def _numbered(self, column: str) -> Rows:
        """Number per face, equal where faces may share a page by `column`: a whole identity, else within a block of
        faces.
        """
        if column == "identity":
            return self._persons
        values = self._faces[column].rank("dense").fill_null(0).cast(pl.Int64).to_numpy()
        return values * (len(self._blocks) + 1) + self._blocks

    def owed(self, votes: ReviewerVotes, rows: Rows | None = None) -> tuple[Steps, Flags]:
        settled, groups = self._review_data.panel_verdicts, self._review_data.groups
        if rows is None:
            return next_steps(votes.codes, settled, groups)
        return next_steps(votes.codes[rows], settled.of(rows), _renumbered(groups[rows]))

    def counted(self, votes: ReviewerVotes) -> dict[str, int]:
        return counted(self.owed(votes)[0])

    def split_label(self, votes: ReviewerVotes, row: int) -> str | None:  # noqa: ARG002 (Plan's signature)
        """None: only the joint session settles labels."""
        return None

    def next_page(self, votes: ReviewerVotes) -> tuple[Page, dict[str, int]]:
        steps, ready = self.owed(votes)
        if self._identity_pages and (page := self._identity_pages.next_page(votes, steps)) is not None:
            return page, counted(steps)
        waiting = np.where(ready, steps, DONE)
        place = min(waiting[waiting != DONE], default=None)
        if place is None:
            return NOTHING_LEFT, counted(steps)
        rows = np.flatnonzero(waiting == place)
        fresh = rows[votes.codes[rows, place] != SKIP]
        chosen = self._together(fresh if len(fresh) else rows, place)
        step = funnel_steps.reviewed()[place]
        rated = self._rate(chosen, votes, place).with_columns(step=pl.lit(str(step)), ready=pl.lit(value=True))
        return _first_page(rated, step, self._page_faces), counted(steps)

    def _together(self, rows: Rows, place: int) -> Rows:
        """Faces waiting at a step that may share the next page, and are rated together."""
        if place == duplicate_place():
            page_number = self._review_data.groups
        elif column := self._page_columns[place]:
            page_number = self._numbers[column]
        else:
            page_number = self._blocks
        return rows[page_number[rows] == page_number[rows].min()]

    def _rated(self, rows: Rows, votes: ReviewerVotes, place: int) -> pl.DataFrame:
        """Faces rated from this reviewer's verdicts at the step; at the duplicate step the proposed keeper
        comes first.
        """
        if place == duplicate_place():
            return self._faces[rows].with_columns(run=pl.lit(triage.UNSURE))
        learnt = self._learnt(rows, votes, place)
        both = np.concatenate([rows, learnt])
        accepted = np.concatenate([np.full(len(rows), np.nan), votes.codes[learnt, place] != REJECT])
        likeness, components = self._review_data.likeness, self._review_data.components
        rated = triage.rate(
            self._faces[both].drop("score"),
            accepted,
            step=funnel_steps.reviewed()[place],
            neighbours=None if likeness is None else likeness.neighbours(both, accepted),
            components=None if components is None else components[both],
            seed=self._seed,
        )
        return rated.head(len(rows))

    def _learnt(self, rows: Rows, votes: ReviewerVotes, place: int) -> Rows:
        """Judged faces to train on: those of the same people first, then of others, always whole people, about
        LEARNT_FACES.
        """
        codes = votes.codes[:, place]
        judged = np.flatnonzero((codes != NOTHING) & (codes != SKIP))
        counts = np.bincount(self._persons[judged], minlength=len(self._shuffled))
        order = self._shuffled + len(counts) * ~np.isin(np.arange(len(counts)), self._persons[rows])
        by_order = np.argsort(order, kind="stable")
        enough = np.zeros(len(counts), bool)
        enough[by_order] = np.cumsum(counts[by_order]) - counts[by_order] < LEARNT_FACES
        return judged[enough[self._persons[judged]]]

    def _unrated(self, rows: Rows, votes: ReviewerVotes, place: int) -> pl.DataFrame:  # noqa: ARG002 (as _rated)
        score = pl.col("score") if place == duplicate_place() else pl.lit(0.5)
        return self._faces[rows].with_columns(score=score, run=pl.lit(triage.UNSURE))


class JointPlan:
    """Plan of the joint session: pages of all that the panel is split on (MTF, section 3.3), verdicts before labels."""

    def __init__(self, review_data: ReviewData, *, page_faces: int = PAGE_FACES) -> None:
        self._review_data = review_data
        self._page_faces = page_faces
        faces = review_data.faces
        unrated = {"score": pl.lit(0.5), "run": pl.lit(triage.UNSURE)}
        self._faces = faces.select(*_columns(review_data, *review_data.labels), **unrated)
        self._split = np.zeros((faces.height, len(funnel_steps.reviewed())), bool)
        self._labels: dict[int, list[str]] = {}
        split = review_data.conflicts.sort(*FACE, "step", "column")
        for identity, face_id, step, column in split.select(*FACE, "step", "column").iter_rows():
            row = review_data.row(Key(identity, face_id))
            if column is None:
                self._split[row, funnel_steps.place_of(step)] = True
            else:
                self._labels.setdefault(row, []).append(column)

    def owed(self, votes: ReviewerVotes, rows: Rows | None = None) -> tuple[Steps, Flags]:
        at = np.arange(len(self._split)) if rows is None else rows
        codes = votes.codes[at]
        open_ = self._split[at] & ((codes == NOTHING) | (codes == SKIP))
        # Faces rejected jointly or by the panel need no further verdict.
        settled = np.where((codes == NOTHING) | (codes == SKIP), self._review_data.panel_verdicts.codes[at], codes)
        rejected = np.cumsum(settled == REJECT, axis=1) - (settled == REJECT) > 0
        open_ &= ~rejected
        label = funnel_steps.place_of(Step.TASK_FIT)
        label_rows = [
            place for place, row in enumerate(at) if int(row) in self._labels and self.split_label(votes, int(row))
        ]
        open_[label_rows, label] |= ~(settled == REJECT)[label_rows].any(axis=1)
        step = np.where(open_.any(axis=1), open_.argmax(axis=1), DONE).astype(np.int8)
        return step, np.ones(len(step), bool)

    def counted(self, votes: ReviewerVotes) -> dict[str, int]:
        return counted(self.owed(votes)[0])

    def split_label(self, votes: ReviewerVotes, row: int) -> str | None:
        """First label of a face that is yet to be settled; None while its verdict at the step is not settled."""
        fit = funnel_steps.place_of(Step.TASK_FIT)
        if self._split[row, fit] and votes.codes[row, fit] in (NOTHING, SKIP):
            return None
        return next((column for column in self._labels.get(row, ()) if votes.label(row, column) is None), None)

    def next_page(self, votes: ReviewerVotes) -> tuple[Page, dict[str, int]]:
        steps, _ = self.owed(votes)
        place = min(steps[steps != DONE], default=None)
        if place is None:
            return NOTHING_LEFT, counted(steps)
        rows = np.flatnonzero(steps == place)
        fresh = rows[votes.codes[rows, place] != SKIP]
        rows = fresh if len(fresh) else rows
        labels = [self.split_label(votes, int(row)) for row in rows]
        label = min(labels, key=lambda column: (column is not None, column or ""))
        chosen = rows[[column == label for column in labels]]
        step = funnel_steps.reviewed()[place]
        data = self._faces[chosen].with_columns(step=pl.lit(str(step)), ready=pl.lit(value=True))
        return _first_page(data, step, self._page_faces, label=label), counted(steps)


def _columns(review_data: ReviewData, *names: str) -> list[pl.Expr]:
    """Expressions for the faces' keys and groups, `names`, and the columns that steps form pages by, if they exist."""
    by_pages = [funnel_steps.named(step).pages_by for step in funnel_steps.reviewed()]
    wanted = dict.fromkeys([*FACE, "duplicate_group", *names, *(name for name in by_pages if name)])
    found = [pl.col(name) for name in wanted if name in review_data.faces.columns]
    return [*found, *([pl.col(review_data.age_column).alias(AGE_GROUP)] if review_data.age_column else [])]


def _renumbered(groups: Rows) -> Rows:
    """Groups renumbered from 0 without gaps."""
    return np.unique(np.append(groups, -1), return_inverse=True)[1][:-1] - 1


def _first_page(faces: pl.DataFrame, step: str, page_faces: int, *, label: str | None = None) -> Page:
    queue = in_order(faces, page_faces=page_faces, unsure_faces=min(UNSURE_FACES, page_faces))
    page = queue.filter(pl.col("page") == 0)
    first = page.row(0, named=True)
    keys = tuple(Key(*names) for names in page.select(FACE).iter_rows())
    return Page(step, f"split on {label}" if label else first["run"], first["together"], keys, label)


def queue_columns(steps: Steps, ready: Flags) -> pl.DataFrame:
    """Columns `step` and `ready` as the FiftyOne samples store them."""
    return pl.DataFrame({"step": named(steps), "ready": ready})
