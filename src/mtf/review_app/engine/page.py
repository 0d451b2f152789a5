"""The page of faces in front of a reviewer, and the plan that it comes from."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mtf.review_app.engine.queue import DONE, Rows
from mtf.review_app.engine.review_data import Key, ReviewData
from mtf.review_app.engine.reviewer_votes import ReviewerVotes
from mtf.schemas import Step, funnel_steps


@dataclass(frozen=True)
class Page:
    """Faces to be judged together at a step. `run` is what the triage expects of them, `together` what they share.

    `label` is the column that a joint session has to settle for these faces; None where the question is the step's.
    """

    step: str | None
    run: str
    together: str | None
    faces: tuple[Key, ...]
    label: str | None = None


NOTHING_LEFT = Page(None, "", None, ())


class Plan(Protocol):
    """Where the next page comes from, and what a face is owed: `mtf.review_app.engine.plan`."""

    def next_page(self, said: ReviewerVotes) -> tuple[Page, dict[str, int]]:
        """The page to be judged next, and how many faces are open at each step."""
        ...

    def counted(self, said: ReviewerVotes) -> dict[str, int]:
        """Step → how many faces are open at it."""
        ...

    def owed(self, said: ReviewerVotes, rows: Rows | None = None) -> tuple[NDArray[np.int8], NDArray[np.bool_]]:
        """Per face the step it is owed (a place in `funnel_steps.reviewed`, or DONE), and whether it is ready.

        `rows` are all faces of some identities; by default all faces.
        """
        ...

    def split_label(self, said: ReviewerVotes, row: int) -> str | None:
        """The label of a face that a joint session has still to settle, where no verdict is left to be given."""
        ...


class CurrentPage:
    """The page in front of a reviewer, and how it goes on with what they say. Not safe between threads: a desk is.

    `said` is theirs, and changes meanwhile; whoever adds to it takes the faces away, whoever takes back puts them back.
    """

    def __init__(self, plan: Plan, material: ReviewData, said: ReviewerVotes) -> None:
        self.material = material
        self._plan = plan
        self._said = said
        self._page = NOTHING_LEFT
        self._open: dict[str, int] = {}

    @property
    def label(self) -> str | None:
        """The column that the page asks for; None where the question is a step's."""
        return self._page.label

    def page(self) -> Page:
        """The rest of the page, or the next one."""
        if not self._page.faces:
            self._page, self._open = self._plan.next_page(self._said)
        return self._page

    def turn(self) -> Page:
        """Make the page anew from all verdicts so far."""
        self._page = NOTHING_LEFT
        return self.page()

    def renew(self, plan: Plan, material: ReviewData) -> None:
        """Go on with what others said meanwhile; the faces are the same, and the page stays as it is."""
        self._plan, self.material = plan, material
        self._recount()

    def open_faces(self, step: str) -> int:
        """Number of faces still owed at a step; those that verdicts of the page send on are counted page by page."""
        return max(self._open.get(str(step), 0), 0)

    def owed(self) -> tuple[NDArray[np.int8], NDArray[np.bool_]]:
        """For all faces, as `Plan.owed`."""
        return self._plan.owed(self._said)

    def owed_step(self, face: Key) -> tuple[str | None, bool]:
        """The step that a face is owed, and whether it can be judged already."""
        rows = self.material.rows_of(face.identity)
        steps, ready = self._plan.owed(self._said, rows)
        place = int(np.flatnonzero(rows == self.material.row(face))[0])
        return (funnel_steps.reviewed()[steps[place]] if steps[place] != DONE else None), bool(ready[place])

    def open_step(self, face: Key) -> str | None:
        """The step at which a face waits for a verdict: its page's, or the one it is owed; None where at none."""
        if self._page.step is not None and face in self._page.faces:
            return self._page.step
        owed, ready = self.owed_step(face)
        return owed if ready else None

    def split_label(self, face: Key) -> str | None:
        """As `Plan.split_label`."""
        return self._plan.split_label(self._said, self.material.row(face))

    def asked(self, face: Key) -> tuple[str | None, str | None]:
        """The step that a face is owed by now, and the label, where that is the question; None where it waits."""
        step, ready = self.owed_step(face)
        if step is None or not ready:
            return None, None
        return step, self.split_label(face) if step == Step.TASK_FIT else None

    def take_away(self, done: Collection[Key], *, is_owed: bool = False) -> None:
        """Faces were decided: they leave the page, and so do those that nothing is asked of any more.

        They still are owed (`is_owed`) where they were only left for later.
        """
        before = self._page.faces
        left = self._still_owed(tuple(face for face in before if face not in done))
        self._page = replace(self._page, faces=left)
        if not set(before).issuperset(done):
            self._recount()
        elif not is_owed:
            self._count_open(len(left) - len(before))

    def put_back(self, faces: Sequence[Key]) -> None:
        """Show undone faces again, as far as they are owed at one step: the page's, or else the first face's.

        What else was undone comes again by itself.
        """
        self._recount()
        at = {face: self.asked(face) for face in dict.fromkeys(faces)}
        now = (self._page.step, self._page.label) if self._page.faces else (None, None)
        if now not in at.values():
            now = next((asked for asked in at.values() if asked[0] is not None), (None, None))
        back = tuple(face for face, asked in at.items() if asked == now)
        if now[0] is None or set(back) <= set(self._page.faces):
            return
        if now == (self._page.step, self._page.label):
            rest = tuple(face for face in self._page.faces if face not in back)
            self._page = replace(self._page, faces=(*back, *rest))
        else:
            self._page = Page(now[0], "undone", None, back, now[1])

    def _still_owed(self, faces: tuple[Key, ...]) -> tuple[Key, ...]:
        """A verdict on one of a group of duplicates can leave another without rivals: nothing is asked of it then."""
        if self._page.step != Step.DUPLICATE:
            return faces
        return tuple(face for face in faces if self.owed_step(face)[0] == Step.DUPLICATE)

    def _count_open(self, more: int) -> None:
        if self._page.step is not None:
            self._open[str(self._page.step)] = self._open.get(str(self._page.step), 0) + more

    def _recount(self) -> None:
        self._open = self._plan.counted(self._said)
