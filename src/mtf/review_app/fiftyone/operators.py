"""FiftyOne operators of the review: the screen's requests over the reviewer's desk.

An operator answers when the verdict is in the ledger, and needs no database for it. The data set that the request
comes from says who the reviewer is.
"""

from __future__ import annotations

import logging
from typing import Any

import fiftyone.operators as foo
from fiftyone.operators import types

from mtf.core.errors import MtfError, bad_value, listed
from mtf.review_app.engine.page import Page
from mtf.review_app.engine.review_data import Key, ReviewData
from mtf.review_app.engine.session import At, ReviewSession
from mtf.review_app.fiftyone.live_session import room
from mtf.review_app.fiftyone.sample_updates import proposed_keepers
from mtf.review_app.fiftyone.samples import sample_id
from mtf.schemas import Step, funnel_steps

log = logging.getLogger(__name__)


def describe(desk: ReviewSession, page: Page, material: ReviewData) -> dict[str, Any]:
    """The page and the progress, as the screen shows them."""
    pace = desk.pace.per_hour
    return {
        "reviewer": desk.reviewer,
        "joint": desk.joint,
        "step": str(page.step) if page.step else None,
        "run": page.run,
        "settle": page.label,
        "page": [sample_id(*face) for face in page.faces],
        "proposed": [sample_id(*face) for face in proposed_keepers(material, page)],
        "question": _question(material, page),
        "can_keep": page.step == Step.DUPLICATE,
        "reasons": _reasons_until(page.step),
        "reason_keys": funnel_steps.reason_keys(),
        "labels": dict(material.labels),
        "steps": [
            {
                "step": str(step),
                "title": funnel_steps.heading_of(step),
                "done": desk.done[step],
                "open": desk.open_faces(step),
            }
            for step in funnel_steps.reviewed()
        ],
        "per_minute": round(pace / 60, 1) if pace else None,
        "minutes_left": round(60 * desk.left / pace) if pace else None,
    }


def _question(material: ReviewData, page: Page) -> str | None:
    """The question about the page; None where nothing is left."""
    if page.step is None:
        return None
    people = {material.faces["name"][material.row(face)] for face in page.faces}
    return funnel_steps.named(page.step).question_about(people.pop() if len(people) == 1 else "the person")


def _reasons_until(step: str | None) -> list[str]:
    """The reasons that may be given for a face at `step`: its own, and those of the steps before it."""
    before = funnel_steps.reviewed()[: funnel_steps.place_of(step) + 1] if step else ()
    return [str(reason) for name in before for reason in funnel_steps.review_reasons()[name]]


def page_of(desk: ReviewSession) -> dict[str, Any]:
    """The page that the screen shows next, as `describe` does."""
    page = desk.page()
    room().show_page(page)
    return describe(desk, page, room().material)


class RoomOperator(foo.Operator):
    """Request of the screen to the reviewer's desk, with one answer."""

    NAME: str
    LABEL: str
    UNLISTED = False
    DYNAMIC = False

    @property
    def config(self) -> foo.OperatorConfig:
        return foo.OperatorConfig(name=self.NAME, label=self.LABEL, unlisted=self.UNLISTED, dynamic=self.DYNAMIC)

    def execute(self, ctx: foo.ExecutionContext) -> dict[str, Any]:
        try:
            return self.answer(ctx, room().desk_of(ctx.request_params.get("dataset_name")))
        except MtfError as error:
            # Said on the screen in one line; a traceback would help nobody who reviews.
            return {"refused": str(error)}

    def answer(self, ctx: foo.ExecutionContext, desk: ReviewSession) -> dict[str, Any]:
        """Raises MtfError for what the screen is to refuse, in its words."""
        raise NotImplementedError


class Acting(RoomOperator):
    """Does its work at the desk, then says what is on the page."""

    def answer(self, ctx: foo.ExecutionContext, desk: ReviewSession) -> dict[str, Any]:
        done = self.work(ctx, desk)
        # From here on the decision is in the ledger, whatever becomes of the next page: it must not be called lost.
        said = {"done": len(done), "said": self.said(ctx.params, done)}
        try:
            room().show(done)
            return page_of(desk) | said
        except Exception as error:
            log.exception("the next page failed")
            return said | {"saved_but": " ".join(f"{type(error).__name__} {error}".split())[:200]}

    def work(self, ctx: foo.ExecutionContext, desk: ReviewSession) -> list[Key]:
        raise NotImplementedError

    def said(self, params: dict[str, Any], done: list[Key]) -> str:  # noqa: ARG002 (for operators that name a reason)
        return f"{self.LABEL}: {len(done)} {'face' if len(done) == 1 else 'faces'}"

    def resolve_output(self, ctx: foo.ExecutionContext) -> types.Property:  # noqa: ARG002 (FiftyOne's signature)
        outputs = types.Object()
        outputs.str("said", label="Done")
        outputs.str("refused", label="Not done")
        return types.Property(outputs)


def chosen(ctx: foo.ExecutionContext) -> list[Key]:
    """The faces an operator is about: those named, else the one that is open, else the selection."""
    ids = ctx.params.get("ids")
    if not ids:
        current = ctx.request_params.get("current_sample")
        ids = [current] if current else ctx.request_params.get("selected") or []
    return room().named(ids)


