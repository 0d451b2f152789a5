"""The panel while FiftyOne is slow, while pictures are taken down or made anew, and in a joint session."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from browser_screen import WAIT_MS, Screen, decided
from review_process import SharedReview
from reviewed_project import a_project

from mtf import config
from mtf.core.project_paths import ProjectPaths
from mtf.review_app.engine.loading import load_review_data, session_of
from mtf.schemas import takedown_file

pytestmark = pytest.mark.lengthy(45)

SLOW_MS = 1500


@pytest.fixture(scope="module")
def shared(share_review: Callable[..., SharedReview]) -> SharedReview:
    """Forty faces of two people; each test has a reviewer of its own."""
    return share_review({"ada": 26, "bob": 14}, "anna", "ben")


def test_slow_queries_of_fiftyone_neither_hang_the_review_nor_lose_a_click(
    shared: SharedReview, open_screen: Callable[[str | None], Screen]
) -> None:
    screen = open_screen(None)
    with screen.queries_delayed(SLOW_MS):
        screen.open(shared.process.url("anna"))
        screen.sees(12)
        screen.mark(3, 5)
        assert screen.press("1") == "✓ Reject: 2 faces (not a face)"
        with screen.answer_held("2") as answer:
            screen.mark(7)  # while a verdict is on its way
            screen.page.keyboard.press("ArrowDown")
        assert answer() == "✓ Reject: 1 face (partial face)"
        assert len(screen.ids(".marked")) == 1
        assert screen.press("a") == "✓ Accept: 1 face"
        for _ in range(3):
            assert "✓ Accept: " in screen.decide_page()
    found = decided(shared.workspace, "anna")
    assert found["verdict"].to_list()[:4] == ["reject", "reject", "reject", "accept"]
    assert found.select("image_id", "step").is_unique().all()


def test_faces_chosen_in_a_view_are_decided_again_and_no_key_is_for_faces_that_nobody_saw(
    shared: SharedReview, open_screen: Callable[[str], Screen]
) -> None:
    screen = open_screen(shared.process.url("ben"))
    screen.sees(12)
    (rejected,) = screen.ids()[:1]
    assert screen.press("2") == "✓ Reject: 1 face (partial face)"
    # The next page comes with the answer: a second key for the whole page is none for faces that nobody saw.
    screen.is_looked_at()
    with screen.answer_held("Shift+A"):
        screen.page.keyboard.press("Shift+A")
    screen.page.wait_for_selector('[data-cy="mtf-message"]:text-is("✓ Accept: 11 faces")')
    assert len(decided(shared.workspace, "ben")) == 12

    screen.evaluate("window.__foo__.executeOperator('open_panel', {name: 'Samples', isActive: true})")
    screen.page.wait_for_selector('[data-cy="looker"]', timeout=WAIT_MS)
    screen.evaluate("window.__foo__.executeOperator('@mtf/review/judge_chosen')")
    screen.page.wait_for_selector("text=nothing is to be decided here: select faces first", timeout=WAIT_MS)
    screen.page.keyboard.press("a")  # no verdict while the panel is not on the screen
    screen.judge_again(rejected)
    screen.sees(1)
    assert screen.question == "Decide again (step faces): " + screen.page.inner_text(".mtf-aside h2").splitlines()[0]
    assert screen.press("a") == "✓ Accept: 1 face"
    screen.sees(12)
    assert screen.question == "Is this one whole human face?"
    last = decided(shared.workspace, "ben").tail(1).select("step", "verdict", "reason").rows()
    assert last == [("face", "accept", None)]
    assert len(decided(shared.workspace, "ben")) == 13


def test_faces_that_are_taken_down_or_made_anew_leave_the_screen_and_the_others_go_on(
    project: Callable[..., ProjectPaths], open_review: Callable, open_screen: Callable[[str], Screen], tmp_path: Path
) -> None:
    workspace = project({"ada": 5, "bob": 4, "cyd": 3})
    screen = open_screen(open_review(workspace, "anna").url("anna"))
    screen.sees(12)
    request = "2026-01-02T03:04:05Z,identity,ada,asked,ada,"
    workspace.takedowns.write_text(",".join(takedown_file.COLUMNS) + "\n" + request + "\n")
    screen.sees(7)
    assert "taken down while the review app was open" in screen.message
    other = a_project(tmp_path / "other", {"bob": 4}, margin_px=9)
    beside = workspace.shard("crop", "bob").with_suffix(".new")
    shutil.copy(other.shard("crop", "bob"), beside)
    beside.replace(workspace.shard("crop", "bob"))
    screen.sees(3)
    assert screen.decide_page() == "✓ Accept: 3 faces"
    assert decided(workspace)["identity"].unique().to_list() == ["cyd"]
    screen.decide_until("Nothing is left for you")


def test_the_joint_session_settles_verdicts_and_then_labels_in_a_row_of_choices(
    project: Callable[..., ProjectPaths], open_review: Callable, open_screen: Callable[[str], Screen]
) -> None:
    workspace = project({"ada": 4})
    review_data, _ = load_review_data(workspace, config.load(workspace.params))
    first, *rest = review_data.faces_of("ada")
    for number, reviewer in enumerate(("anna", "ben", "cyd")):
        session = session_of(workspace, review_data, reviewer, joint=False)
        session.reject([first, *rest[: number // 2]])
        session.accept(rest[number // 2 :])
        for _ in range(4):
            if faces := [face for face in session.page().faces if face in rest]:
                session.accept(faces)
        if number == 0:
            session.label(rest[-1:], "age", "Old")
        session.close()
    screen = open_screen(open_review(workspace, "ben", joint=True).url("ben"))
    assert "joint session" in screen.head
    screen.sees(1)
    assert "The panel: " in screen.page.inner_text(".mtf-aside")
    assert screen.press("a").startswith("✓ Accept")
    screen.page.wait_for_function("() => document.querySelector('#mtf-question').innerText.includes('label')")
    assert screen.question == "Which label for age is right for Ada in this picture?"
    screen.page.keyboard.press("l")
    assert "age should be" in screen.keys
    screen.page.get_by_role("button", name="Young").click()
    screen.page.wait_for_function("() => document.querySelector('#mtf-question').innerText.includes('Nothing is left')")
    said = decided(workspace).filter("joint").select("reviewer", "step", "verdict").rows()
    assert said == [("ben", "face", "accept"), ("ben", "task_fit", "label")]
