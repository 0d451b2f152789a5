"""Page of faces in front of a reviewer, and the protocol of the plan that pages come from."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mtf.review_app.engine.face_key import Key
from mtf.review_app.engine.queue import DONE, REJECT, Rows
from mtf.review_app.engine.review_data import ReviewData
from mtf.review_app.engine.reviewer_votes import ReviewerVotes
from mtf.schemas import Step, funnel_steps

# Run of a page that shows all accepted faces of a person (`mtf.review_app.engine.last_look`).
LAST_LOOK = "last look"
# Run of a page with one question of the certificate (`mtf.review_app.engine.certify_plan`).
CERTIFICATE = "a sample for the certificate"
UNDONE = "undone"


@dataclass(frozen=True)
class Page:
    """Page of faces that are judged together at one step.

    step: the step; None if nothing is left.
    run: the triage's prediction for these faces, or the reason for a joint page.
    together: the value that the faces share, such as an identity.
    faces: the faces, in order.
    label: the column that a joint session has to settle; None if the page asks for a verdict.
    asks: the steps that the page asks at once, `step` the last of them; empty if it asks for `step` alone.
    """

    step: str | None
    run: str
    together: str | None
    faces: tuple[Key, ...]
    label: str | None = None
    asks: tuple[str, ...] = ()

    def question_about(self, identity: str) -> str:
        """Questions of all steps that the page asks, about a face of the person called `identity`."""
        if self.run == LAST_LOOK:
            return f"Which of these faces of {identity} are the same shot?"
        steps = self.asks or ((self.step,) if self.step else ())
        return " ".join(funnel_steps.named(step).question_about(identity) for step in steps)


NOTHING_LEFT = Page(None, "", None, ())


class Plan(Protocol):
    """Plan of a session: the source of pages, and the steps that faces are open at (`mtf.review_app.engine.plan`)."""

    def next_page(self, votes: ReviewerVotes) -> tuple[Page, dict[str, int]]:
        """Next page to judge, and the number of open faces per step."""
        ...

    def counted(self, votes: ReviewerVotes) -> dict[str, int]:
        """Number of open faces per step."""
        ...

    def owed(self, votes: ReviewerVotes, rows: Rows | None = None) -> tuple[NDArray[np.int8], NDArray[np.bool_]]:
        """Open step of each face (a place in `funnel_steps.reviewed`, or DONE), and a flag that is true if it is ready.

        `rows` are all faces of some identities; by default all faces.
        """
        ...

    def split_label(self, votes: ReviewerVotes, row: int) -> str | None:
        """Label of a face that the joint session has yet to settle, once no verdict on it is left to give; else
        None.
        """
        ...


class CurrentPage:
    """Current page of a reviewer, kept up to date as they decide.

    Not safe between threads; `ReviewSession` locks it. `votes` is shared with the session. After adding a verdict call
    `take_away`, after undoing one call `put_back`.
    """

    def __init__(self, plan: Plan, review_data: ReviewData, votes: ReviewerVotes) -> None:
        self.review_data = review_data
        self._plan = plan
        self._votes = votes
        self._page = NOTHING_LEFT
        self._open: dict[str, int] = {}
        self._expected: Page | None = None
        self._left_out: set[Key] = set()

    @property
    def label(self) -> str | None:
        """Column that the page asks for; None if it asks for a verdict."""
        return self._page.label

    @property
    def asks(self) -> tuple[str, ...]:
        """Steps that the page asks at once, as `Page.asks`."""
        return self._page.asks

    def is_on_page(self, face: Key) -> bool:
        return face in self._page.faces

    def page(self) -> Page:
        """Rest of the page, or the next page if it is finished."""
        if not self._page.faces:
            found, self._open = self._page_expected() or self._plan.next_page(self._votes)
            self._expected = None
            faces = tuple(face for face in found.faces if face not in self._left_out)
            self._page = replace(found, faces=faces) if faces else NOTHING_LEFT
        return self._page

    def turn(self) -> Page:
        """New page, planned from all verdicts so far."""
        self._page, self._expected = NOTHING_LEFT, None
        return self.page()

    def expect(self, page: Page | None) -> None:
        """Set the page that follows this one; it is shown only if all of its faces are open by then."""
        self._expected = page

    def _page_expected(self) -> tuple[Page, dict[str, int]] | None:
        """Page set by `expect` with the open faces per step; None if the plan has to be asked."""
        page = self._expected
        if page is None or page.step is None:
            return None
        people = np.concatenate([self.review_data.rows_of(name) for name in {face.identity for face in page.faces}])
        steps, ready = self._plan.owed(self._votes, people)
        at = {int(row): place for place, row in enumerate(people)}
        permitted = [funnel_steps.place_of(step) for step in page.asks or (page.step,)]
        rows = [self.review_data.row(face) for face in page.faces]
        is_open = all(steps[at[row]] in permitted and ready[at[row]] for row in rows)
        if not is_open or any(self._plan.split_label(self._votes, row) != page.label for row in rows):
            return None
        return page, self._plan.counted(self._votes)

    def renew(self, plan: Plan, review_data: ReviewData) -> None:
        """Take over the decisions of others; the faces and the page stay the same."""
        self._plan, self.review_data = plan, review_data
        self._recount()

    def open_faces(self, step: str) -> int:
        """Number of open faces at a step; faces that this page's verdicts pass on to it are counted with the
        next page.
        """
        return max(self._open.get(str(step), 0), 0)

    def owed(self) -> tuple[NDArray[np.int8], NDArray[np.bool_]]:
        """Open steps of all faces, as `Plan.owed`."""
        return self._plan.owed(self._votes)

    def owed_step(self, face: Key) -> tuple[str | None, bool]:
        """Open step of a face (None if there is none), and true if it is ready to be judged."""
        rows = self.review_data.rows_of(face.identity)
        steps, ready = self._plan.owed(self._votes, rows)
        place = int(np.flatnonzero(rows == self.review_data.row(face))[0])
        return (funnel_steps.reviewed()[steps[place]] if steps[place] != DONE else None), bool(ready[place])

    def open_step(self, face: Key) -> str | None:
        """Step at which a face awaits a verdict now: its page's, or its open step if it is ready; else None."""
        if self._page.step is not None and face in self._page.faces:
            return self._page.step
        owed, ready = self.owed_step(face)
        return owed if ready else None

    def split_label(self, face: Key) -> str | None:
        """Label to settle, as `Plan.split_label`."""
        return self._plan.split_label(self._votes, self.review_data.row(face))

    def question(self, face: Key) -> tuple[str | None, str | None]:
        """Open step of a face, and the label to settle if the question is a label; None for both if it is not ready."""
        step, ready = self.owed_step(face)
        if step is None or not ready:
            return None, None
        return step, self.split_label(face) if step == Step.TASK_FIT else None

    def leave_out(self, faces: Collection[Key]) -> None:
        """Ask no more about faces whose pictures are gone. Nothing is written: for this session they are rejected."""
        self._left_out.update(faces)
        self._votes.codes[[self.review_data.row(face) for face in faces], 0] = REJECT
        self._page = replace(self._page, faces=tuple(face for face in self._page.faces if face not in self._left_out))
        self._recount()

    @property
    def plan(self) -> Plan:
        """Plan that the pages come from."""
        return self._plan

    def take_away(self, done: Collection[Key], *, is_owed: bool = False) -> None:
        """Remove decided faces from the page, and with them those that need no verdict any more.

        `is_owed` means that the faces stay open: they were skipped.
        """
        before = self._page.faces
        left = self._still_owed(tuple(face for face in before if face not in done))
        self._page = replace(self._page, faces=left)
        if self._page.asks or not set(before).issuperset(done):
            self._recount()
        elif not is_owed:
            self._count_open(len(left) - len(before))

    def put_back(self, faces: Sequence[Key], *, asks: tuple[str, ...] = ()) -> None:
        """Show undone faces again: those that fit the page on it, else those of the first one's question on their own.

        Other undone faces come back on a later page. `asks` are the steps that their page asked at once.
        """
        self._recount()
        at = {face: self.question(face) for face in dict.fromkeys(faces)}
        if fitting := tuple(face for face, question in at.items() if self._fits(face, *question)):
            if not set(fitting) <= set(self._page.faces):
                rest = tuple(face for face in self._page.faces if face not in fitting)
                self._page = replace(self._page, faces=(*fitting, *rest))
            return
        now = next((question for question in at.values() if question[0] is not None), None)
        if now is None:
            return
        back = tuple(face for face, question in at.items() if question == now)
        people = {face.identity for face in back}
        step = asks[-1] if now[0] in asks else now[0]
        run = CERTIFICATE if self._page.run == CERTIFICATE else UNDONE
        together = people.pop() if len(people) == 1 else None
        self._page = Page(step, run, together, back, now[1], asks if now[0] in asks else ())

    def _fits(self, face: Key, step: str | None, label: str | None) -> bool:
        """True if an undone face that is open at a step may join the page: it asks the same, of the same person."""
        page = self._page
        if not page.faces or page.run == CERTIFICATE or label != page.label or step not in (page.asks or (page.step,)):
            return False
        is_of_one = page.together == page.faces[0].identity
        return not is_of_one or face.identity == page.together

    def _still_owed(self, faces: tuple[Key, ...]) -> tuple[Key, ...]:
        """Faces of the page that still need a verdict: a verdict within a duplicate group can leave a face without
        rivals.
        """
        if self._page.step != Step.DUPLICATE:
            return faces
        return tuple(face for face in faces if self.owed_step(face)[0] == Step.DUPLICATE)

    def _count_open(self, more: int) -> None:
        if self._page.step is not None:
            self._open[str(self._page.step)] = self._open.get(str(self._page.step), 0) + more

    def _recount(self) -> None:
        self._open = self._plan.counted(self._votes)
