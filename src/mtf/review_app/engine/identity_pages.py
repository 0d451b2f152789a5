"""Pages of identity clusters: one person's faces judged as a whole, then strangers, doubtful faces, and second looks.

Used where the embedding distinguishes people (`mtf.faces.identity_clusters`). Everything is learnt from this reviewer's
own verdicts and the panel's settled ones; each person has a boundary of their own. Nothing is decided here.

1. The proposed cluster of each person. One key answers the first steps for all of it.
2. Crops that are probably no faces, of several people.
3. Of each person, faces that are probably theirs, then strangers, then the doubtful ones, the most doubtful last.
4. Second looks: faces whose verdict and likeness disagree, each asked once more.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mtf.faces import identity_clusters
from mtf.faces.identity_clusters import Cohort
from mtf.review_app.engine import triage
from mtf.review_app.engine.page import Page
from mtf.review_app.engine.queue import ACCEPT, DONE, NOTHING, REJECT, SKIP, Rows
from mtf.review_app.engine.review_data import ReviewData
from mtf.review_app.engine.reviewer_votes import ReviewerVotes
from mtf.schemas import Step, funnel_steps

# A page of one cluster takes one key, however long it is: two of the usual pages.
CLUSTER_FACES = 80
UNSURE_FACES = 12
# Fewer faces than this are judged one by one.
MIN_CLUSTER = 5
# A person of whom so many faces were rejected and none accepted has no cluster to propose.
MAX_REFUSED = 12
# Likeness beyond which a face is called likely or unlikely, in standard deviations of its nearest others.
SURE = 0.5
AGAIN = "asked again: verdict and likeness disagree"

Flags = NDArray[np.bool_]
Rate = Callable[[Rows, ReviewerVotes, int], pl.DataFrame]


def steps_at_once() -> tuple[str, ...]:
    """Reviewed steps that a page of a cluster asks at once: the first ones, as far as they permit it."""
    names = funnel_steps.reviewed()
    ends = next((place for place, name in enumerate(names) if not funnel_steps.named(name).is_seen_at_once), len(names))
    return names[:ends]


class IdentityPages:
    """Next page of clusters for one reviewer; `next_page` is None where the plan goes on step by step.

    rate: rates faces at a step, as `ReviewPlan` does (columns score and run).
    blocks: (faces), number of each face's block; a block is finished before the next.
    """

    def __init__(self, review_data: ReviewData, *, rate: Rate, blocks: Rows, seed: int) -> None:
        assert review_data.embeddings is not None  # noqa: S101 (the caller checks it)
        self._data = review_data
        self._embeddings = review_data.embeddings
        self._persons = review_data.persons
        self._blocks = blocks
        self._rate = rate
        self._cohort = Cohort(self._embeddings, self._persons, seed=seed)
        self._steps = steps_at_once()
        self._identity = self._steps.index(Step.IDENTITY)
        self._shots = _shots(review_data)
        self._sources = _sources(review_data.faces)
        # Person → verdicts at the last look for second questions that found none.
        self._agreeing: dict[int, tuple[int, int]] = {}

    def next_page(self, votes: ReviewerVotes, steps: NDArray[np.int8]) -> Page | None:
        """Next page; `steps` has the open step of each face, as `Plan.owed` returns it."""
        waiting = (steps != DONE) & (steps <= self._identity)
        waiting &= (votes.codes[:, : len(self._steps)] != SKIP).all(axis=1)
        judged = (votes.codes[:, : self._identity + 1] != NOTHING).any(axis=1)
        for block in np.unique(self._blocks[waiting | judged]).tolist():
            rows = np.flatnonzero(self._blocks == block)
            page = self._page_of_block(rows, votes, waiting)
            if page is not None:
                return page
        return None

    def _page_of_block(self, rows: Rows, votes: ReviewerVotes, waiting: Flags) -> Page | None:
        people = [rows[self._persons[rows] == person] for person in np.unique(self._persons[rows])]
        for own in people:
            if (page := self._cluster(own, votes, waiting)) is not None:
                return page
        if (page := self._no_faces(rows, votes, waiting)) is not None:
            return page
        for own in people:
            if (page := self._rest(own, votes, waiting) or self._second_look(own, votes, waiting)) is not None:
                return page
        return None

    def _accepted(self, rows: Rows, votes: ReviewerVotes) -> Flags:
        codes = self._codes(rows, votes)
        return (codes[:, self._identity] == ACCEPT) & ~(codes[:, : self._identity] == REJECT).any(axis=1)

    def _rejected(self, rows: Rows, votes: ReviewerVotes) -> Flags:
        return (self._codes(rows, votes)[:, : self._identity + 1] == REJECT).any(axis=1)

    def _codes(self, rows: Rows, votes: ReviewerVotes) -> NDArray[np.int8]:
        """Verdict codes up to the identity: the panel's settled ones, else this reviewer's."""
        end = self._identity + 1
        settled, own = self._data.panel_verdicts.codes[rows, :end], votes.codes[rows, :end]
        return np.where(own != NOTHING, own, settled)

    def _cluster(self, rows: Rows, votes: ReviewerVotes, waiting: Flags) -> Page | None:
        """Proposed cluster of a person of whom no face is accepted yet."""
        is_open = waiting[rows]
        if is_open.sum() < MIN_CLUSTER or self._accepted(rows, votes).any():
            return None
        if (self._codes(rows, votes)[:, self._identity] == REJECT).sum() >= MAX_REFUSED:
            return None
        at = rows[is_open]
        person = int(self._persons[rows[0]])
        proposal = identity_clusters.propose(
            self._cohort.measured(self._embeddings[at], person),
            self._cohort.others(person),
            shots=self._shots[at],
            sources=[source[at] for source in self._sources],
            persons=self._cohort.persons_of_others(person),
        )
        order = np.argsort(-proposal.likeness, kind="stable")
        chosen = order[proposal.likeness[order] > 0]
        if proposal.core is None or len(chosen) < MIN_CLUSTER:
            return None
        return self._page(at[chosen][:CLUSTER_FACES], self._steps[-1], triage.LIKELY)

    def _no_faces(self, rows: Rows, votes: ReviewerVotes, waiting: Flags) -> Page | None:
        """Crops that are probably no faces; a few of them one by one, until enough are known to learn from."""
        face = funnel_steps.place_of(Step.FACE)
        at = rows[waiting[rows] & (votes.codes[rows, face] == NOTHING)]
        if len(at) < MIN_CLUSTER:
            return None
        rated = self._rate(at, votes, face)
        runs, score = rated["run"].to_numpy(), rated["score"].to_numpy()
        order = np.argsort(score, kind="stable")
        unlikely = order[runs[order] == triage.UNLIKELY]
        if len(unlikely) >= MIN_CLUSTER:
            return self._page(at[unlikely][:CLUSTER_FACES], str(Step.FACE), triage.UNLIKELY, asks=(str(Step.FACE),))
        return None

    def _rest(self, rows: Rows, votes: ReviewerVotes, waiting: Flags) -> Page | None:
        """Faces of one person that are open: probably theirs, probably strangers, or doubtful."""
        is_open = waiting[rows]
        if not is_open.any():
            return None
        likeness = self._likeness(rows, votes)
        if likeness is None:
            return None
        at, likeness = rows[is_open], likeness[is_open]
        likely, unlikely = likeness > SURE, likeness < -SURE
        order = np.argsort(-likeness, kind="stable")
        if likely.sum() >= MIN_CLUSTER:
            return self._page(at[order[likely[order]]][:CLUSTER_FACES], self._steps[-1], triage.LIKELY)
        if unlikely.sum() >= MIN_CLUSTER:
            chosen = at[order[unlikely[order]]][:CLUSTER_FACES]
            return self._page(chosen, str(Step.IDENTITY), triage.UNLIKELY)
        by_doubt = np.argsort(-np.abs(likeness), kind="stable")
        return self._page(at[by_doubt][:UNSURE_FACES], self._steps[-1], triage.UNSURE)

    def _second_look(self, rows: Rows, votes: ReviewerVotes, waiting: Flags) -> Page | None:
        """Faces of one person on whose verdict the likeness disagrees, and that were asked about only once."""
        if waiting[rows].any():
            return None
        person = int(self._persons[rows[0]])
        end = self._identity + 1
        state = int(votes.times[rows, :end].sum()), int((votes.codes[rows, :end] * np.arange(1, end + 1)).sum())
        if self._agreeing.get(person) == state:
            return None
        own = votes.codes[rows, :end]
        is_rejected = (own == REJECT).any(axis=1)
        is_accepted = (own[:, self._identity] == ACCEPT) & ~is_rejected
        likeness = self._likeness(rows, votes)
        if likeness is not None:
            disagrees = (is_accepted & (likeness < 0)) | (is_rejected & (likeness > 0))
            disagrees &= votes.times[rows, :end].max(axis=1) == 1
            if disagrees.any():
                chosen = rows[disagrees][np.argsort(-np.abs(likeness[disagrees]), kind="stable")]
                return self._page(chosen[:UNSURE_FACES], str(Step.IDENTITY), AGAIN)
        self._agreeing[person] = state
        return None

    def _likeness(self, rows: Rows, votes: ReviewerVotes) -> NDArray[np.float64] | None:
        """Likeness of a person's faces to the accepted ones; None without any."""
        core = self._accepted(rows, votes)
        if not core.any():
            return None
        person = int(self._persons[rows[0]])
        faces, others = self._cohort.measured(self._embeddings[rows], person), self._cohort.others(person)
        persons, rejected = self._cohort.persons_of_others(person), self._rejected(rows, votes)
        return identity_clusters.core_of(faces, core, others, persons=persons, rejected=rejected)[1]

    def _page(self, rows: Rows, step: str, run: str, *, asks: tuple[str, ...] | None = None) -> Page:
        keys = tuple(self._data.key(int(row)) for row in rows)
        people = {key.identity for key in keys}
        steps = asks or self._steps[: funnel_steps.place_of(step) + 1]
        return Page(step, run, people.pop() if len(people) == 1 else None, keys, asks=steps)


def _shots(review_data: ReviewData) -> Rows:
    """Number per face, equal for repeated shots of one identity."""
    groups = review_data.groups
    return np.where(groups >= 0, groups, np.arange(len(groups)) + groups.max(initial=-1) + 1)


def _sources(faces: pl.DataFrame) -> list[Rows]:
    """Numbers (faces) of the pages and hosts that each face comes from, as far as the table has them."""
    if "page_url" not in faces.columns or "url" not in faces.columns:
        return []
    page = pl.coalesce("page_url", "url")
    host = page.str.extract(r"^[a-z]+://([^/?#]+)")
    return [
        faces.select(value.fill_null("").rank("dense")).to_series().cast(pl.Int64).to_numpy() for value in (page, host)
    ]
