"""Key actions: the decisions that a pressed key stands for. Nothing is written here.

One face of a duplicate group has to stay; the latest choice of a keeper replaces earlier ones.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np

from mtf.annotation.decision import Decision, Verdict
from mtf.core.errors import BadInput, bad_value, listed
from mtf.review_app.engine.face_key import Key
from mtf.review_app.engine.page import CurrentPage
from mtf.review_app.engine.queue import ACCEPT, KEEP, NOTHING, REJECT, SKIP, VerdictCodes, duplicate_place
from mtf.review_app.engine.review_data import ReviewData
from mtf.review_app.engine.reviewer_votes import ReviewerVotes
from mtf.schemas import Reason, Step, funnel_steps

# Step that the screen showed when a key was pressed: of the page, or of each face of a view.
At = str | Mapping[Key, str] | None
Given = list[tuple[Key, Decision]]
DECIDED_MEANWHILE = "this face was decided meanwhile; press n"


class KeyActions:
    """Key actions of one reviewer, by the current page and the earlier verdicts.

    Each method raises BadInput if the key has no meaning for one of the faces.
    """

    def __init__(self, current: CurrentPage, votes: ReviewerVotes, *, reviewer: str, joint: bool) -> None:
        self._current = current
        self._votes = votes
        self._reviewer = reviewer
        self._joint = joint

    def step_now(self, face: Key) -> str:
        """Current step of a face; for a finished face the step of its rejection, else the last one with a verdict.

        A verdict at that step changes the earlier one.
        """
        step = self._current.open_step(face) or self._votes.last_step(self._current.review_data.row(face))
        if step is None:
            raise BadInput("this face is not to be decided: the panel has settled it")
        return step

    def accepted(self, faces: Sequence[Key], at: At) -> Given:
        return [each for face in faces for each in self._with_earlier(face, self._acceptance(face, at))]

    def skipped(self, faces: Sequence[Key], at: At) -> Given:
        return [(face, self._decision(face, self._step(face, at), Verdict.SKIP)) for face in faces]

    def rejected(self, faces: Sequence[Key], reason: str | None, at: At) -> Given:
        """Rejections of the faces; the default reason is the first of the step, for duplicates the kind that the
        pictures show.
        """
        given = [each for face in faces for each in self._with_earlier(face, self._rejection(face, reason, at))]
        duplicates = {face for face, decision in given if _is_duplicate(decision)}
        if any(self._none_stays(face, duplicates) for face in duplicates):
            raise BadInput(ONE_STAYS)
        return given

    def kept(self, faces: Sequence[Key], at: At) -> Given:
        """Keep the one face, and reject the faces of its group that it replaces."""
        if len(faces) != 1:
            raise BadInput(f"a group has one keeper, and {len(faces)} faces are selected")
        keeper = faces[0]
        if self._step(keeper, at) != Step.DUPLICATE:
            raise BadInput("this face is in no group of duplicates that is ready to be decided")
        rivals = (rival for rival in self._current.review_data.rivals(keeper) if self._gives_way(rival))
        return [
            (keeper, self._decision(keeper, Step.DUPLICATE, Verdict.KEEP)),
            *((rival, self._duplicate_of(keeper, rival)) for rival in rivals),
        ]

    def labelled(self, faces: Sequence[Key], column: str, value: str) -> Given:
        permitted = self._current.review_data.labels
        if column not in permitted:
            raise bad_value("label", column, listed(permitted))
        if value not in permitted[column]:
            raise bad_value(f"label {column}", value, listed(permitted[column], 20))
        labels = {column: value}
        return [(face, self._decision(face, Step.TASK_FIT, Verdict.LABEL, labels=labels)) for face in faces]

    def _with_earlier(self, face: Key, decision: Decision) -> Given:
        """Decision, after acceptances at the earlier steps that the page asks too and that the face has not passed."""
        asks = self._current.asks if self._current.is_on_page(face) else ()
        codes = self._votes.codes[self._current.review_data.row(face)]
        earlier = asks[: asks.index(decision.step)] if decision.step in asks else ()
        passed = (ACCEPT, KEEP)
        steps = [step for step in earlier if codes[funnel_steps.place_of(step)] not in passed]
        return [(face, self._decision(face, step, Verdict.ACCEPT)) for step in steps] + [(face, decision)]

    def _step(self, face: Key, at: At) -> str:
        if isinstance(at, str) and self._current.open_step(face) is None:
            raise BadInput(DECIDED_MEANWHILE)
        step = self.step_now(face)
        expected = at.get(face) if isinstance(at, Mapping) else at
        if expected is not None and step != expected:
            raise BadInput(f"this face is at the step {step} by now, not at {expected}; look again")
        return step

    def _acceptance(self, face: Key, at: At) -> Decision:
        step = self._step(face, at)
        if step == Step.TASK_FIT and (column := self._current.split_label(face)):
            raise BadInput(f"the panel is split on the label {column} of this face: give the label, or reject the face")
        return self._decision(face, step, Verdict.ACCEPT)

    def _rejection(self, face: Key, reason: str | None, at: At) -> Decision:
        now = self._step(face, at)
        reasons = funnel_steps.review_reasons()
        steps = funnel_steps.reviewed()[: funnel_steps.place_of(now) + 1]
        permitted = [name for step in steps for name in reasons[step]]
        given = reason or self._usual_reason(face, now)
        if given not in permitted:
            raise bad_value(f"reason at the step {now}", str(given), listed(permitted, 20))
        return self._decision(face, funnel_steps.step_of_reason()[given], Verdict.REJECT, reason=given)

    def _usual_reason(self, face: Key, now: str) -> str:
        """Reason of a rejection without one: the first of the step; of a face that is asked about again, the earlier
        one.
        """
        if now == Step.DUPLICATE:
            return self._kind_of_duplicate(face)
        row = self._current.review_data.row(face)
        for step in self._current.asks if self._current.is_on_page(face) else ():
            if (given := self._votes.verdict(row, step)) and given[0] is Verdict.REJECT and given[1]:
                return given[1]
        return funnel_steps.review_reasons()[now][0]

    def _kind_of_duplicate(self, face: Key) -> str:
        review_data = self._current.review_data
        return kind_of_duplicate(review_data, face, review_data.rivals(face))

    def _duplicate_of(self, keeper: Key, rival: Key) -> Decision:
        reason = kind_of_duplicate(self._current.review_data, rival, [keeper])
        return self._decision(rival, Step.DUPLICATE, Verdict.REJECT, reason=reason)

    def _gives_way(self, rival: Key) -> bool:
        """True if a face is rejected when another of its group is kept: it has no verdict yet, or was the keeper
        before.
        """
        is_open = self._current.open_step(rival) == Step.DUPLICATE
        kept = is_kept(self._current.review_data, self._votes, rival, joint=self._joint)
        return is_open or kept or self._current.owed_step(rival) == (Step.DUPLICATE, True)

    def _none_stays(self, face: Key, rejected: set[Key]) -> bool:
        return none_stays(self._current.review_data, self._votes, face, rejected=rejected, joint=self._joint)

    def _decision(
        self,
        face: Key,
        step: str,
        verdict: Verdict,
        *,
        reason: str | None = None,
        labels: dict[str, str] | None = None,
    ) -> Decision:
        image_id, box = self._current.review_data.place(face)
        return Decision(
            image_id=image_id,
            box=box,
            identity=face.identity,
            step=step,
            verdict=verdict,
            reason=reason,
            labels=labels,
            reviewer=self._reviewer,
            joint=self._joint,
        )


def _is_duplicate(decision: Decision) -> bool:
    return decision.step == Step.DUPLICATE and decision.verdict is Verdict.REJECT


ONE_STAYS = "one of a group of duplicates has to stay: keep one (k), or reject the last one for another reason"


def kind_of_duplicate(review_data: ReviewData, face: Key, others: Iterable[Key]) -> Reason:
    """Reason for rejecting a duplicate of `others`: exact if one of them is the same picture, else near."""
    same = (review_data.are_the_same_picture(face, other) for other in others)
    return Reason.EXACT_DUPLICATE if any(same) else Reason.NEAR_DUPLICATE


def none_stays(
    review_data: ReviewData, votes: ReviewerVotes, face: Key, *, rejected: Collection[Key], joint: bool
) -> bool:
    """True if no face of the group would stay once the faces in `rejected` are rejected as duplicates.

    False for a face without duplicates. If all other faces of the group were removed, for example taken down, this one
    counts as the last.
    """
    duplicate = duplicate_place()
    left = [one for one in (face, *review_data.rivals(face)) if one not in rejected]
    return review_data.has_copies(face) and all(
        (_codes(review_data, votes, one, joint=joint)[: duplicate + 1] == REJECT).any() for one in left
    )


def is_kept(review_data: ReviewData, votes: ReviewerVotes, face: Key, *, joint: bool) -> bool:
    """True if the face is the keeper of its group: in the reviewer's own verdicts, or in the joint session in the joint
    ones.
    """
    return bool(_codes(review_data, votes, face, joint=joint)[duplicate_place()] == KEEP)


def _codes(review_data: ReviewData, votes: ReviewerVotes, face: Key, *, joint: bool) -> VerdictCodes:
    """Verdict codes of a face per step, as they apply in this session.

    In the joint session, joint verdicts replace the panel's. For a reviewer the panel's settled verdicts apply before
    the duplicate step, as in the queue, and only their own at it, so that they do not see others' verdicts on a group.
    """
    row = review_data.row(face)
    own, settled = votes.codes[row], review_data.panel_verdicts.codes[row]
    if joint:
        return np.where((own == NOTHING) | (own == SKIP), settled, own)
    before = np.arange(len(own)) < duplicate_place()
    return np.where(before & (settled != NOTHING), settled, own)
