"""Page and its faces as the panel shows them: question, pictures, source, license, hints, keys and progress."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from mtf.annotation.decision import Verdict
from mtf.review_app.engine import face_pictures
from mtf.review_app.engine.face_key import Key
from mtf.review_app.engine.page import LAST_LOOK, Page
from mtf.review_app.engine.review_data import ReviewData
from mtf.review_app.engine.session import ReviewSession
from mtf.review_app.fiftyone.live_session import LiveSession
from mtf.review_app.fiftyone.sample_updates import KEEPER_MEASURES, accepted_of, keeper_measures, proposed_keeper
from mtf.review_app.fiftyone.samples import sample_id
from mtf.schemas import Reason, Step, funnel_steps

# Accepted faces that are shown beside the page, for each person.
SHOWN_ACCEPTED = 12
HINTS = {
    "also_under": "The same shot was found for {}, too.",
    "resembles": "Looks more like {}.",
    "contradicts": "Label classifier: {}.",
}


def describe(live: LiveSession, page: Page) -> dict[str, Any]:
    """Page, its faces and the progress of the reviewer."""
    session, review_data = live.session, live.review_data
    answer = {
        "reviewer": session.reviewer,
        "joint": session.joint,
        "step": str(page.step) if page.step else None,
        "run": page.run,
        "settle": page.label,
        "question": question(review_data, page),
        "can_keep": page.step == Step.DUPLICATE and page.run != LAST_LOOK,
        "reasons": _reasons_until(page.step),
        "asked_reasons": _asked_reasons(page),
        "reason_keys": funnel_steps.reason_keys(),
        "labels": dict(review_data.labels),
        "steps": _progress(session),
        **_pace(session),
    }
    return answer | describe_faces(live, page)


def describe_faces(live: LiveSession, page: Page) -> dict[str, Any]:
    """Faces of a page (`page`: their ids; `faces`: what is shown of each), and accepted faces of the same people."""
    session, review_data, dataset = live.session, live.review_data, live.dataset
    proposed = proposed_keeper(session, review_data, page)
    faces = [describe_face(session, review_data, face, page, dataset=dataset) for face in page.faces]
    for face, one in zip(page.faces, faces, strict=True):
        one["keeper"] = _why_proposed(review_data, face, page.faces) if face == proposed else None
    people = {face.identity for face in page.faces}
    accepted = {
        person: [
            {"id": sample_id(*face), "crop": _address(dataset, "crop", face)}
            for face in accepted_of(session, review_data, person, page.faces)[:SHOWN_ACCEPTED]
            if not live.pictures.is_taken_down(face)
        ]
        for person in sorted(people)
    }
    return {"page": [sample_id(*face) for face in page.faces], "faces": faces, "accepted": accepted}


def describe_face(
    session: ReviewSession, review_data: ReviewData, face: Key, page: Page, *, dataset: str
) -> dict[str, Any]:
    """One face: its pictures' addresses, person, labels, source, license, and hints in words."""
    row_number = review_data.row(face)
    row = review_data.faces.row(row_number, named=True)
    own = {column: session.votes.label(row_number, column) for column in review_data.labels}
    hints = [text.format(row[name]) for name, text in HINTS.items() if row.get(name)]
    if session.joint and (split := review_data.conflicts_of(face)):
        hints.append(f"The panel: {split}.")
    return {
        "id": sample_id(*face),
        "person": face.identity,
        "name": row["name"],
        "crop": _address(dataset, "crop", face),
        "picture": _address(dataset, "picture", face),
        "size_px": row.get("size_px") or row["width"],
        "labels": {column: own[column] or row[column] for column in review_data.labels},
        "corrected": [column for column, label in own.items() if label],
        "license": row["license"],
        "creator": row["creator"],
        "title": row["title"],
        "source": row["page_url"] or row["url"],
        "hints": hints,
        "said": _earlier_verdict(session, face, page),
    }


def question(review_data: ReviewData, page: Page) -> str | None:
    """Question about the page; None if nothing is left."""
    if page.step is None:
        return None
    people = {review_data.faces["name"][review_data.row(face)] for face in page.faces}
    person = people.pop() if len(people) == 1 else "the person"
    if page.label:
        return f"Which label for {page.label} is right for {person} in this picture?"
    return page.question_about(person)


def _progress(session: ReviewSession) -> list[dict[str, Any]]:
    return [
        {
            "step": str(step),
            "title": funnel_steps.heading_of(step),
            "done": session.done[step],
            "open": session.open_faces(step),
        }
        for step in funnel_steps.reviewed()
    ]


def _pace(session: ReviewSession) -> dict[str, Any]:
    """Verdicts per minute and minutes left; null until there are enough keys for an honest figure."""
    pace = session.pace.per_hour if session.pace.is_steady else None
    return {
        "per_minute": round(pace / 60, 1) if pace else None,
        "minutes_left": round(60 * session.left / pace) if pace else None,
    }


def _reasons_until(step: str | None) -> list[str]:
    """Reasons permitted for a face at `step`: those of the step and of earlier ones."""
    return _reasons_of(funnel_steps.reviewed()[: funnel_steps.place_of(step) + 1] if step else ())


def _asked_reasons(page: Page) -> list[str]:
    """Reasons of the steps that a page asks; in a last look the one by which faces are grouped."""
    if page.run == LAST_LOOK:
        return [str(Reason.NEAR_DUPLICATE)]
    return _reasons_of(page.asks or ((page.step,) if page.step else ()))


def _reasons_of(steps: Sequence[str]) -> list[str]:
    return [str(reason) for step in steps for reason in funnel_steps.review_reasons()[step]]


_IN_WORDS = dict(zip(KEEPER_MEASURES, ("{:.0f} eyes found", "{:.0f} px wide", "sharpness {:.0f}"), strict=True))


def _why_proposed(review_data: ReviewData, face: Key, faces: Sequence[Key]) -> str:
    """First measure by which a face is better than the others of the page, in words."""
    own = keeper_measures(review_data, face)
    others = [keeper_measures(review_data, other) for other in faces if other != face]
    for place, text in enumerate(_IN_WORDS.values()):
        best = max((other[place] for other in others), default=-1.0)
        if own[place] > best >= 0:
            return f"{text.format(own[place])}; the others at most {best:.0f}"
    return "no other one measures better"


def _earlier_verdict(session: ReviewSession, face: Key, page: Page) -> str | None:
    """Earlier verdict of this reviewer at a step that the page asks, in words; None without one, or after a skip."""
    given = [session.verdict(face, step) for step in page.asks or (page.step,) if step]
    said = [one for one in given if one is not None and one[0] is not Verdict.SKIP]
    if not said:
        return None
    verdict, reason = next((one for one in said if one[0] is Verdict.REJECT), said[-1])
    words = {Verdict.ACCEPT: "accepted", Verdict.REJECT: "rejected", Verdict.KEEP: "kept"}[verdict]
    return f"You {words} it before" + (f" ({reason.replace('_', ' ')})." if reason else ".")


def _address(dataset: str, kind: str, face: Key) -> str:
    return f"/media?filepath={quote(face_pictures.path(kind, dataset, face), safe='')}"
