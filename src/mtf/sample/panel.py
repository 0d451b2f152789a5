"""Simulated panel: three reviewers who know the ground truth, and each err now and then.

- The panel replaces people, so that the funnel can be run. Every decision names PROGRAM.
- Each reviewer decides step by step, in the order of the funnel. A rejected face gets no further decisions.
- The reviewers disagree on HARD_FACES faces; half of these are decided jointly later.
- UNFINISHED_FACES faces are decided by one reviewer only.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from mtf import __version__
from mtf.annotation.decision import Decision, Verdict
from mtf.sample.finds import PictureKind
from mtf.sample.portrait import Box
from mtf.sample.truth import Truth
from mtf.schemas import Reason, Step, funnel_steps

REVIEWERS = ("panel-a", "panel-b", "panel-c")
PROGRAM = f"mtf {__version__} simulated panel"
BEGIN = datetime(2026, 1, 1, 9, 0, tzinfo=UTC)
JOINT_MEETING = datetime(2026, 1, 8, 10, 0, tzinfo=UTC)
SECONDS_PER_DECISION = 2

SAME_FACE_IOU = 0.5
PARTLY_IOU = 0.2
# Probability, per reviewer and step, of rejecting a face that should be accepted.
WRONGLY_REJECTED = 0.006
# Probability, per reviewer and step, of accepting a face that should be rejected.
WRONGLY_KEPT = 0.05
# Probability, per reviewer and step, of skipping a face.
SKIPPED = 0.002
HARD_FACES = 8
UNFINISHED_FACES = 4

_QUALITY = {
    PictureKind.SUNGLASSES: Reason.OBSTRUCTED,
    PictureKind.HAND: Reason.OBSTRUCTED,
    PictureKind.CARTOON: Reason.NOT_A_PHOTOGRAPH,
    PictureKind.STRANGE_COLOURS: Reason.UNNATURAL,
    PictureKind.OUT_OF_FOCUS: Reason.BLURRED,
    PictureKind.PIXELATED: Reason.BLURRED,
}
_REPEATED = {PictureKind.BURST: Reason.NEAR_DUPLICATE, PictureKind.RESAVED: Reason.EXACT_DUPLICATE}
_TASK_FIT = {PictureKind.WRONG_AGE: Reason.WRONG_AGE_GROUP, PictureKind.CHILDHOOD: Reason.CHILDHOOD}


@dataclass(frozen=True)
class Face:
    """Detected face, the subject of decisions.

    - `identity`: identity whose search found the image;
    - `image_id`: the image;
    - `box`: x, y, width, height in pixels.
    """

    identity: str
    image_id: str
    box: Box


@dataclass(frozen=True)
class Judgement:
    """Ground truth of a face.

    - `step`: step at which it must be rejected, or None;
    - `reason`: reason of the rejection, or None;
    - `keep`: true if it is the face to keep of a group of duplicates.
    """

    step: Step | None = None
    reason: Reason | None = None
    keep: bool = False

    def at(self, step: str) -> tuple[Verdict, str | None]:
        """Correct verdict and reason at one step."""
        if step == self.step:
            return Verdict.REJECT, self.reason
        return (Verdict.KEEP if self.keep and step == Step.DUPLICATE else Verdict.ACCEPT), None


def judge(faces: Sequence[Face], truths: Iterable[Truth]) -> dict[Face, Judgement]:
    """Ground truth of each detected face, from the truths of the drawn pictures."""
    truths = list(truths)
    on_picture = {(truth.identity, truth.image_id): truth for truth in reversed(truths)}
    by_url = {(truth.identity, truth.url): truth for truth in truths}
    found = {(face.identity, face.image_id) for face in faces}
    originals = (by_url.get((truth.identity, truth.repeats or "")) for truth in truths if truth.kind in _REPEATED)
    kept = {(original.identity, original.image_id) for original in originals if original is not None} & found
    return {face: _judgement(face, on_picture[face.identity, face.image_id], kept, by_url) for face in faces}


def _judgement(face: Face, truth: Truth, kept: set[tuple[str, str]], by_url: dict[tuple[str, str], Truth]) -> Judgement:
    overlap, shown_identity = max(((_iou(face.box, box), who) for box, who in truth.faces), default=(0.0, ""))
    if overlap < SAME_FACE_IOU:
        partly = overlap >= PARTLY_IOU
        return Judgement(Step.FACE, Reason.PARTIAL_FACE if partly else Reason.NOT_A_FACE)
    if shown_identity != face.identity:
        return Judgement(Step.IDENTITY, Reason.WRONG_PERSON)
    if truth.kind in _QUALITY:
        return Judgement(Step.QUALITY, _QUALITY[truth.kind])
    original = by_url.get((truth.identity, truth.repeats or ""))
    if truth.kind in _REPEATED and original and (original.identity, original.image_id) in kept:
        return Judgement(Step.DUPLICATE, _REPEATED[truth.kind])
    if truth.kind in _TASK_FIT:
        return Judgement(Step.TASK_FIT, _TASK_FIT[truth.kind])
    return Judgement(keep=(face.identity, face.image_id) in kept)


def review(judgements: dict[Face, Judgement], *, seed: int) -> list[list[Decision]]:
    """Decisions of the panel: a list per reviewer, and the joint decisions on hard faces."""
    faces = sorted(judgements, key=lambda face: (face.identity, face.image_id, face.box))
    hard, unfinished = _hard_faces(faces, judgements, seed)
    decisions = [
        _decisions_of(reviewer, number, faces, judgements, hard, unfinished, seed)
        for number, reviewer in enumerate(REVIEWERS)
    ]
    return [*decisions, _joint_decisions(hard, judgements)]


def _hard_faces(
    faces: Sequence[Face], judgements: dict[Face, Judgement], seed: int
) -> tuple[dict[Face, Step], frozenset[Face]]:
    """Hard faces, each with the step at which the panel disagrees; and faces for the first reviewer only."""
    rng = np.random.default_rng([seed, 5])
    fit = [face for face in faces if judgements[face].step is None]
    splitting = (Step.QUALITY, Step.IDENTITY)
    picked = [fit[index] for index in rng.permutation(len(fit))[: HARD_FACES + UNFINISHED_FACES]]
    hard = {face: splitting[number % 2] for number, face in enumerate(picked[:HARD_FACES])}
    return hard, frozenset(picked[HARD_FACES:])


def _decisions_of(
    reviewer: str,
    number: int,
    faces: Sequence[Face],
    judgements: dict[Face, Judgement],
    hard: dict[Face, Step],
    unfinished: frozenset[Face],
    seed: int,
) -> list[Decision]:
    """Decisions of one reviewer, step by step; a rejected face gets no further decisions."""
    rng = np.random.default_rng([seed, 6, zlib.crc32(reviewer.encode())])
    decisions: list[Decision] = []
    left = [face for face in faces if number == 0 or face not in unfinished]
    for step in funnel_steps.reviewed():
        staying = []
        for face in left:
            if hard.get(face) == step:
                verdict, reason = _split(step, number)
            else:
                verdict, reason = _perceived(judgements[face], step, rng)
            decisions.append(_decision(face, step, verdict, reason, reviewer, _time(BEGIN, len(decisions))))
            if verdict is not Verdict.REJECT:
                staying.append(face)
        left = staying
    return decisions


def _split(step: str, number: int) -> tuple[Verdict, str | None]:
    """Verdict of the reviewer `number` on a hard face: accept, reject or skip, so that there is no majority."""
    return ((Verdict.ACCEPT, None), (Verdict.REJECT, funnel_steps.review_reasons()[step][0]), (Verdict.SKIP, None))[
        number
    ]


def _perceived(judgement: Judgement, step: str, rng: np.random.Generator) -> tuple[Verdict, str | None]:
    """Verdict and reason of a reviewer who errs at random."""
    verdict, reason = judgement.at(step)
    chance = rng.random()
    if chance < SKIPPED:
        return Verdict.SKIP, None
    if verdict is Verdict.REJECT:
        return (Verdict.ACCEPT, None) if chance > 1 - WRONGLY_KEPT else (verdict, reason)
    if chance > 1 - WRONGLY_REJECTED:
        reasons = funnel_steps.review_reasons()[step]
        return Verdict.REJECT, reasons[int(rng.integers(len(reasons)))]
    return verdict, None


def _joint_decisions(hard: dict[Face, Step], judgements: dict[Face, Judgement]) -> list[Decision]:
    """Joint decisions, all correct, on every other hard face."""
    decisions = []
    for face, step in list(hard.items())[::2]:
        verdict, reason = judgements[face].at(step)
        time = _time(JOINT_MEETING, len(decisions))
        decisions.append(_decision(face, step, verdict, reason, REVIEWERS[0], time, joint=True))
    return decisions


def _decision(
    face: Face,
    step: str,
    verdict: Verdict,
    reason: str | None,
    reviewer: str,
    time: datetime,
    *,
    joint: bool = False,
) -> Decision:
    return Decision(
        image_id=face.image_id,
        box=face.box,
        identity=face.identity,
        step=step,
        verdict=verdict,
        reason=reason,
        reviewer=reviewer,
        time=time,
        program=PROGRAM,
        joint=joint,
    )


def _time(begin: datetime, number: int) -> datetime:
    return begin + timedelta(seconds=SECONDS_PER_DECISION * number)


def _iou(one: Box, other: Box) -> float:
    """Intersection over union of two boxes."""
    width = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    height = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    shared = max(0, width) * max(0, height)
    return shared / (one[2] * one[3] + other[2] * other[3] - shared)
