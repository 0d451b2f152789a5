"""The keys, in the grid and on an open face: the real app, a real MongoDB, a real browser."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from browser_screen import A_LOOK_MS, FAST_MS, WAIT_MS, Screen, decided
from review_process import SharedReview

pytestmark = pytest.mark.lengthy(55)


@pytest.fixture(scope="module")
def shared(share_review: Callable[..., SharedReview]) -> SharedReview:
    """Eight faces, two of them alike; each test has a reviewer, and so a queue and a data set, of its own."""
    return share_review({"ada": 8}, "anna", "ben", groups={"ada": [[0, 1]]})


def test_every_key_does_what_the_bar_says_and_a_saved_view_is_not_left(
    shared: SharedReview, open_screen: Callable[[str], Screen]
) -> None:
    screen = open_screen(shared.process.url("anna"))
    screen.sees_faces(8)
    screen.select(0)
    assert "✓ Skip: 1 face" in screen.press("s")
    screen.sees_faces(7)
    screen.select(0)
    assert "✓ Reject: 1 face" in screen.press("x")
    assert decided(shared.workspace, "anna")["reason"].to_list() == [None, "not_a_face"]
    screen.sees_faces(6)
    screen.select(0)
    for key in "l3":
        screen.page.keyboard.press(key)
        screen.page.wait_for_timeout(300)
    assert "✓ Correct a label: 1 face (age: Old)" in screen.press("2")
    assert decided(shared.workspace, "anna")["labels"].to_list()[-1] == [{"column": "age", "label": "Old"}]
    bar = screen.press("n")
    assert "page of 6" in bar
    assert "the page, made anew" in bar
    assert "✓" not in bar
    screen.page.wait_for_timeout(A_LOOK_MS)

    screen.page.evaluate("window.__foo__.executeOperator('set_view', {name: 'rejected'})")
    screen.sees_faces(1)
    assert "Shift + key is for a page of the queue" in screen.press("Shift+A")
    assert len(decided(shared.workspace, "anna")) == 3
    screen.select(0)
    screen.page.wait_for_function("() => document.getElementById('mtf-bar').innerText.includes('this face: faces')")
    assert "✓ Accept: 1 face" in screen.press("a")
    assert decided(shared.workspace, "anna").tail(1).select("step", "verdict").rows() == [("face", "accept")]
    screen.sees_faces(0)
    assert "view=rejected" in screen.page.url
    assert "the page, made anew" in screen.press("n")
    screen.sees_faces(6)


def test_the_keys_do_on_an_open_face_what_they_do_in_the_grid_and_a_held_key_speaks_once(
    shared: SharedReview, open_screen: Callable[[str], Screen]
) -> None:
    screen = open_screen(shared.process.url("ben"))
    screen.sees_faces(8)
    screen.open_face(0)
    assert "Shift + key is for the page in the grid" in screen.press("Shift+A")
    assert "the crop" in screen.press("p")
    with screen.page.expect_request(lambda request: "picture%2F" in request.url, timeout=WAIT_MS):
        assert "the whole picture" in screen.press("p")
    assert "✓ Skip: 1 face" in screen.press("s")
    screen.page.wait_for_timeout(FAST_MS)
    assert "✓ Reject: 1 face" in screen.press("x")
    screen.page.wait_for_timeout(FAST_MS)
    for key in "l3":
        screen.page.keyboard.press(key)
    assert "✓ Correct a label: 1 face (age: Old)" in screen.press("2")
    assert "✓ Undo: 1 face" in screen.press("u")
    assert decided(shared.workspace, "ben")["verdict"].to_list() == ["skip", "reject", "label", "undo"]

    screen.sees_faces(6)
    screen.open_face(0)
    screen.page.keyboard.press("Numpad4")  # the left arrow, without NumLock
    for _ in range(30):
        screen.page.keyboard.down("a")
        screen.page.wait_for_timeout(60)
    screen.page.keyboard.up("a")
    screen.page.wait_for_timeout(FAST_MS)
    assert decided(shared.workspace, "ben").tail(-4)["verdict"].to_list() == ["accept"]

    screen.leave_face()
    while "duplicates: " not in screen.bar:
        screen.press("Shift+A")
    screen.sees_faces(2)
    assert "one of a group of duplicates has to stay" in screen.press("Shift+X")
    screen.open_face(0)
    assert "✓ Kept 1, rejected 1 as its duplicates" in screen.press("k")
