"""One reviewer at work. Every verdict is in the ledger before it counts here, and before any screen confirms it."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
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
    """Faces to be judged together at a step. `run` is what the triage expects of them, `together` what they share."""

    step: Step | None
    run: str
    together: str | None
    faces: tuple[Key, ...]


NOTHING_LEFT = Page(None, "", None, ())


class Plan(Protocol):
    """Where the next page comes from, and what a face is owed: `mtf.room.plan`."""

    def next_page(self, opinions: pl.DataFrame) -> tuple[Page, dict[str, int]]: ...

    def queue(self, opinions: pl.DataFrame) -> pl.DataFrame: ...

    def owed_of(self, identities: Collection[str], opinions: pl.DataFrame) -> pl.DataFrame: ...


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
        self._said: dict[tuple[Key, Step], list[tuple[Verdict, Reason | None]]] = {}
        self.done: Counter[Step] = Counter()
        for *face, step, verdict, reason in material.opinions_of(reviewer, joint=joint).iter_rows():
            self._say(Key(*face), Step(step), Verdict(verdict), reason and Reason(reason))
        self._page = NOTHING_LEFT
        self._open: dict[str, int] = {}
        self._actions: list[list[tuple[Key, Decision]]] = []

    def page(self) -> Page:
        """The faces in front of the reviewer: what is left of the page, or the next one."""
        with self._lock:
            if not self._page.faces:
                self._page, self._open = self._plan.next_page(self.opinions())
            return self._page

    def open_faces(self, step: Step) -> int:
        """How many faces this reviewer still owes at a step; those that verdicts send on are counted page by page."""
        return max(self._open.get(str(step), 0), 0)

    def turn(self) -> Page:
        """Make the page anew from all verdicts so far."""
        with self._lock:
            self._page = NOTHING_LEFT
            return self.page()

    def accept(self, faces: Sequence[Key], *, at: Step | None = None) -> list[Key]:
        """Accept faces at the step each of them is at. Returns the faces decided, here and below.

        Where `at` is given, here and below, all of them must be at that step: a key that was pressed for a face
        that has gone on since is refused (BadInput), and nothing is written.
        """
        with self._lock:
            given = [(face, self._decision(face, self._step(face, at), Verdict.ACCEPT)) for face in faces]
            return self._decide(given)

    def skip(self, faces: Sequence[Key], *, at: Step | None = None) -> list[Key]:
        """Leave faces for later."""
        with self._lock:
            return self._decide([(face, self._decision(face, self._step(face, at), Verdict.SKIP)) for face in faces])

    def reject(self, faces: Sequence[Key], reason: str | None = None, *, at: Step | None = None) -> list[Key]:
        """Reject faces, at the step of the reason: the one a face is at, or one that it passed before.

        Without a reason it is the first of the step's. Raises BadInput for a reason that is not asked yet.
        """
        with self._lock:
            return self._decide([(face, self._rejection(face, reason, at)) for face in faces])

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
                self._unsay(face, decision.step)
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
            return self._opinions(self._said)

    def owed(self, identities: Collection[str]) -> pl.DataFrame:
        """The faces of some people with the `step` this reviewer owes them, and whether it is `ready`."""
        with self._lock:
            faces = [face for identity in identities for face in self._material.faces_of(identity)]
            about = [(face, step) for face in faces for step in STEPS]
            return self._plan.owed_of(identities, self._opinions(about))

    def _opinions(self, places: Iterable[tuple[Key, Step]]) -> pl.DataFrame:
        given = ((face, step, self.verdict(face, step)) for face, step in places)
        rows = [(*face, str(step), *verdict) for face, step, verdict in given if verdict is not None]
        return pl.DataFrame(rows, schema=OPINIONS, orient="row")

    def judged(self) -> set[Key]:
        """The faces that this reviewer said anything of."""
        with self._lock:
            return {face for (face, _), said in self._said.items() if said}

    def queue(self) -> pl.DataFrame:
        """All faces in the order of this reviewer's queue, as `plan.ReviewPlan.queue`."""
        return self._plan.queue(self.opinions())

    def close(self) -> None:
        self._sitting.close()

    def _step(self, face: Key, expected: Step | None = None) -> Step:
        step = self._step_now(face)
        if expected is not None and step is not expected:
            raise BadInput(f"this face is at the step {step} by now, not at {expected}; look again")
        return step

    def _step_now(self, face: Key) -> Step:
        """The step a face is at; of a face that is done, the last one decided, so that a mind can be changed."""
        if self._page.step is not None and face in self._page.faces:
            return self._page.step
        if (owed := self._owed_step(face)) is not None:
            return owed
        decided = [step for step in STEPS if self.verdict(face, step) is not None]
        if not decided:
            raise BadInput("this face is not to be decided: the panel has settled it")
        return decided[-1]

    def _owed_step(self, face: Key) -> Step | None:
        found = self.owed([face.identity]).filter(pl.col("face_id") == face.face_id, pl.col("ready"))["step"]
        return Step(found[0]) if len(found) and found[0] is not None else None

    def _rejection(self, face: Key, reason: str | None, expected: Step | None) -> Decision:
        at = self._step(face, expected)
        permitted = [name for step in STEPS[: STEPS.index(at) + 1] for name in REVIEW_REASONS[step]]
        given = reason or REVIEW_REASONS[at][0]
        if given not in permitted:
            raise bad_value(f"reason at the step {at}", str(given), listed(permitted, 20))
        return self._decision(face, STEP_OF_REASON[Reason(given)], Verdict.REJECT, reason=Reason(given))

    def _keeping(self, keeper: Key) -> list[tuple[Key, Decision]]:
        given = [(keeper, self._decision(keeper, Step.DUPLICATE, Verdict.KEEP))]
        for rival in self._material.rivals(keeper):
            if rival in self._page.faces or self._owed_step(rival) is Step.DUPLICATE:
                exact = self._material.are_the_same_picture(keeper, rival)
                reason = Reason.EXACT_DUPLICATE if exact else Reason.NEAR_DUPLICATE
                given.append((rival, self._decision(rival, Step.DUPLICATE, Verdict.REJECT, reason=reason)))
        return given

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
            self._say(face, decision.step, decision.verdict, decision.reason)
        done = {face for face, decision in given if decision.verdict is not Verdict.LABEL}
        self._take_away(done)
        self.pace.mark(len(done))
        return [face for face, _ in given]

    def _say(self, face: Key, step: Step, verdict: Verdict, reason: Reason | None) -> None:
        before = self._counts_as_done(face, step)
        self._said.setdefault((face, step), []).append((verdict, reason))
        self.done[step] += self._counts_as_done(face, step) - before

    def _unsay(self, face: Key, step: Step) -> None:
        before = self._counts_as_done(face, step)
        self._said[face, step].pop()
        self.done[step] += self._counts_as_done(face, step) - before

    def _counts_as_done(self, face: Key, step: Step) -> bool:
        said = self.verdict(face, step)
        return said is not None and said[0] is not Verdict.SKIP

    def _take_away(self, done: set[Key]) -> None:
        left = tuple(face for face in self._page.faces if face not in done)
        self._count_open(len(left) - len(self._page.faces))
        self._page = replace(self._page, faces=left)

    def _put_back(self, faces: list[Key], step: Step) -> None:
        page = self._page
        if page.step is step:
            rest = tuple(face for face in page.faces if face not in faces)
            self._count_open(len(faces) + len(rest) - len(page.faces))
            self._page = replace(page, faces=(*faces, *rest))
        else:
            self._page = Page(step, "undone", None, tuple(faces))
            self._count_open(len(faces))

    def _count_open(self, more: int) -> None:
        if self._page.step is not None:
            self._open[str(self._page.step)] = self._open.get(str(self._page.step), 0) + more
