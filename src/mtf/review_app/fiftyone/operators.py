"""FiftyOne operators of the review: requests from the screen to the reviewer's session.

An operator answers once the verdict is in the ledger, and needs no database for it. The data set of the request tells
who the reviewer is.
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
from mtf.review_app.fiftyone.live_session import current_session
from mtf.review_app.fiftyone.sample_updates import proposed_keepers
from mtf.review_app.fiftyone.samples import sample_id
from mtf.schemas import Step, funnel_steps

log = logging.getLogger(__name__)


def describe(session: ReviewSession, page: Page, review_data: ReviewData) -> dict[str, Any]:
    """Page and progress as the screen shows them."""
    pace = session.pace.per_hour
    return {
        "reviewer": session.reviewer,
        "joint": session.joint,
        "step": str(page.step) if page.step else None,
        "run": page.run,
        "settle": page.label,
        "page": [sample_id(*face) for face in page.faces],
        "proposed": [sample_id(*face) for face in proposed_keepers(review_data, page)],
        "question": _question(review_data, page),
        "can_keep": page.step == Step.DUPLICATE,
        "reasons": _reasons_until(page.step),
        "reason_keys": funnel_steps.reason_keys(),
        "labels": dict(review_data.labels),
        "steps": [
            {
                "step": str(step),
                "title": funnel_steps.heading_of(step),
                "done": session.done[step],
                "open": session.open_faces(step),
            }
            for step in funnel_steps.reviewed()
        ],
        "per_minute": round(pace / 60, 1) if pace else None,
        "minutes_left": round(60 * session.left / pace) if pace else None,
    }


def _question(review_data: ReviewData, page: Page) -> str | None:
    """Question about the page; None if nothing is left."""
    if page.step is None:
        return None
    people = {review_data.faces["name"][review_data.row(face)] for face in page.faces}
    return page.question_about(people.pop() if len(people) == 1 else "the person")


def _reasons_until(step: str | None) -> list[str]:
    """Reasons permitted for a face at `step`: those of the step and of earlier ones."""
    before = funnel_steps.reviewed()[: funnel_steps.place_of(step) + 1] if step else ()
    return [str(reason) for name in before for reason in funnel_steps.review_reasons()[name]]


def page_of(session: ReviewSession) -> dict[str, Any]:
    """Next page of the session, as `describe` returns it."""
    page = session.page()
    current_session().show_page(page)
    return describe(session, page, current_session().review_data)


class ReviewOperator(foo.Operator):
    """Operator that answers one request to the reviewer's session."""

    NAME: str
    LABEL: str
    UNLISTED = False
    DYNAMIC = False

    @property
    def config(self) -> foo.OperatorConfig:
        return foo.OperatorConfig(name=self.NAME, label=self.LABEL, unlisted=self.UNLISTED, dynamic=self.DYNAMIC)

    def execute(self, ctx: foo.ExecutionContext) -> dict[str, Any]:
        try:
            return self.answer(ctx, current_session().session_of(ctx.request_params.get("dataset_name")))
        except MtfError as error:
            # The screen shows one line; a traceback would not help a reviewer.
            return {"refused": str(error)}

    def answer(self, ctx: foo.ExecutionContext, session: ReviewSession) -> dict[str, Any]:
        """Answer the request; raises MtfError with the text that the screen shows as a refusal."""
        raise NotImplementedError


class FaceAction(ReviewOperator):
    """Operator that acts on faces, then answers with the next page."""

    def answer(self, ctx: foo.ExecutionContext, session: ReviewSession) -> dict[str, Any]:
        done = self.work(ctx, session)
        # The decision is in the ledger by now: if the next page fails, the screen must not report it as lost.
        answer = {"done": len(done), "message": self.message(ctx.params, done)}
        try:
            current_session().show(done)
            return page_of(session) | answer
        except Exception as error:
            log.exception("the next page failed")
            return answer | {"saved_but": " ".join(f"{type(error).__name__} {error}".split())[:200]}

    def work(self, ctx: foo.ExecutionContext, session: ReviewSession) -> list[Key]:
        raise NotImplementedError

    def message(self, params: dict[str, Any], done: list[Key]) -> str:  # noqa: ARG002 (for operators that name a reason)
        return f"{self.LABEL}: {len(done)} {'face' if len(done) == 1 else 'faces'}"

    def resolve_output(self, ctx: foo.ExecutionContext) -> types.Property:  # noqa: ARG002 (FiftyOne's signature)
        outputs = types.Object()
        outputs.str("message", label="Done")
        outputs.str("refused", label="Not done")
        return types.Property(outputs)


def chosen(ctx: foo.ExecutionContext) -> list[Key]:
    """Faces that an operator acts on: those given, else the open one, else the selection."""
    ids = ctx.params.get("ids")
    if not ids:
        current = ctx.request_params.get("current_sample")
        ids = [current] if current else ctx.request_params.get("selected") or []
    return current_session().named(ids)


def expected(ctx: foo.ExecutionContext) -> At:
    """Steps that the screen showed when the key was pressed: `step` for a page, `at` for each face of a view."""
    if steps := ctx.params.get("at"):
        return {current_session().named([name])[0]: _step(step) for name, step in steps.items() if step}
    return _step(ctx.params["step"]) if ctx.params.get("step") else None