def expected(ctx: foo.ExecutionContext) -> At:
    """Steps that the screen showed at the key: `step` for the faces of a page, `at` for each of a view."""
    if shown := ctx.params.get("at"):
        return {room().named([name])[0]: _step(step) for name, step in shown.items() if step}
    return _step(ctx.params["step"]) if ctx.params.get("step") else None


def _step(name: str) -> str:
    """The step that the screen names. Raises BadInput where the room has none of that name."""
    if name not in funnel_steps.reviewed():
        raise bad_value("step", name, listed(funnel_steps.reviewed(), 20))
    return name


class ShowPage(Acting):
    NAME, LABEL, UNLISTED = "page", "Review: show the page", True

    def work(self, ctx: foo.ExecutionContext, desk: ReviewSession) -> list[Key]:
        if ctx.params.get("turn"):
            desk.turn()
        return []

    def said(self, params: dict[str, Any], done: list[Key]) -> str:  # noqa: ARG002
        return "the page, made anew" if params.get("turn") else "the page"


class Accept(Acting):
    NAME, LABEL = "accept", "Accept"

    def work(self, ctx: foo.ExecutionContext, desk: ReviewSession) -> list[Key]:
        return desk.accept(chosen(ctx), at=expected(ctx))


class Reject(Acting):
    NAME, LABEL = "reject", "Reject"

    def resolve_input(self, ctx: foo.ExecutionContext) -> types.Property:  # noqa: ARG002 (FiftyOne's signature)
        inputs = types.Object()
        reasons = [str(reason) for reason in funnel_steps.step_of_reason()]
        inputs.enum("reason", reasons, label="Reason", description="Empty: the first of the step's.")
        return types.Property(inputs, view=types.View(label="Reject the selected faces"))

    def work(self, ctx: foo.ExecutionContext, desk: ReviewSession) -> list[Key]:
        return desk.reject(chosen(ctx), ctx.params.get("reason"), at=expected(ctx))

    def said(self, params: dict[str, Any], done: list[Key]) -> str:
        reason = params.get("reason")
        return super().said(params, done) + (f" ({reason.replace('_', ' ')})" if reason else "")


class Keep(Acting):
    NAME, LABEL = "keep", "Keep of its group"

    def work(self, ctx: foo.ExecutionContext, desk: ReviewSession) -> list[Key]:
        return desk.keep(chosen(ctx), at=expected(ctx))

    def said(self, params: dict[str, Any], done: list[Key]) -> str:  # noqa: ARG002
        return f"Kept 1, rejected {len(done) - 1} as its duplicates"


class Skip(Acting):
    NAME, LABEL = "skip", "Skip"

    def work(self, ctx: foo.ExecutionContext, desk: ReviewSession) -> list[Key]:
        return desk.skip(chosen(ctx), at=expected(ctx))


class Label(Acting):
    NAME, LABEL, DYNAMIC = "label", "Correct a label", True

    def resolve_input(self, ctx: foo.ExecutionContext) -> types.Property:
        inputs = types.Object()
        permitted = room().material.labels
        inputs.enum("column", list(permitted), label="Label", required=True)
        values = permitted.get(ctx.params.get("column", ""), [])
        inputs.enum("value", list(values), label="What it should be", required=True)
        return types.Property(inputs, view=types.View(label="Correct a label of the selected faces"))

    def work(self, ctx: foo.ExecutionContext, desk: ReviewSession) -> list[Key]:
        return desk.label(chosen(ctx), ctx.params.get("column", ""), ctx.params.get("value", ""))

    def said(self, params: dict[str, Any], done: list[Key]) -> str:
        return super().said(params, done) + f" ({params.get('column')}: {params.get('value')})"


class Undo(Acting):
    NAME, LABEL = "undo", "Undo"

    def work(self, ctx: foo.ExecutionContext, desk: ReviewSession) -> list[Key]:  # noqa: ARG002
        return desk.undo()


class Where(RoomOperator):
    """The step that a key would be about, of each of the faces named: for the bar, before the key is pressed."""

    NAME, LABEL, UNLISTED = "where", "Review: where faces stand", True

    def answer(self, ctx: foo.ExecutionContext, desk: ReviewSession) -> dict[str, Any]:
        steps = {sample_id(*face): desk.step_of(face) for face in room().named(ctx.params.get("ids") or [])}
        return {"at": {name: str(step) if step else None for name, step in steps.items()}}


class Progress(RoomOperator):
    """All reviewers of the room: who did how much, and nothing of what they said."""

    NAME, LABEL, UNLISTED = "progress", "Review: progress", True

    def answer(self, ctx: foo.ExecutionContext, desk: ReviewSession) -> dict[str, Any]:  # noqa: ARG002
        everyone = room().everyone()
        return {"everyone": everyone, "silent": max(room().material.reviewers - len(everyone), 0)}


def register(plugin: Any) -> None:
    """Register the operators; FiftyOne calls it when it loads the plugin."""
    for operator in (ShowPage, Accept, Reject, Keep, Skip, Label, Undo, Where, Progress):
        plugin.register(operator)
