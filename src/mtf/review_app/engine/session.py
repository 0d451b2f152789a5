"""One reviewer at work. Every verdict is in the ledger before it counts here, and before any screen confirms it."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from mtf.annotation.decision import Decision, Verdict
from mtf.annotation.ledger import LedgerWriter
from mtf.core.errors import BadInput
from mtf.review_app.engine import pace
from mtf.review_app.engine.key_actions import At, Given, Wording
from mtf.review_app.engine.page import CurrentPage, Page, Plan
from mtf.review_app.engine.review_data import Key, ReviewData
from mtf.review_app.engine.reviewer_votes import ReviewerVotes
from mtf.schemas import funnel_steps


class ReviewSession:
    """The verdicts of one reviewer, the page in front of them, and what they can undo. Safe between threads."""

    def __init__(
        self,
        sitting: LedgerWriter,
        material: ReviewData,
        plan: Plan,
        *,
        reviewer: str,
        joint: bool = False,
        check: Callable[[Sequence[Key]], None] = lambda _: None,
    ) -> None:
        """`check` raises BadInput for faces of which nothing may be written; it is asked before every line."""
        self.reviewer = reviewer
        self.joint = joint
        self._check = check
        self.pace = pace.Pace(time.monotonic())
        self._lock = threading.RLock()
        self._sitting = sitting
        self._said = material.said_by(reviewer, joint=joint)
        self._current = CurrentPage(plan, material, self._said)
        self._wording = Wording(self._current, self._said, reviewer=reviewer, joint=joint)
        self._actions: list[Given] = []

    @property
    def done(self) -> Counter[str]:
        """Step → the faces that this reviewer gave a verdict on."""
        return self._said.done

    @property
    def said(self) -> ReviewerVotes:
        """All verdicts and labels of this reviewer; to be read only."""
        return self._said

    @property
    def left(self) -> float:
        """The verdicts that this reviewer will still have to give, as far as can be told from those given."""
        open_faces = [self.open_faces(step) for step in funnel_steps.reviewed()]
        if self.joint:
            return sum(open_faces)
        grouped = pace.grouped_of(self._current.material.groups)
        return pace.still_to_come(open_faces, pace.passing_of(self._said.words), grouped=grouped)

    def page(self) -> Page:
        """The faces in front of the reviewer: what is left of the page, or the next one."""
        with self._lock:
            return self._current.page()

    def open_faces(self, step: str) -> int:
        """Number of faces this reviewer still owes at a step; those that verdicts send on are counted page by page."""
        return self._current.open_faces(step)

    def turn(self) -> Page:
        """Make the page anew from all verdicts so far."""
        with self._lock:
            return self._current.turn()

    def renew(self, material: ReviewData, plan: Plan) -> None:
        """Go on with what others said meanwhile; the faces are the same, and the page stays as it is."""
        with self._lock:
            self._current.renew(plan, material)

    def accept(self, faces: Sequence[Key], *, at: At = None) -> list[Key]:
        """Accept faces at the step each of them is at. Returns the faces decided, here and below.

        Where `at` is given, here and below, each must be at the step that it says: a key that was pressed for a face
        that has gone on since is refused (BadInput), and nothing is written. A page's step is for faces that are
        still to be judged at it; a mind is changed in a view, where `at` has the step of each. Raises BadInput, here
        and below, where no face is given, and for a face that the panel has settled.
        """
        with self._lock:
            return self._decide(self._wording.accepted(faces, at))

    def skip(self, faces: Sequence[Key], *, at: At = None) -> list[Key]:
        """Leave faces for later."""
        with self._lock:
            return self._decide(self._wording.skipped(faces, at))

    def reject(self, faces: Sequence[Key], reason: str | None = None, *, at: At = None) -> list[Key]:
        """Reject faces, at the step of the reason: the one a face is at, or one that it passed before.

        Without a reason it is the first of the step's; of a duplicate, what the pictures say. Raises BadInput for a
        reason that is not asked yet, and where all of a group would be rejected as duplicates.
        """
        with self._lock:
            return self._decide(self._wording.rejected(faces, reason, at))

    def keep(self, faces: Sequence[Key], *, at: At = None) -> list[Key]:
        """Make one face the keeper of its duplicate group; the rest of the group is rejected as its duplicates.

        What was accepted there as no duplicate stays; what was kept before is rejected. Raises BadInput for more than
        one face, and for a face whose group is not ready to be decided, or that is in none.
        """
        with self._lock:
            self._check(faces)  # what was made anew may be in another group by now
            return self._decide(self._wording.kept(faces, at))

    def label(self, faces: Sequence[Key], column: str, value: str) -> list[Key]:
        """Correct a label, whatever step the faces are at; each stays where it is in the queue.

        Where a joint session is asked for the label, it is thereby settled. Raises BadInput for a column or a value
        that params.yaml does not have.
        """
        with self._lock:
            return self._decide(self._wording.labelled(faces, column, value))

    def undo(self) -> list[Key]:
        """Withdraw the last thing that was done in this sitting, and put its faces back on the page.

        Returns the faces it was done to. Raises BadInput where nothing is left to undo.
        """
        with self._lock:
            if not self._actions:
                raise BadInput("nothing of this sitting is left to undo")
            action = self._actions[-1]
            self._check([face for face, _ in action])
            now = datetime.now(UTC)
            self._sitting.append(*(decision.undone(time=now) for _, decision in reversed(action)))
            self._actions.pop()
            self.pace.mark(0, time.monotonic())
            for face, decision in reversed(action):
                self._unsay(face, decision)
            self._current.put_back(
                [face for face, said in action if said.verdict is not Verdict.LABEL or self._current.asked(face)[1]]
            )
            return list(dict.fromkeys(face for face, _ in action))

    def verdict(self, face: Key, step: str) -> tuple[Verdict, str | None] | None:
        """This reviewer's verdict on a face at a step, with the reason: accept, reject, keep or skip."""
        return self._said.verdict(self._current.material.row(face), step)

    def owed(self) -> tuple[NDArray[np.int8], NDArray[np.bool_]]:
        """For all faces, as `Plan.owed`."""
        with self._lock:
            return self._current.owed()

    def owed_step(self, face: Key) -> tuple[str | None, bool]:
        """The step that this reviewer owes a face, and whether it can be judged already."""
        with self._lock:
            return self._current.owed_step(face)

    def step_of(self, face: Key) -> str | None:
        """The step that a key pressed for the face would be about; None where there is nothing to be decided."""
        with self._lock:
            try:
                return self._wording.step_now(face)
            except BadInput:
                return None

    def close(self) -> None:
        self._sitting.close()

    def _decide(self, given: Given) -> list[Key]:
        if not given:
            raise BadInput("no face is selected")
        self._check([face for face, _ in given])
        self._sitting.append(*(decision for _, decision in given))
        self._actions.append(given)
        for face, decision in given:
            self._say(face, decision)
        is_settling = self._current.label is not None
        self._current.take_away(
            {face for face, one in given if one.verdict is not Verdict.LABEL or is_settling},
            is_owed=given[0][1].verdict is Verdict.SKIP,
        )
        self.pace.mark(sum(decision.verdict in pace.JUDGING for _, decision in given), time.monotonic())
        return [face for face, _ in given]

    def _say(self, face: Key, decision: Decision) -> None:
        row = self._current.material.row(face)
        for column, label in (decision.labels or {}).items():
            self._said.correct(row, column, label)
        if decision.verdict is not Verdict.LABEL:
            self._said.say(row, decision.step, decision.verdict, decision.reason)

    def _unsay(self, face: Key, decision: Decision) -> None:
        row = self._current.material.row(face)
        for column in decision.labels or {}:
            self._said.uncorrect(row, column)
        if decision.verdict is not Verdict.LABEL:
            self._said.unsay(row, decision.step)
