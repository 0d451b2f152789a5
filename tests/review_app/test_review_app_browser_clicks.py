"""Clicks while the page changes: the real app, a real MongoDB, a real browser."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from browser_screen import FAST_MS, Screen, decided
from review_process import SharedReview

pytestmark = pytest.mark.lengthy(40)


@pytest.fixture(scope="module")
def shared(share_review: Callable[..., SharedReview]) -> SharedReview:
    """Eight faces; each test has a reviewer, and so a queue and a data set, of its own."""
    return share_review({"ada": 8}, "anna", "ben", "cyd")


def test_no_key_decides_a_face_that_has_left_the_screen(
    shared: SharedReview, open_screen: Callable[[str], Screen]
) -> None:
    screen = open_screen(shared.process.url("anna"))
    screen.sees_faces(8)
    screen.select(0)
    for number, picked in enumerate((0, 1, 1), 1):
        gone, other = screen.place(picked), screen.place(2)
        with screen.grid_held("a") as said:
            assert "✓ Accept: 1 face" in said
            screen.click(gone)  # it is finished, and still there
            screen.click(other)  # it stays: the click is not lost
        screen.has_chosen(1)
        assert "this face: " not in screen.bar
        screen.sees_faces(8 - number)
        screen.page.wait_for_timeout(FAST_MS)
    assert decided(shared.workspace, "anna")["step"].unique().to_list() == ["face"]

    screen.page.evaluate("window.__foo__.executeOperator('set_view', {name: 'accepted'})")
    screen.sees_faces(3)
    screen.has_chosen(0)
    assert "select faces first" in screen.press("a")
    assert decided(shared.workspace, "anna")["verdict"].to_list() == ["accept"] * 3


@pytest.mark.parametrize(("after_ms", "reviewer"), [(60, "ben"), (200, "cyd")])
def test_a_click_between_a_key_and_the_next_page_counts_for_the_next_key(
    shared: SharedReview, open_screen: Callable[[str], Screen], after_ms: int, reviewer: str
) -> None:
    screen = open_screen(shared.process.url(reviewer))
    screen.sees_faces(8)
    screen.select(0)
    other = screen.place(2)
    # A fast server would have taken the faces away before the click.
    with screen.answer_held("a") as answer:
        screen.page.wait_for_timeout(after_ms)
        screen.click(other)
    assert "✓ Accept: 1 face" in answer()
    screen.sees_faces(7)
    screen.page.wait_for_timeout(FAST_MS)
    screen.has_chosen(1)
    assert "✓ Reject: 1 face" in screen.press("x")
    assert decided(shared.workspace, reviewer)["verdict"].to_list() == ["accept", "reject"]
    assert decided(shared.workspace, reviewer)["image_id"].n_unique() == 2
