"""Review session of one reviewer. A verdict is in the ledger before it counts here and before a screen confirms it."""

from __future__ import annotations

import copy
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
from mtf.review_app.engine import ledger_actions, pace
from mtf.review_app.engine.face_key import Key
from mtf.review_app.engine.identity_pages import steps_at_once
from mtf.review_app.engine.key_actions import At, Given, KeyActions
from mtf.review_app.engine.page import CurrentPage, Page, Plan
from mtf.review_app.engine.review_data import ReviewData
from mtf.review_app.engine.reviewer_votes import ReviewerVotes
from mtf.review_app.engine.upcoming import upcoming_page
from mtf.schemas import funnel_steps


class ReviewSession:
    """Review session: a reviewer's votes, their current page, and the actions they can undo, also of earlier sessions.

    Safe between threads.
    """

    def __init__(
        self,
        writer: LedgerWriter,
        review_data: ReviewData,
        plan: Plan,
        *,
        reviewer: str,
        joint: bool = False,
        check: Callable[[Sequence[Key]], None] = lambda _: None,
    ) -> None:
        """Create a session; `check` is called before each write and raises BadInput for faces that may not be
        decided.
        """
        self.reviewer = reviewer
        self.joint = joint
        self._check = check
        self.pace = pace.Pace(time.monotonic())
        self._lock = threading.RLock()
        self._writer = writer
        self._votes = review_data.votes_by(reviewer, joint=joint)
        self._current = CurrentPage(plan, review_data, self._votes)
        self._key_actions = KeyActions(self._current, self._votes, reviewer=reviewer, joint=joint)
        self._actions: list[Given] = ledger_actions.restored(review_data, self._votes, reviewer=reviewer, joint=joint)

    @property
    def done(self) -> Counter[str]:
        """Number of this reviewer's verdicts per step."""
        return self._votes.done

    @property
    def votes(self) -> ReviewerVotes:
        """Votes of this reviewer, read-only."""
        return self._votes

    @property
    def left(self) -> float:
        """Expected number of verdicts left for this reviewer, estimated from those given."""
        open_faces = [self.open_faces(step) for step in funnel_steps.reviewed()]
        if self.joint:
            return sum(open_faces)
        grouped = pace.grouped_of(self._current.review_data.groups)
        return pace.still_to_come(open_faces, pace.passing_of(self._votes.codes), grouped=grouped)

    def page(self) -> Page:
        """Rest of the current page, or the next one."""
        with self._lock:
            return self._current.page()

    def open_faces(self, step: str) -> int:
        """Number of open faces at a step; faces that this page's verdicts pass on to it are counted with the
        next page.
        """
        return self._current.open_faces(step)

    def turn(self) -> Page:
        """New page, planned from all verdicts so far."""
        with self._lock:
            return self._current.turn()

    def leave_out(self, faces: Sequence[Key]) -> None:
        """Ask no more about faces whose pictures are gone; nothing is written into the ledger."""
        with self._lock:
            self._current.leave_out(faces)

    def prepare(self) -> Page | None:
        """Plan the page that will probably follow the current one, so that it is there at once; returns it.

        None if it cannot be told yet. Takes as long as `turn`, while verdicts can be given.
        """
        with self._lock:
            page, plan, review_data = self._current.page(), self._current.plan, self._current.review_data
            votes = copy.copy(self._votes)
            votes.codes, votes.times = votes.codes.copy(), votes.times.copy()
        found = upcoming_page(plan, review_data, votes, page) if page.faces else None
        with self._lock:
            self._current.expect(found)
        return found

    def renew(self, review_data: ReviewData, plan: Plan) -> None:
        """Take over the decisions of others; the faces and the page stay the same."""
        with self._lock:
            self._current.renew(plan, review_data)

    def accept(self, faces: Sequence[Key], *, at: At = None) -> list[Key]:
        """Accept faces, each at its current step; returns the decided faces.

        This holds for all methods below:

        - With `at`, each face must be at the step given there, else BadInput is raised and nothing is written. This
          refuses a key that was pressed for a face that has moved on since.
        - A single step in `at` is that of a page, and requires faces that are still open. A mapping has the step of
          each face, and permits a change of an earlier verdict.
        - BadInput is raised if no face is given, and for a face that the panel has settled.
        """
        with self._lock:
            return self._decide(self._key_actions.accepted(faces, at))

    def skip(self, faces: Sequence[Key], *, at: At = None) -> list[Key]:
        """Leave faces for later."""
        with self._lock:
            return self._decide(self._key_actions.skipped(faces, at))

    def reject(self, faces: Sequence[Key], reason: str | None = None, *, at: At = None) -> list[Key]:
        """Reject faces at the step of the reason: the current step of a face, or an earlier one.

        The default reason is the first of the step, for duplicates the kind that the pictures show. Raises BadInput for
        a reason of a later step, and if all faces of a group would be rejected as duplicates.
        """
        with self._lock:
            return self._decide(self._key_actions.rejected(faces, reason, at))

    def keep(self, faces: Sequence[Key], *, at: At = None) -> list[Key]:
        """Keep one face of its duplicate group, and reject the rest of the group as its duplicates.

        A face that was accepted there as no duplicate stays; an earlier keeper is rejected. Raises BadInput for more
        than one face, for a face without a group, and if its group is not ready.
        """
        with self._lock:
            self._check(faces)  # a rewritten face may be in another group by now
            return self._decide(self._key_actions.kept(faces, at))

    def label(self, faces: Sequence[Key], column: str, value: str) -> list[Key]:
        """Correct a label of faces at any step; their places in the queue stay the same.

        In a joint session that asks for the label this settles it. Raises BadInput for a column or value that is not in
        params.yaml.
        """
        with self._lock:
            return self._decide(self._key_actions.labelled(faces, column, value))

    def undo(self) -> list[Key]:
        """Undo the reviewer's last action, also of an earlier session; returns its faces, which are on the page again.

        Raises BadInput if nothing is left to undo.
        """
        with self._lock:
            if not self._actions:
                raise BadInput("nothing is left to undo")
            action = self._actions[-1]
            self._check([face for face, _ in action])
            now = datetime.now(UTC)
            self._writer.append(*(decision.undone(time=now) for _, decision in reversed(action)))
            self._actions.pop()
            self.pace.mark(0, time.monotonic())
            for face, decision in reversed(action):
                self._revert(face, decision)
            self._current.put_back(
                [
                    face
                    for face, decision in action
                    if decision.verdict is not Verdict.LABEL or self._current.question(face)[1]
                ],
                asks=steps_at_once() if len(action) > len({face for face, _ in action}) else (),
            )
            return list(dict.fromkeys(face for face, _ in action))

    def verdict(self, face: Key, step: str) -> tuple[Verdict, str | None] | None:
        """Verdict of this reviewer on a face at a step (accept, reject, keep or skip) with its reason; None without
        one.
        """
        return self._votes.verdict(self._current.review_data.row(face), step)

    def owed(self) -> tuple[NDArray[np.int8], NDArray[np.bool_]]:
        """Open steps of all faces, as `Plan.owed`."""
        with self._lock:
            return self._current.owed()

    def owed_step(self, face: Key) -> tuple[str | None, bool]:
        """Open step of a face for this reviewer, and true if it is ready to be judged."""
        with self._lock:
            return self._current.owed_step(face)

    def step_of(self, face: Key) -> str | None:
        """Step that a key pressed for the face would decide; None if there is nothing to decide."""
        with self._lock:
            try:
                return self._key_actions.step_now(face)
            except BadInput:
                return None

    def close(self) -> None:
        self._writer.close()

    def _decide(self, given: Given) -> list[Key]:
        if not given:
            raise BadInput("no face is selected")
        self._check([face for face, _ in given])
        now = datetime.now(UTC)
        given = [(face, decision.model_copy(update={"time": now})) for face, decision in given]
        self._writer.append(*(decision for _, decision in given))
        self._actions.append(given)
        for face, decision in given:
            self._apply(face, decision)
        is_settling = self._current.label is not None
        self._current.take_away(
            {face for face, one in given if one.verdict is not Verdict.LABEL or is_settling},
            is_owed=given[0][1].verdict is Verdict.SKIP,
        )
        self.pace.mark(len({face for face, one in given if one.verdict in pace.JUDGING}), time.monotonic())
        return list(dict.fromkeys(face for face, _ in given))

    def _apply(self, face: Key, decision: Decision) -> None:
        row = self._current.review_data.row(face)
        for column, label in (decision.labels or {}).items():
            self._votes.set_label(row, column, label)
        if decision.verdict is not Verdict.LABEL:
            self._votes.set_verdict(row, decision.step, decision.verdict, decision.reason)

    def _revert(self, face: Key, decision: Decision) -> None:
        row = self._current.review_data.row(face)
        for column in decision.labels or {}:
            self._votes.undo_label(row, column)
        if decision.verdict is not Verdict.LABEL:
            self._votes.undo_verdict(row, decision.step)