def _step(name: str) -> str:
    """Step named by the screen; raises BadInput for an unknown one."""
    if name not in funnel_steps.reviewed():
        raise bad_value("step", name, listed(funnel_steps.reviewed(), 20))
    return name


class ShowPage(FaceAction):
    """Operator that shows the current page, or with `turn` a new one."""

    NAME, LABEL, UNLISTED = "page", "Review: show the page", True

    def work(self, ctx: foo.ExecutionContext, session: ReviewSession) -> list[Key]:
        if ctx.params.get("turn"):
            session.turn()
        return []

    def message(self, params: dict[str, Any], done: list[Key]) -> str:  # noqa: ARG002
        return "the page, made anew" if params.get("turn") else "the page"


class Accept(FaceAction):
    """Operator that accepts faces."""

    NAME, LABEL = "accept", "Accept"

    def work(self, ctx: foo.ExecutionContext, session: ReviewSession) -> list[Key]:
        return session.accept(chosen(ctx), at=expected(ctx))


class Reject(FaceAction):
    """Operator that rejects faces."""

    NAME, LABEL = "reject", "Reject"

    def resolve_input(self, ctx: foo.ExecutionContext) -> types.Property:  # noqa: ARG002 (FiftyOne's signature)
        inputs = types.Object()
        reasons = [str(reason) for reason in funnel_steps.step_of_reason()]
        inputs.enum("reason", reasons, label="Reason", description="Empty: the first of the step's.")
        return types.Property(inputs, view=types.View(label="Reject the selected faces"))

    def work(self, ctx: foo.ExecutionContext, session: ReviewSession) -> list[Key]:
        return session.reject(chosen(ctx), ctx.params.get("reason"), at=expected(ctx))

    def message(self, params: dict[str, Any], done: list[Key]) -> str:
        reason = params.get("reason")
        return super().message(params, done) + (f" ({reason.replace('_', ' ')})" if reason else "")


class Keep(FaceAction):
    """Operator that keeps one face of its duplicate group."""

    NAME, LABEL = "keep", "Keep of its group"

    def work(self, ctx: foo.ExecutionContext, session: ReviewSession) -> list[Key]:
        return session.keep(chosen(ctx), at=expected(ctx))

    def message(self, params: dict[str, Any], done: list[Key]) -> str:  # noqa: ARG002
        return f"Kept 1, rejected {len(done) - 1} as its duplicates"


class Skip(FaceAction):
    """Operator that leaves faces for later."""

    NAME, LABEL = "skip", "Skip"

    def work(self, ctx: foo.ExecutionContext, session: ReviewSession) -> list[Key]:
        return session.skip(chosen(ctx), at=expected(ctx))


class Label(FaceAction):
    """Operator that corrects a label."""

    NAME, LABEL, DYNAMIC = "label", "Correct a label", True

    def resolve_input(self, ctx: foo.ExecutionContext) -> types.Property:
        inputs = types.Object()
        permitted = current_session().review_data.labels
        inputs.enum("column", list(permitted), label="Label", required=True)
        values = permitted.get(ctx.params.get("column", ""), [])
        inputs.enum("value", list(values), label="Correct value", required=True)
        return types.Property(inputs, view=types.View(label="Correct a label of the selected faces"))

    def work(self, ctx: foo.ExecutionContext, session: ReviewSession) -> list[Key]:
        return session.label(chosen(ctx), ctx.params.get("column", ""), ctx.params.get("value", ""))

    def message(self, params: dict[str, Any], done: list[Key]) -> str:
        return super().message(params, done) + f" ({params.get('column')}: {params.get('value')})"


class Undo(FaceAction):
    """Operator that undoes the last action of the session."""

    NAME, LABEL = "undo", "Undo"

    def work(self, ctx: foo.ExecutionContext, session: ReviewSession) -> list[Key]:  # noqa: ARG002
        return session.undo()


class StepsOfFaces(ReviewOperator):
    """Operator that returns the step that a key would decide for each face, shown in the bar before a key is
    pressed.
    """

    NAME, LABEL, UNLISTED = "where", "Review: where faces stand", True

    def answer(self, ctx: foo.ExecutionContext, session: ReviewSession) -> dict[str, Any]:
        steps = {
            sample_id(*face): session.step_of(face) for face in current_session().named(ctx.params.get("ids") or [])
        }
        return {"at": {name: str(step) if step else None for name, step in steps.items()}}


class Progress(ReviewOperator):
    """Operator that returns the progress of all reviewers, without their verdicts."""

    NAME, LABEL, UNLISTED = "progress", "Review: progress", True

    def answer(self, ctx: foo.ExecutionContext, session: ReviewSession) -> dict[str, Any]:  # noqa: ARG002
        everyone = current_session().everyone()
        return {"everyone": everyone, "silent": max(current_session().review_data.reviewers - len(everyone), 0)}


def register(plugin: Any) -> None:
    """Register the operators; FiftyOne calls this when it loads the plugin."""
    for operator in (ShowPage, Accept, Reject, Keep, Skip, Label, Undo, StepsOfFaces, Progress):
        plugin.register(operator)
