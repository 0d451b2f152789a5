"""The next page is planned while a reviewer looks at this one; it is shown only if it still fits their verdicts."""

from __future__ import annotations

from collections.abc import Callable

from review_sessions import open_session

from mtf.core.project_paths import ProjectPaths
from mtf.review_app.engine.pace import STEADY_KEYS, STEADY_S, Pace

Project = Callable[..., ProjectPaths]


def test_the_page_planned_ahead_is_the_one_that_comes(project: Project) -> None:
    session, _ = open_session(project({"ada": 40, "bob": 20}))
    pages = 0
    while (page := session.page()).faces:
        upcoming = session.prepare()
        assert session.page() == page, "planning ahead changes nothing"
        if page.step == "duplicate":
            break
        session.accept(page.faces, at=page.step)
        pages += upcoming is not None and session.page().faces == upcoming.faces
    assert pages >= 8
    session.close()


def test_a_page_planned_ahead_that_no_longer_fits_is_planned_anew(project: Project) -> None:
    session, _ = open_session(project({"ada": 4}, groups={"ada": [[0, 1]]}))
    assert (upcoming := session.prepare()) is not None
    assert upcoming.step == "identity"
    session.reject(session.page().faces, "not_a_face")
    assert session.page().faces == ()
    session.undo()
    session.prepare()
    first, *rest = session.page().faces
    session.reject([first], "partial_face")
    session.accept(rest)
    assert session.page().step == "identity"
    assert set(session.page().faces) == set(rest)
    session.close()


def test_faces_that_are_left_out_are_asked_about_no_more_and_nothing_is_written(project: Project) -> None:
    workspace = project({"ada": 4, "bob": 3})
    session, review_data = open_session(workspace)
    session.leave_out(review_data.faces_of("bob"))
    while faces := session.page().faces:
        assert {face.identity for face in faces} == {"ada"}
        session.accept(faces)
    assert session.done["face"] == 4
    session.close()
    again, _ = open_session(workspace)
    assert set(again.page().faces) == set(review_data.faces_of("bob"))
    again.close()


def test_a_pace_is_shown_only_after_enough_keys_and_work() -> None:
    pace = Pace(0.0)
    for number in range(1, STEADY_KEYS):
        pace.mark(40, 10.0 * number)
    assert not pace.is_steady
    pace.mark(40, 10.0 * STEADY_KEYS)
    assert pace.is_steady
    hasty = Pace(0.0)
    for number in range(2 * STEADY_KEYS):
        hasty.mark(1, STEADY_S / 2 / STEADY_KEYS / 2 * number)
    assert not hasty.is_steady
