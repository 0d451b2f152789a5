"""Review in a terminal: one face at a time, one key and Enter per decision. Needs no browser and no database."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from mtf.annotation.reviewer_name import reviewer_folder
from mtf.config import Params
from mtf.core.errors import BadInput
from mtf.core.project_paths import ProjectPaths
from mtf.review_app.engine.face_key import Key
from mtf.review_app.engine.face_pictures import Pictures, stamps
from mtf.review_app.engine.loading import (
    certification_session,
    load_certification,
    load_review_data,
    session_of,
    with_gold,
)
from mtf.review_app.engine.page import Page
from mtf.review_app.engine.review_data import ReviewData
from mtf.review_app.engine.session import ReviewSession
from mtf.review_app.terminal_input import report_torn, typed_answers
from mtf.review_app.terminal_pictures import TerminalPictures
from mtf.schemas import funnel_steps

# Answer → its meaning. Each is printed at the start, and no other is taken.
REVIEW_ANSWERS = {
    "a": "accept",
    "x": "reject",
    "x REASON": "reject for a reason",
    "k": "keep of its group",
    "l COLUMN LABEL": "correct a label",
    "s": "skip",
    "u": "undo",
    "p": "show the whole page",
    "A, X, S": "accept, reject or skip the whole page, once all of it was shown",
    "q": "leave",
}
CERTIFICATE_ANSWERS = {
    "a": "yes",
    "x": "no, another person",
    "x REASON": "no, for a reason",
    "s": "skip",
    "u": "undo",
    "q": "leave",
}


def run(workspace: ProjectPaths, params: Params, reviewer: str, *, joint: bool) -> None:
    """Review until nothing is left, the input ends, or the reviewer quits."""
    seen = stamps(workspace)
    review_data, torn = load_review_data(workspace, params)
    report_torn(torn)
    if not joint:
        review_data = with_gold(workspace, params, review_data, reviewer)
    pictures = Pictures(workspace, review_data, seen=seen, max_pixels=params.crawl.max_pixels)
    session = session_of(workspace, review_data, reviewer, joint=joint, seed=params.seed, check=pictures.check)
    _review(workspace, pictures, session, review_data, permitted=REVIEW_ANSWERS)


def certify(workspace: ProjectPaths, params: Params, reviewer: str) -> None:
    """Answer the questions of the certificate until none is left, the input ends, or the person quits."""
    seen = stamps(workspace)
    review_data, plan, torn = load_certification(workspace, params)
    report_torn(torn, of="certificate")
    pictures = Pictures(workspace, review_data, seen=seen, max_pixels=params.crawl.max_pixels)
    session = certification_session(workspace, review_data, plan, reviewer, check=pictures.check)
    _review(workspace, pictures, session, review_data, permitted=CERTIFICATE_ANSWERS)


def _review(
    workspace: ProjectPaths,
    pictures: Pictures,
    session: ReviewSession,
    review_data: ReviewData,
    *,
    permitted: Mapping[str, str],
) -> None:
    sheet = workspace.stage("room") / f"contact-sheet-{reviewer_folder(session.reviewer)}.jpg"
    screen = TerminalPictures(pictures, sheet)
    try:
        review(session, review_data, answers=typed_answers(), screen=screen, permitted=permitted)
    finally:
        screen.close()
        session.close()


class FaceScreen(Protocol):
    """Screen that shows faces (`mtf.review_app.terminal_pictures`)."""

    def show(self, face: Key) -> None: ...

    def show_page(self, faces: Sequence[Key]) -> None: ...

    def forget_page(self) -> None: ...


def review(
    session: ReviewSession,
    review_data: ReviewData,
    *,
    answers: Iterator[str],
    screen: FaceScreen,
    permitted: Mapping[str, str] = REVIEW_ANSWERS,
) -> None:
    """Apply one answer after another, each to the first face of the page; `permitted` has the answers' meanings."""
    print(_help(permitted))
    seen: set[Key] = set()
    while (page := session.page()).faces:
        if not seen & set(page.faces):
            screen.forget_page()
        try:
            screen.show(page.faces[0])
        except BadInput as error:
            print(f"left out: {error}")
            session.leave_out(page.faces[:1])
            continue
        seen.add(page.faces[0])
        print(_described(session, review_data, page), flush=True)
        answer = next(answers, "q")
        if answer in ("q", "quit"):
            return
        try:
            if answer == "p" and "p" in permitted:
                screen.show_page(page.faces)
                seen.update(page.faces)
            else:
                print(_act(session, page, answer, seen=seen, permitted=permitted))
        except (BadInput, OSError) as error:
            print(f"not done: {error}")
    print("Nothing is left for you.")


def _help(permitted: Mapping[str, str]) -> str:
    return "  ".join(f"{answer}: {meaning}" for answer, meaning in permitted.items())


def _act(session: ReviewSession, page: Page, answer: str, *, seen: set[Key], permitted: Mapping[str, str]) -> str:
    verb, *rest = answer.split(maxsplit=2) or [""]
    letters = {word.strip(",") for answers in permitted for word in answers.split()}
    if len(verb) != 1 or verb not in letters:
        raise BadInput(f"{answer!r} is no answer; {_help(permitted)}")
    chosen = list(page.faces[:1])
    if verb in ("A", "X", "S"):
        chosen = list(page.faces)
        if unseen := set(chosen) - seen:
            raise BadInput(f"{len(unseen)} of the page's {len(chosen)} faces were not shown yet; p shows them all")
    verb = verb.lower()
    if verb == "u":
        return f"undone {len(session.undo())}"
    if verb == "a":
        return f"accepted {len(session.accept(chosen, at=page.step))}"
    if verb == "x":
        return f"rejected {len(session.reject(chosen, rest[0] if rest else None, at=page.step))}"
    if verb == "s":
        return f"skipped {len(session.skip(chosen, at=page.step))}"
    if verb == "k":
        return f"kept 1, rejected {len(session.keep(chosen)) - 1} as its duplicates"
    if verb == "l" and len(rest) == 2:
        return f"labelled {len(session.label(chosen, rest[0], rest[1]))}"
    raise BadInput(f"{answer!r} is no answer; {_help(permitted)}")


def _described(session: ReviewSession, review_data: ReviewData, page: Page) -> str:
    row = review_data.faces.row(review_data.row(page.faces[0]), named=True)
    assert page.step is not None  # noqa: S101 (a page with faces has a step)
    labels = ", ".join(str(row[column]) for column in review_data.labels)
    steps = funnel_steps.reviewed()
    question = f"the label {page.label}?" if page.label else page.question_about(row["name"])
    reasons = [reason for name in page.asks or (page.step,) for reason in funnel_steps.named(name).reasons]
    split = review_data.conflicts_of(page.faces[0]) if session.joint else ""
    return "\n".join(
        part
        for part in (
            f"\n{page.step} (step {steps.index(page.step) + 1} of {len(steps)}): {row['name']} ({labels})",
            f"  {row['size_px'] if 'size_px' in row else row['width']} px, page of {len(page.faces)}: {page.run}; "
            f"{session.open_faces(page.step)} open",
            f"  {row['page_url'] or row['url']}  {row['license'] or ''}",
            f"  the same shot was found for {row['also_under']}, too" if row["also_under"] else "",
            f"  looks more like {row['resembles']}" if row.get("resembles") else "",
            f"  the panel: {split}" if split else "",
            f"  {question}  reasons: {', '.join(reasons)}",
        )
        if part
    )
