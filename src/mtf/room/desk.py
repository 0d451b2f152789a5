"""One reviewer at work. Every verdict is in the ledger before it counts here, and before any screen confirms it."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from mtf.errors import BadInput, bad_value, listed
from mtf.review.decision import Decision, Verdict
from mtf.review.ledger import Sitting
from mtf.room import copies, pace
from mtf.room.material import Key, Material
from mtf.room.page import NOTHING_LEFT, Page, Plan
from mtf.room.queue import DONE, STEPS
from mtf.room.said import Said
from mtf.tables import REVIEW_REASONS, Reason, Step

STEP_OF_REASON = {reason: step for step, reasons in REVIEW_REASONS.items() for reason in reasons}
# The step at which the screen showed faces when a key was pressed: that of their page, or in a view that of each.
At = Step | Mapping[Key, Step] | None
DECIDED_MEANWHILE = "this face was decided meanwhile; press n"


class Desk:
    """The verdicts of one reviewer, the page in front of them, and what they can undo. Safe between threads."""

    def __init__(self, sitting: Sitting, material: Material, plan: Plan, *, reviewer: str, joint: bool = False) -> None:
        self.reviewer = reviewer
        self.joint = joint
        self.pace = pace.Pace(time.monotonic())
        self._lock = threading.RLock()
        self._sitting = sitting
        self._material = material
        self._plan = plan
        self._said = material.said_by(reviewer, joint=joint)
        self._page = NOTHING_LEFT
        self._open: dict[str, int] = {}
        self._actions: list[list[tuple[Key, Decision]]] = []

    @property
    def done(self) -> Counter[Step]:
        """Step → the faces that this reviewer gave a verdict on."""
        return self._said.done

    def page(self) -> Page:
        """The faces in front of the reviewer: what is left of the page, or the next one."""
        with self._lock:
            if not self._page.faces:
                self._page, self._open = self._plan.next_page(self._said)
            return self._page

    def open_faces(self, step: Step) -> int:
        """How many faces this reviewer still owes at a step; those that verdicts send on are counted page by page."""
        return max(self._open.get(str(step), 0), 0)

    @property
    def left(self) -> float:
        """The verdicts that this reviewer will still have to give, as far as can be told from those given."""
        open_faces = [self.open_faces(step) for step in STEPS]
        if self.joint:
            return sum(open_faces)
        grouped = pace.grouped_of(self._material.groups)
        return pace.still_to_come(open_faces, pace.passing_of(self._said.words), grouped=grouped)

    def turn(self) -> Page:
        """Make the page anew from all verdicts so far."""
        with self._lock:
            self._page = NOTHING_LEFT
            return self.page()

    def renew(self, material: Material, plan: Plan) -> None:
        """Go on with what others said meanwhile; the faces are the same, and the page stays as it is."""
        with self._lock:
            self._material, self._plan = material, plan
            self._open = plan.counted(self._said)

    def accept(self, faces: Sequence[Key], *, at: At = None) -> list[Key]:
        """Accept faces at the step each of them is at. Returns the faces decided, here and below.

        Where `at` is given, here and below, each must be at the step that it says: a key that was pressed for a face
        that has gone on since is refused (BadInput), and nothing is written. A page's step is for faces that are
        still to be judged at it; a mind is changed in a view, where `at` has the step of each.
        """
        with self._lock:
            return self._decide([(face, self._acceptance(face, at)) for face in faces])

    def skip(self, faces: Sequence[Key], *, at: At = None) -> list[Key]:
        """Leave faces for later."""
        with self._lock:
            return self._decide([(face, self._decision(face, self._step(face, at), Verdict.SKIP)) for face in faces])

    def reject(self, faces: Sequence[Key], reason: str | None = None, *, at: At = None) -> list[Key]:
        """Reject faces, at the step of the reason: the one a face is at, or one that it passed before.

        Without a reason it is the first of the step's; of a duplicate, what the pictures say. Raises BadInput for a
        reason that is not asked yet, and where all of a group would be rejected as duplicates.
        """
        with self._lock:
            given = [(face, self._rejection(face, reason, at)) for face in faces]
            duplicates = {face for face, decision in given if decision.step is Step.DUPLICATE}
            if any(self._none_stays(face, duplicates) for face in duplicates):
                raise BadInput(copies.ONE_STAYS)
            return self._decide(given)

    def keep(self, faces: Sequence[Key], *, at: At = None) -> list[Key]:
        """Make one face the keeper of its duplicate group; the rest of the group is rejected as its duplicates.

        What was accepted there as no duplicate stays; what was kept before is rejected.
        """
        with self._lock:
            if len(faces) != 1:
                raise BadInput(f"a group has one keeper, and {len(faces)} faces are selected")
            if self._step(faces[0], at) is not Step.DUPLICATE:
                raise BadInput("this face is in no group of duplicates that is ready to be decided")
            return self._decide(list(self._keeping(faces[0])))

    def label(self, faces: Sequence[Key], column: str, value: str) -> list[Key]:
        """Correct a label; the face stays where it is in the queue."""
        permitted = self._material.labels
        if column not in permitted:
            raise bad_value("label", column, listed(permitted))
        if value not in permitted[column]:
            raise bad_value(f"label {column}", value, listed(permitted[column], 20))
        with self._lock:
            labels = {column: value}
            given = [(face, self._decision(face, Step.TASK_FIT, Verdict.LABEL, labels=labels)) for face in faces]
            return self._decide(given)

    def undo(self) -> list[Key]:
        """Withdraw the last thing that was done in this sitting, and put its faces back on the page."""
        with self._lock:
            if not self._actions:
                raise BadInput("nothing of this sitting is left to undo")
            action = self._actions[-1]
            now = datetime.now(UTC)
            self._sitting.append(*(decision.undone(time=now) for _, decision in reversed(action)))
            self._actions.pop()
            self.pace.mark(0, time.monotonic())
            for face, decision in reversed(action):
                self._unsay(face, decision)
            self._open = self._plan.counted(self._said)
            self._put_back([face for face, said in action if said.verdict is not Verdict.LABEL or self._asked(face)[1]])
            return list(dict.fromkeys(face for face, _ in action))

    def verdict(self, face: Key, step: Step) -> tuple[Verdict, Reason | None] | None:
        """What this reviewer says of a face at a step, with the reason: accept, reject, keep or skip."""
        return self._said.verdict(self._material.row(face), step)

    @property
    def said(self) -> Said:
        """All that this reviewer said; to be read only."""
        return self._said

    def owed(self) -> tuple[NDArray[np.int8], NDArray[np.bool_]]:
        """For all faces, as `Plan.owed`."""
        with self._lock:
            return self._plan.owed(self._said)

    def owed_step(self, face: Key) -> tuple[Step | None, bool]:
        """The step that this reviewer owes a face, and whether it can be judged already."""
        with self._lock:
            rows = self._material.rows_of(face.identity)
            steps, ready = self._plan.owed(self._said, rows)
            place = int(np.flatnonzero(rows == self._material.row(face))[0])
            return (STEPS[steps[place]] if steps[place] != DONE else None), bool(ready[place])

    def step_of(self, face: Key) -> Step | None:
        """The step that a key pressed for the face would be about; None where there is nothing to be decided."""
        with self._lock:
            try:
                return self._step_now(face)
            except BadInput:
                return None

    def close(self) -> None:
        self._sitting.close()

    def _step(self, face: Key, at: At) -> Step:
        if isinstance(at, Step) and self._open_step(face) is None:
            raise BadInput(DECIDED_MEANWHILE)
        step = self._step_now(face)
        expected = at.get(face) if isinstance(at, Mapping) else at
        if expected is not None and step is not expected:
            raise BadInput(f"this face is at the step {step} by now, not at {expected}; look again")
        return step

    def _step_now(self, face: Key) -> Step:
        """The step a face is at; of a face that is done, the one that says so, so that a mind can be changed.

        That is the step of its rejection, which is what the screen shows of it, or else the last one decided.
        """
        step = self._open_step(face) or self._said.last_step(self._material.row(face))
        if step is None:
            raise BadInput("this face is not to be decided: the panel has settled it")
        return step

    def _open_step(self, face: Key) -> Step | None:
        """The step at which a face waits for a verdict: its page's, or the one it is owed; None where at none."""
        if self._page.step is not None and face in self._page.faces:
            return self._page.step
        owed, ready = self.owed_step(face)
        return owed if ready else None

    def _acceptance(self, face: Key, at: At) -> Decision:
        step = self._step(face, at)
        if step is Step.TASK_FIT and (column := self._plan.split_label(self._said, self._material.row(face))):
            raise BadInput(f"the panel is split on the label {column} of this face: give the label, or reject the face")
        return self._decision(face, step, Verdict.ACCEPT)

    def _rejection(self, face: Key, reason: str | None, at: At) -> Decision:
        now = self._step(face, at)
        permitted = [name for step in STEPS[: STEPS.index(now) + 1] for name in REVIEW_REASONS[step]]
        given = reason or (self._kind_of_duplicate(face) if now is Step.DUPLICATE else REVIEW_REASONS[now][0])
        if given not in permitted:
            raise bad_value(f"reason at the step {now}", str(given), listed(permitted, 20))
        return self._decision(face, STEP_OF_REASON[Reason(given)], Verdict.REJECT, reason=Reason(given))

    def _kind_of_duplicate(self, face: Key) -> Reason:
        same = (self._material.are_the_same_picture(face, rival) for rival in self._material.rivals(face))
        return Reason.EXACT_DUPLICATE if any(same) else Reason.NEAR_DUPLICATE

    def _keeping(self, keeper: Key) -> list[tuple[Key, Decision]]:
        given = [(keeper, self._decision(keeper, Step.DUPLICATE, Verdict.KEEP))]
        for rival in self._material.rivals(keeper):
            if self._gives_way(rival):
                exact = self._material.are_the_same_picture(keeper, rival)
                reason = Reason.EXACT_DUPLICATE if exact else Reason.NEAR_DUPLICATE
                given.append((rival, self._decision(rival, Step.DUPLICATE, Verdict.REJECT, reason=reason)))
        return given

    def _gives_way(self, rival: Key) -> bool:
        """Whether a face is rejected when another of its group is kept: it is still open, or was kept before."""
        is_open = self._page.step is Step.DUPLICATE and rival in self._page.faces
        kept = copies.is_kept(self._material, self._said, rival, joint=self.joint)
        return is_open or kept or self.owed_step(rival) == (Step.DUPLICATE, True)

    def _none_stays(self, face: Key, rejected: set[Key]) -> bool:
        return copies.none_stays(self._material, self._said, face, rejected=rejected, joint=self.joint)

    def _decision(
        self,
        face: Key,
        step: Step,
        verdict: Verdict,
        *,
        reason: Reason | None = None,
        labels: dict[str, str] | None = None,
    ) -> Decision:
        image_id, box = self._material.place(face)
        return Decision(
            image_id=image_id,
            box=box,
            identity=face.identity,
            step=step,
            verdict=verdict,
            reason=reason,
            labels=labels,
            reviewer=self.reviewer,
            joint=self.joint,
        )

    def _decide(self, given: list[tuple[Key, Decision]]) -> list[Key]:
        if not given:
            raise BadInput("no face is selected")
        self._sitting.append(*(decision for _, decision in given))
        self._actions.append(given)
        for face, decision in given:
            self._say(face, decision)
        done = {face for face, decision in given if decision.verdict is not Verdict.LABEL}
        self._take_away(done | {face for face, _ in given if self._page.label})
        self.pace.mark(sum(decision.verdict in pace.VERDICTS for _, decision in given), time.monotonic())
        return [face for face, _ in given]

    def _say(self, face: Key, decision: Decision) -> None:
        row = self._material.row(face)
        for column, label in (decision.labels or {}).items():
            self._said.correct(row, column, label)
        if decision.verdict is not Verdict.LABEL:
            self._said.say(row, decision.step, decision.verdict, decision.reason)

    def _unsay(self, face: Key, decision: Decision) -> None:
        row = self._material.row(face)
        for column in decision.labels or {}:
            self._said.uncorrect(row, column)
        if decision.verdict is not Verdict.LABEL:
            self._said.unsay(row, decision.step)

    def _take_away(self, done: set[Key]) -> None:
        left = tuple(face for face in self._page.faces if face not in done)
        self._count_open(len(left) - len(self._page.faces))
        self._page = replace(self._page, faces=self._still_owed(left))

    def _still_owed(self, faces: tuple[Key, ...]) -> tuple[Key, ...]:
        """A verdict on one of a group of duplicates can leave another without rivals: nothing is asked of it then."""
        if self._page.step is not Step.DUPLICATE:
            return faces
        return tuple(face for face in faces if self.owed_step(face)[0] is Step.DUPLICATE)

    def _put_back(self, faces: list[Key]) -> None:
        """Show undone faces again, as far as they are owed at one step: the page's, or else the first face's.

        What else was undone comes again by itself.
        """
        at = {face: self._asked(face) for face in dict.fromkeys(faces)}
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

    def _asked(self, face: Key) -> tuple[Step | None, str | None]:
        step, ready = self.owed_step(face)
        if step is None or not ready:
            return None, None
        return step, self._plan.split_label(self._said, self._material.row(face)) if step is Step.TASK_FIT else None

    def _count_open(self, more: int) -> None:
        if self._page.step is not None:
            self._open[str(self._page.step)] = self._open.get(str(self._page.step), 0) + more
