"""Gold questions: faces whose answer is known, planted among the real ones; and the answers that reviewers gave.

Gold answers are no votes. They lie in `data/review/NAME/gold/TIME.jsonl`, which neither curation nor the release reads.
A made picture is never stored: it is made from its source face when it is shown (`review_app.engine.gold_pictures`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import Field

from mtf.annotation import ledger
from mtf.annotation.decision import STAYS, Pixel, ReasonName, Size, Slug, StepName, Verdict
from mtf.annotation.record import Record
from mtf.schemas import SHA256

FOLDER = "gold"


class GoldKind(StrEnum):
    """Origin of a gold question.

    `joint`: a face that the joint session decided. `accepted`: one that the whole panel accepted. `stranger`: a face of
    another person. `drawn`, `blurred`, `cut`: a face of the person, made into a drawing, blurred, or cut in half.
    """

    JOINT = "joint"
    ACCEPTED = "accepted"
    STRANGER = "stranger"
    DRAWN = "drawn"
    BLURRED = "blurred"
    CUT = "cut"


# Hard for anybody: the panel was split on them. They say nothing of attention.
HARD = (GoldKind.JOINT,)


class GoldAnswer(Record):
    """Answer of a reviewer to one gold question.

    kind: origin of the question.
    identity: slug of the person whom the page asked about.
    source: slug of the person under whom the source face stands.
    image_id: SHA-256 of the source image's bytes.
    box: x, y, width, height of the source face, in pixels of the upright image.
    step: step that the page asked, the last one if it asked several.
    stays: the right answer; true if the face stays.
    verdict: the answer; `undo` withdraws the reviewer's last answer to this question.
    reason: reason of a rejection.
    """

    kind: GoldKind
    identity: Slug
    source: Slug
    image_id: Annotated[str, Field(pattern=SHA256)]
    box: tuple[Pixel, Pixel, Size, Size]
    step: StepName
    stays: bool
    verdict: Verdict
    reason: ReasonName | None = None

    @property
    def question(self) -> tuple[str, GoldKind, str, str, tuple[int, int, int, int], str]:
        """Key of the question, the reviewer's name included."""
        return self.reviewer, self.kind, self.identity, self.image_id, self.box, self.step

    @property
    def is_right(self) -> bool:
        """True if the verdict keeps a face that stays, or rejects one that does not, for whatever reason."""
        return (self.verdict in STAYS) == self.stays


def read(folder: Path) -> tuple[list[GoldAnswer], list[str]]:
    """Standing gold answers in the ledger at `folder`, oldest first, and a line of text for each torn one.

    An answer stands if it is the reviewer's last to the question and was not undone. A skip withdraws it; a corrected
    label does not.
    """
    lines, torn = ledger.records(folder, FOLDER, GoldAnswer)
    return standing(lines), torn


def standing(lines: Iterable[GoldAnswer]) -> list[GoldAnswer]:
    """Answers of `lines` (oldest first) that stand, see `read`."""
    stacks: dict[object, list[GoldAnswer]] = {}
    for answer in lines:
        stack = stacks.setdefault(answer.question, [])
        if answer.verdict is not Verdict.UNDO:
            stack.append(answer)
        elif stack:
            stack.pop()
    verdicts = ([one for one in stack if one.verdict is not Verdict.LABEL] for stack in stacks.values())
    last = (given[-1] for given in verdicts if given)
    return sorted((one for one in last if one.verdict is not Verdict.SKIP), key=lambda answer: answer.time)


def by_reviewer(answers: Sequence[GoldAnswer]) -> dict[str, list[GoldAnswer]]:
    """Answers of each reviewer, in their order."""
    found: dict[str, list[GoldAnswer]] = {}
    for answer in answers:
        found.setdefault(answer.reviewer, []).append(answer)
    return found
