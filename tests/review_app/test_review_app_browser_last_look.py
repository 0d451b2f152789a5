"""Last look in the room: one key groups the marked faces, and the next person comes when all of one were seen."""

from __future__ import annotations

from collections.abc import Callable

from browser_screen import Screen, decided
from review_process import ReviewProcess
from review_sessions import review_as

from mtf.annotation import pairs
from mtf.core.project_paths import ProjectPaths
from mtf.review_app.engine.session import ReviewSession


def accept_everything(session: ReviewSession) -> None:
    while (page := session.page()).faces:
        session.accept(page.faces, at=page.step)


def test_one_key_groups_two_faces_and_nothing_of_it_is_a_vote(
    project: Callable[..., ProjectPaths],
    open_review: Callable[..., ReviewProcess],
    open_screen: Callable[[str], Screen],
) -> None:
    workspace = project({"ada": 6, "bob": 6})
    review_as(workspace, "anna", accept_everything)
    votes = decided(workspace).height
    screen = open_screen(open_review(workspace, "anna", command="last-look").url("anna"))
    assert screen.question == "Which of these faces of Ada are the same shot?"
    screen.sees(6)
    assert "near duplicate" in screen.keys and "keep this one" not in screen.keys
    assert "mark the faces that are alike" in screen.press("8")
    screen.mark(0, 1)
    assert screen.press("8").startswith("✓ Reject: 2 faces")
    (pair,) = pairs.read(workspace.review)
    assert pair.identity == "ada"
    screen.decide_page()
    assert screen.question == "Which of these faces of Bob are the same shot?"
    screen.sees(6)
    screen.decide_page()
    screen.sees(0)
    assert len(list(workspace.review.glob("anna/looks/*.jsonl"))) == 1
    assert decided(workspace).height == votes
