"""One reviewer at work. Every verdict is in the ledger before it counts here, and before any screen confirms it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

import polars as pl

from mtf.errors import BadInput, bad_value, listed
from mtf.review.decision import Decision, Verdict
from mtf.review.ledger import Sitting
from mtf.room.material import Key, Material
from mtf.room.queue import OPINIONS, STEPS
from mtf.tables import REVIEW_REASONS, Reason, Step

STEP_OF_REASON = {reason: step for step, reasons in REVIEW_REASONS.items() for reason in reasons}
PAUSE_S = 120.0


@dataclass(frozen=True)
class Page:
    """Faces to be judged together. `run` is what the triage expects of them; `left` counts the step's open faces."""

    step: Step | None
    run: str
    together: str | None
    faces: tuple[Key, ...]
    left: int


NOTHING_LEFT = Page(None, "", None, (), 0)


class Plan(Protocol):
    """Where the next page comes from, and what a face is owed: `mtf.room.plan`."""

    def next_page(self, opinions: pl.DataFrame) -> Page: ...

    def owed_step(self, face: Key, opinions: pl.DataFrame) -> Step | None: ...


class Pace:
    """Seconds of work, without the pauses, and the verdicts given in them."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last = clock()
        self._verdicts = 0
        self._worked_s = 0.0

    def mark(self, verdicts: int) -> None:
        now = self._clock()
        self._worked_s += min(now - self._last, PAUSE_S)
        self._last = now
        self._verdicts += verdicts

    @property
    def per_minute(self) -> float | None:
        return 60 * self._verdicts / self._worked_s if self._verdicts and self._worked_s else None


class Desk:
    """The verdicts of one reviewer, the page in front of them, and what they can undo. Safe between threads."""

    def __init__(self, sitting: Sitting, material: Material, plan: Plan, *, reviewer: str, joint: bool = False) -> None:
        self.reviewer = reviewer
        self.joint = joint
        self.pace = Pace()
        self._lock = threading.RLock()
        self._sitting = sitting
        self._material = material
        self._plan = plan
        # What was said of a face at a step, oldest first: an undo takes away the last.
        self._said: dict[tuple[Key, Step], list[tuple[Verdict, Reason | None]]] = {
            (Key(identity, face_id), Step(step)): [(Verdict(verdict), reason and Reason(reason))]
            for identity, face_id, step, verdict, reason in material.opinions_of(reviewer, joint=joint).iter_rows()
        }
        self._page = NOTHING_LEFT
        self._actions: list[list[tuple[Key, Decision]]] = []

    def page(self) -> Page:
        """The faces in front of the reviewer: what is left of the page, or the next one."""
        with self._lock:
            if not self._page.faces:
                self._page = self._plan.next_page(self.opinions())
            return self._page

    def turn(self) -> Page:
        """Make the page anew from all verdicts so far."""
        with self._lock:
            self._page = NOTHING_LEFT
            return self.page()

    def accept(self, faces: Sequence[Key]) -> list[Key]:
        """Accept faces at the step each of them is at. Returns the faces decided, here and below."""
        with self._lock:
            return self._decide([(face, self._decision(face, self._step(face), Verdict.ACCEPT)) for face in faces])

    def skip(self, faces: Sequence[Key]) -> list[Key]:
        """Leave faces for later."""
        with self._lock:
            return self._decide([(face, self._decision(face, self._step(face), Verdict.SKIP)) for face in faces])

    def reject(self, faces: Sequence[Key], reason: str | None = None) -> list[Key]:
        """Reject faces, at the step of the reason: the one a face is at, or one that it passed before.

        Without a reason it is the first of the step's. Raises BadInput for a reason that is not asked yet.
        """
        with self._lock:
            return self._decide([(face, self._rejection(face, reason)) for face in faces])

    def keep(self, faces: Sequence[Key]) -> list[Key]:
        """Make one face the keeper of its duplicate group; the rest of the group is rejected as its duplicates."""
        with self._lock:
            if len(faces) != 1:
                raise BadInput(f"a group has one keeper, and {len(faces)} faces are selected")
            if self._step(faces[0]) is not Step.DUPLICATE:
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
            for face, decision in reversed(action):
                self._said[face, decision.step].pop()
            faces = list(dict.fromkeys(face for face, _ in action))
            self._put_back(faces, action[0][1].step)
            return faces

    def verdict(self, face: Key, step: Step) -> tuple[Verdict, Reason | None] | None:
        """What this reviewer says of a face at a step, with the reason: accept, reject, keep or skip."""
        said = self._said.get((face, step), [])
        return next((verdict for verdict in reversed(said) if verdict[0] is not Verdict.LABEL), None)

    def opinions(self) -> pl.DataFrame:
        """All verdicts of this reviewer (queue.OPINIONS), this sitting's skips among them."""
        with self._lock:
            given = ((face, step, self.verdict(face, step)) for face, step in self._said)
            rows = [(*face, str(step), *verdict) for face, step, verdict in given if verdict is not None]
        return pl.DataFrame(rows, schema=OPINIONS, orient="row")

    def close(self) -> None:
        self._sitting.close()

    def _step(self, face: Key) -> Step:
        """The step a face is at; of a face that is done, the last one decided, so that a mind can be changed."""
        if self._page.step is not None and face in self._page.faces:
            return self._page.step
        if (owed := self._plan.owed_step(face, self._opinions_about(face))) is not None:
            return owed
        decided = [step for step in STEPS if self.verdict(face, step) is not None]
        if not decided:
            raise BadInput("this face is not to be decided: the panel has settled it")
        return decided[-1]

    def _opinions_about(self, face: Key) -> pl.DataFrame:
        return self.opinions().filter(pl.col("identity") == face.identity)

    def _rejection(self, face: Key, reason: str | None) -> Decision:
        at = self._step(face)
        permitted = [name for step in STEPS[: STEPS.index(at) + 1] for name in REVIEW_REASONS[step]]
        given = reason or REVIEW_REASONS[at][0]
        if given not in permitted:
            raise bad_value(f"reason at the step {at}", str(given), listed(permitted, 20))
        return self._decision(face, STEP_OF_REASON[Reason(given)], Verdict.REJECT, reason=Reason(given))

    def _keeping(self, keeper: Key) -> list[tuple[Key, Decision]]:
        given = [(keeper, self._decision(keeper, Step.DUPLICATE, Verdict.KEEP))]
        for rival in self._material.rivals(keeper):
            if rival in self._page.faces or self._step_or_none(rival) is Step.DUPLICATE:
                exact = self._material.are_the_same_picture(keeper, rival)
                reason = Reason.EXACT_DUPLICATE if exact else Reason.NEAR_DUPLICATE
                given.append((rival, self._decision(rival, Step.DUPLICATE, Verdict.REJECT, reason=reason)))
        return given

    def _step_or_none(self, face: Key) -> Step | None:
        return self._plan.owed_step(face, self._opinions_about(face))

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
            self._said.setdefault((face, decision.step), []).append((decision.verdict, decision.reason))
        done = {face for face, decision in given if decision.verdict is not Verdict.LABEL}
        self._take_away(done)
        self.pace.mark(len(done))
        return [face for face, _ in given]

    def _take_away(self, done: set[Key]) -> None:
        page = self._page
        left = tuple(face for face in page.faces if face not in done)
        gone = len(page.faces) - len(left)
        self._page = Page(page.step, page.run, page.together, left, max(page.left - gone, 0))

    def _put_back(self, faces: list[Key], step: Step) -> None:
        page = self._page
        rest = tuple(face for face in page.faces if face not in faces) if page.step is step else ()
        back = len(faces) + len(rest) - len(page.faces) if page.step is step else 0
        run, together = (page.run, page.together) if rest else ("undone", None)
        self._page = Page(step, run, together, (*faces, *rest), page.left + back if page.step is step else len(faces))
