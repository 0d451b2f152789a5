"""A screen that has lost its app, its modules or its browser: the real app, a real MongoDB, a real browser."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import psutil
import pytest
from browser_screen import FLAGS, OPERATORS, ROOM, WAIT_MS, Screen, decided
from playwright.sync_api import Browser

from mtf.core.project_paths import ProjectPaths

pytestmark = pytest.mark.lengthy(45)

MODULE = "**/keyboard.js"
AWAY_MS = 2000


def test_a_review_goes_on_where_it_was_after_the_app_its_modules_or_the_browser_were_lost(
    project: Callable[..., ProjectPaths],
    open_review: Callable,
    open_screen: Callable[[str], Screen],
    browser: Browser,
    chromium: str,
) -> None:
    workspace = project({"ada": 8})
    process = open_review(workspace, "anna")
    screen = open_screen(process.url("anna"))
    screen.sees(8)
    assert screen.press("a") == "✓ Accept: 1 face"
    screen.page.route(OPERATORS, lambda route: route.abort())
    assert "NOT confirmed" in screen.press("2")
    process.kill("mtf.review_app.fiftyone.app")
    screen.page.unroute_all(behavior="ignoreErrors")
    assert decided(workspace)["verdict"].to_list() == ["accept"]
    screen.press_until(lambda: len(decided(workspace)) == 2, "2")
    screen.sees(6)

    screen.page.route(MODULE, lambda route: route.abort())
    screen.page.reload()
    screen.page.wait_for_timeout(AWAY_MS)
    assert screen.page.query_selector(ROOM) is None
    screen.page.unroute_all(behavior="ignoreErrors")
    screen.page.wait_for_selector(ROOM, timeout=WAIT_MS)
    screen.sees(6)

    # As FiftyOne ends where the app was gone while it asked for something: it carries out no operator any more.
    screen.evaluate("document.body.insertAdjacentHTML('beforeend', '<div data-cy=setup-page></div>')")
    screen.page.wait_for_selector("[data-cy=setup-page]", state="detached", timeout=WAIT_MS)
    screen.sees(6)

    # The browser's processes are killed with a key on its way; what is on disk is what the next browser shows.
    others = browser_processes()
    doomed = Screen(browser.browser_type.launch(executable_path=chromium, args=list(FLAGS)), process.url("anna"))
    doomed.sees(6)
    doomed.page.keyboard.press("a")
    victims = [each for each in browser_processes() if each not in others]
    assert victims
    for victim in victims:
        with suppress(psutil.NoSuchProcess):
            victim.kill()
    psutil.wait_procs(victims, timeout=30)
    screen.page.reload()
    screen.page.wait_for_selector(ROOM, timeout=WAIT_MS)
    screen.sees(8 - len(decided(workspace)))
    if len(decided(workspace)) == 3:
        assert screen.press("u") == "✓ Undo: 1 face"
        screen.sees(6)
    taken_back = decided(workspace)["verdict"].to_list()[2:]
    assert taken_back in ([], ["accept", "undo"])

    # The whole room is closed, too; what was said last is taken back in the next session.
    screen.page.context.close()
    assert "lines were added to the ledger" in process.close()
    screen = open_screen(open_review(workspace, "anna").url("anna"))
    screen.sees(6)
    assert screen.press("u") == "✓ Undo: 1 face"
    screen.sees(7)
    assert screen.press("u") == "✓ Undo: 1 face"
    screen.sees(8)
    assert "nothing is left to undo" in screen.press("u")
    assert decided(workspace)["verdict"].to_list() == ["accept", "reject", *taken_back, "undo", "undo"]


def browser_processes() -> list[psutil.Process]:
    """Processes of the browsers that this test process started."""
    return [child for child in psutil.Process().children(recursive=True) if "chrom" in child.name()]
