"""Decision: one reviewer's verdict on one face at one step, and its line in the ledger."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, PlainValidator, model_validator
from pydantic_core import PydanticCustomError

from mtf import __version__
from mtf.annotation.reviewer_name import PERMITTED, is_reviewer_name
from mtf.schemas import SHA256, SLUG, Step, funnel_steps

MAX_PIXEL = 1_000_000  # beyond any picture that the crawler accepts; areas stay exact in 64 bits
MAX_SLUG = 100

Slug = Annotated[str, Field(pattern=SLUG, max_length=MAX_SLUG)]
Text = Annotated[str, Field(min_length=1, max_length=200)]
Labels = dict[Text, Text]
Pixel = Annotated[int, Field(ge=0, le=MAX_PIXEL)]
Size = Annotated[int, Field(ge=1, le=MAX_PIXEL)]


def _step(given: object) -> str:
    return _one_of(given, funnel_steps.names(), permitted=funnel_steps.reviewed())


def _reason(given: object) -> str:
    return _one_of(given, funnel_steps.reasons(), permitted=funnel_steps.step_of_reason())


def _one_of(given: object, names: Sequence[str], *, permitted: Iterable[str]) -> str:
    """Registered name that equals `given`; for the package's own names, the member of their enumeration.

    Raises PydanticCustomError with the names `permitted` in a review if there is none.
    """
    if not isinstance(given, str) or given not in names:
        raise PydanticCustomError("registered", "{names}", {"names": _named(permitted)})
    return names[names.index(given)]


# A name of the registry of funnel steps (`mtf.schemas.funnel_steps`); the package's own are Step and Reason.
StepName = Annotated[str, PlainValidator(_step)]
ReasonName = Annotated[str, PlainValidator(_reason)]


def _reviewer(given: object) -> str:
    if not isinstance(given, str) or not is_reviewer_name(given):
        raise PydanticCustomError("reviewer", "{permitted}", {"permitted": PERMITTED})
    return given


ReviewerName = Annotated[str, PlainValidator(_reviewer)]


class Verdict(StrEnum):
    """Verdict of a reviewer: `keep` names the keeper of a duplicate group, `label` corrects labels."""

    ACCEPT = "accept"
    REJECT = "reject"
    KEEP = "keep"
    LABEL = "label"
    SKIP = "skip"
    UNDO = "undo"


# Verdicts by which a face stays: accept and keep agree.
STAYS = (Verdict.ACCEPT, Verdict.KEEP)


def contradiction(step: str, verdict: Verdict, reason: str | None, *, has_labels: bool) -> str | None:
    """Error message for fields that contradict each other, with the permitted values; None if they are consistent."""
    permitted = funnel_steps.review_reasons()
    if step not in permitted:
        return f"step: {str(step)!r} is not permitted; permitted: {_named(permitted)}"
    reasons = permitted[step] if verdict is Verdict.REJECT else (None,)
    if reason not in reasons:
        given = repr(str(reason)) if reason else "null"
        return f"reason: {given} is not permitted with {verdict} at {step}; permitted: {_named(reasons)}"
    if has_labels != (verdict is Verdict.LABEL):
        return f"labels: {'some are' if has_labels else 'none is'} given; permitted: some with label, else none"
    if verdict is Verdict.KEEP and step != Step.DUPLICATE:
        return f"verdict: 'keep' is not permitted at {step}; permitted: at duplicate"
    return None


class Decision(BaseModel):
    """Decision of a reviewer, one line of the ledger.

    Raises pydantic's ValidationError if a field is malformed or the fields contradict each other.

    image_id: SHA-256 of the image's bytes.
    box: x, y, width, height in pixels of the upright image.
    identity: slug of the person.
    step: step of the funnel.
    verdict: the reviewer's verdict.
    reason: reason of a rejection.
    labels: corrected labels, column → label.
    reviewer: name of the reviewer (`mtf.annotation.reviewer_name`).
    time: time of the decision, with a time zone.
    program: version of the program that wrote the line.
    joint: true for a verdict of the joint session (MTF, section 3.3).
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    image_id: Annotated[str, Field(pattern=SHA256)]
    box: tuple[Pixel, Pixel, Size, Size]
    identity: Slug
    step: StepName
    verdict: Verdict
    reason: ReasonName | None = None
    labels: Labels | None = None
    reviewer: ReviewerName
    time: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC))
    program: Text = __version__
    joint: bool = False

    @model_validator(mode="after")
    def _fields_agree(self) -> Decision:
        if wrong := contradiction(self.step, self.verdict, self.reason, has_labels=bool(self.labels)):
            raise ValueError(wrong)
        return self

    def undone(self, *, time: datetime | None = None) -> Decision:
        """Undo line for this decision, as long as it is its reviewer's latest on this face and step."""
        changes = {"verdict": Verdict.UNDO, "reason": None, "labels": None, "time": time or datetime.now(UTC)}
        return self.model_copy(update=changes)

    def line(self) -> bytes:
        """Ledger line: one JSON object and a newline."""
        return self.model_dump_json().encode("utf-8") + b"\n"


def _named(values: Iterable[object]) -> str:
    return ", ".join("null" if value is None else str(value) for value in values)
