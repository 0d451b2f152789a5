"""A screen that has lost its page, its app or its database: the real app, a real MongoDB, a real browser."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from browser_screen import QUERIES, WAIT_MS, Screen, decided
from playwright.sync_api import Route

from mtf.core.project_paths import ProjectPaths

pytestmark = pytest.mark.lengthy(60)

MODULE = "**/keyboard.js"
SETTLED_MS = 4000


def test_a_screen_that_has_lost_the_page_has_it_again_by_itself(
    project: Callable[..., ProjectPaths], open_review: Callable, open_screen: Callable[[str], Screen]
) -> None:
    workspace = project({"ada": 8})
    process = open_review(workspace, "anna")
    screen = open_screen(process.url("anna"))
    screen.sees_faces(8)
    screen.select(0)
    screen.press("a")
    screen.sees_faces(7)
    process.kill("mtf.review_app.fiftyone.app")
    screen.sees_faces(0)
    screen.sees_faces(7)
    screen.page.wait_for_timeout(SETTLED_MS)  # FiftyOne has the page still, then all faces
    screen.sees_faces(7)

    screen.page.route(QUERIES, counted_as_empty)
    screen.page.reload()
    screen.page.wait_for_selector("text=No samples yet", timeout=WAIT_MS)
    screen.page.wait_for_selector("#mtf-bar", timeout=WAIT_MS)
    screen.strike("Shift+A")()
    assert "no face is on the screen" in screen.bar
    screen.page.unroute_all(behavior="ignoreErrors")  # one may be on its way
    screen.sees_faces(7)
    assert decided(workspace)["verdict"].to_list() == ["accept"]

    screen.page.route(MODULE, lambda route: route.abort())
    screen.page.reload()
    screen.page.wait_for_timeout(SETTLED_MS)
    assert screen.page.query_selector("#mtf-bar") is None
    screen.page.unroute_all(behavior="ignoreErrors")
    screen.page.wait_for_selector("#mtf-bar", timeout=WAIT_MS)
    screen.sees_faces(7)

    # As FiftyOne ends where the app was gone while it asked for something: it carries out no operator any more.
    screen.page.evaluate("document.body.insertAdjacentHTML('beforeend', '<div data-cy=setup-page></div>')")
    screen.page.wait_for_selector("[data-cy=setup-page]", state="detached", timeout=WAIT_MS)
    screen.sees_faces(7)
    screen.select(0)
    assert "✓ Accept: 1 face" in screen.press("a")


def counted_as_empty(route: Route) -> None:
    """Answer of a database that is just coming back."""
    answer = route.fetch()
    body = re.sub(r'("estimatedSampleCount":\s*)\d+', r"\g<1>0", answer.text())
    route.fulfill(response=answer, body=body)
