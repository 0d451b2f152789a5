"""A sitting from the first key to a shorter queue: the real app, a real MongoDB, a real browser."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from browser_screen import A_LOOK_MS, WAIT_MS, Screen, decided

from mtf.core.project_paths import ProjectPaths

pytestmark = pytest.mark.lengthy(55)


def test_a_sitting_from_the_first_key_to_a_shorter_queue(
    project: Callable[..., ProjectPaths], open_review: Callable, open_screen: Callable[[str], Screen]
) -> None:
    workspace = project({"ada": 8, "bob": 4}, groups={"ada": [[0, 1]]})
    process = open_review(workspace, "anna")
    screen = open_screen(process.url("anna"))
    screen.sees_faces(12)
    assert "faces: 0 done, 12 open" in screen.bar

    screen.open_face(0)
    assert "faces: 1 done, 11 open" in screen.press("a")
    assert decided(workspace).select("step", "verdict", "reviewer").rows() == [("face", "accept", "anna")]
    screen.page.wait_for_timeout(1600)
    assert "faces: 2 done, 10 open" in screen.press("2")
    assert decided(workspace)["reason"].to_list() == [None, "partial_face"]
    screen.leave_face()

    screen.sees_faces(10)
    screen.select(0, 2)
    assert "✓ Reject: 2 faces (not a face)" in screen.press("1")
    screen.sees_faces(8)
    assert "✓ Undo: 2 faces" in screen.press("u")
    screen.sees_faces(10)
    assert decided(workspace)["verdict"].to_list() == ["accept", *["reject"] * 3, *["undo"] * 2]

    for expected in ("identity: 0 done", "identity: ", "quality: 0 done"):
        assert expected in screen.press("Shift+A")
    assert "duplicates: 0 done, 2 open" in screen.press("Shift+A")
    assert "proposed to keep: the first" in screen.bar
    screen.sees_faces(2)
    screen.select(0)
    assert "✓ Kept 1, rejected 1 as its duplicates" in screen.press("k")
    said = decided(workspace).filter(step="duplicate").select("verdict", "reason").sort("verdict").rows()
    assert said == [("keep", None), ("reject", "near_duplicate")]
    assert "task fit: 0 done, 10 open" in screen.bar
    assert "proposed" not in screen.bar
    for width, height in ((1280, 800), (1400, 900), (1920, 1080)):
        screen.page.set_viewport_size({"width": width, "height": height})
        everything_of_the_bar_can_be_seen(screen, height)

    screen.page.evaluate("window.__foo__.executeOperator('open_panel', {name: 'mtf_review_progress', isActive: true})")
    panel = screen.page.wait_for_selector('[data-cy="mtf-progress"]', timeout=WAIT_MS)
    assert panel is not None
    screen.page.wait_for_function("() => document.querySelectorAll('.mtf-panel table').length === 2")
    assert "faces\t12\t0" in panel.inner_text()

    screen.page.context.close()
    assert "lines were added to the ledger" in process.close()
    again = open_review(workspace, "anna")
    assert open_screen(again.url("anna")).bar.find("task fit: 0 done, 10 open") > 0


def everything_of_the_bar_can_be_seen(screen: Screen, height: int) -> None:
    """And nothing of the app lies behind it."""
    screen.page.wait_for_function("height => innerHeight === height", arg=height, timeout=WAIT_MS)
    screen.page.wait_for_timeout(A_LOOK_MS)
    assert "9 wrong age group" in screen.bar
    lines = "[...document.querySelectorAll('#mtf-bar .line')]"
    assert screen.page.evaluate(f"{lines}.every(line => line.scrollWidth <= line.clientWidth)")
    places = "[document.getElementById('root'), document.getElementById('mtf-bar')].map(e => e.getBoundingClientRect())"
    root, bar = screen.page.evaluate(places)
    assert root["bottom"] <= bar["top"] + 0.5
    assert bar["bottom"] == height
