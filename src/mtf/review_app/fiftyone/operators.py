"""FiftyOne operators of the review: requests from the screen to the reviewer's session.

An operator answers once the verdict is in the ledger, and needs no database for it. The data set of the request tells
who the reviewer is.
"""

from __future__ import annotations

import logging
from typing import Any

import fiftyone.operators as foo
from fiftyone.operators import types

from mtf.core.errors import BadInput, MtfError, bad_value, listed
from mtf.review_app.engine.face_key import Key
from mtf.review_app.engine.page import NOTHING_LEFT, Page
from mtf.review_app.engine.session import At, ReviewSession
from mtf.review_app.fiftyone.live_session import LiveSession, current_session
from mtf.review_app.fiftyone.page_answer import describe, describe_faces
from mtf.review_app.fiftyone.samples import sample_id
from mtf.schemas import funnel_steps

log = logging.getLogger(__name__)


def shown(live: LiveSession, page: Page) -> dict[str, Any]:
    """Page as `describe` returns it, for the screen and for FiftyOne's saved views.

    `gone` has the faces whose pictures are gone, `left_out` the reason for the first of them.
    """
    live.show_page(page)
    gone = [sample_id(*face) for face in live.left_out]
    return describe(live, page) | {"gone": gone, "left_out": next(iter(live.left_out.values()), None)}


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
            return shown(current_session(), self.next_page(current_session())) | answer
        except Exception as error:
            log.exception("the next page failed")
            return answer | {"saved_but": " ".join(f"{type(error).__name__} {error}".split())[:200]}

    def work(self, ctx: foo.ExecutionContext, session: ReviewSession) -> list[Key]:
        raise NotImplementedError

    def next_page(self, live: LiveSession) -> Page:
        """Page that the screen shows next. Its pictures are not checked: a key has to be quick, and the watch asks for
        the page every few seconds.
        """
        return live.session.page()

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

    def next_page(self, live: LiveSession) -> Page:
        return live.current_page()

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


class Upcoming(ReviewOperator):
    """Operator that plans the page after the current one and returns its faces, so that the screen has their pictures
    before they are needed.
    """

    NAME, LABEL, UNLISTED = "upcoming", "Review: what comes next", True

    def answer(self, ctx: foo.ExecutionContext, session: ReviewSession) -> dict[str, Any]:  # noqa: ARG002
        found = describe_faces(current_session(), session.prepare() or NOTHING_LEFT)
        return {"crops": [face["crop"] for face in found["faces"]], "accepted": found["accepted"]}


class LookAgain(ReviewOperator):
    """Operator that returns faces chosen elsewhere, such as in a saved view, and the step that a key would decide."""

    NAME, LABEL, UNLISTED = "look", "Review: faces to look at again", True

    def answer(self, ctx: foo.ExecutionContext, session: ReviewSession) -> dict[str, Any]:
        faces = [(face, session.step_of(face)) for face in chosen(ctx)]
        open_faces = [(face, step) for face, step in faces if step is not None]
        if not open_faces:
            raise BadInput("nothing is to be decided here: select faces first; the panel has settled the others")
        page = Page(open_faces[0][1], "chosen", None, tuple(face for face, _ in open_faces))
        found = describe_faces(current_session(), page)
        return found | {"at": {sample_id(*face): str(step) for face, step in open_faces}}


class Progress(ReviewOperator):
    """Operator that returns the progress of all reviewers, without their verdicts."""

    NAME, LABEL, UNLISTED = "progress", "Review: progress", True

    def answer(self, ctx: foo.ExecutionContext, session: ReviewSession) -> dict[str, Any]:  # noqa: ARG002
        everyone = current_session().everyone()
        return {"everyone": everyone, "silent": max(current_session().review_data.reviewers - len(everyone), 0)}


def register(plugin: Any) -> None:
    """Register the operators; FiftyOne calls this when it loads the plugin."""
    for operator in (ShowPage, Accept, Reject, Keep, Skip, Label, Undo, Upcoming, LookAgain, Progress):
        plugin.register(operator)
