"""The watch of a screen on a slow machine: what it asked for has the time to come."""

from __future__ import annotations

from collections.abc import Callable, Generator

import pytest
from playwright.sync_api import Browser, Request, Route, sync_playwright

from mtf.workspace import Workspace

FLAGS = ("--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-sync")
QUERIES = "**/graphql"
WAIT_MS = 90_000
LOOK_MS = 100
HELD_MS = 9_000
PAGE_FACES = 12
FACES = "count => document.querySelectorAll('[data-cy=looker]').length === count"
MORE_FACES = "count => document.querySelectorAll('[data-cy=looker]').length > count"
ALL_FACES = "window.__foo__.executeOperator('set_view', {view: []})"


@pytest.fixture(scope="module")
def browser(chromium: str) -> Generator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, headless=True, args=list(FLAGS))
        yield browser
        browser.close()


def is_for_the_page(request: Request) -> bool:
    """FiftyOne asks for a view's grid by this; the page is a view of named samples."""
    asked = request.post_data or ""
    return "query DatasetPageQuery" in asked and "sample_ids" in asked


def test_a_view_that_is_long_in_coming_is_not_set_again_each_second(
    project: Callable[..., Workspace], open_room: Callable, browser: Browser
) -> None:
    room = open_room(project({"ada": 30, "bob": 30}), "anna")
    held: list[Request] = []
    asked: list[Request] = []

    def hold(route: Route) -> None:
        if is_for_the_page(route.request):
            held.append(route.request)
        else:
            route.continue_()

    def note(request: Request) -> None:
        asked.append(request)

    page = browser.new_context(viewport={"width": 1400, "height": 860}).new_page()
    page.goto(room.url("anna"), timeout=WAIT_MS)
    page.wait_for_function(FACES, arg=PAGE_FACES, timeout=WAIT_MS)
    page.route(QUERIES, hold)
    page.on("request", note)

    # All faces are shown, as FiftyOne does where the app was started anew; the watch sets the page's view again.
    page.evaluate(ALL_FACES)
    page.wait_for_function(MORE_FACES, arg=PAGE_FACES, timeout=WAIT_MS)
    for _ in range(WAIT_MS // LOOK_MS):
        if not held:
            page.wait_for_timeout(LOOK_MS)
    page.wait_for_timeout(HELD_MS)
    of_the_page = [one for one in asked if "@mtf/review/page" in (one.post_data or "")]
    assert 1 <= len(held) <= 3  # after 2 s, and again after 4 and 8 s more
    assert 1 <= len(of_the_page) <= 3

    page.unroute(QUERIES, hold)  # which lets go on what is held
    page.wait_for_function(FACES, arg=PAGE_FACES, timeout=WAIT_MS)
