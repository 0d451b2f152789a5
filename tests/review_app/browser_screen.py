"""A reviewer's screen: the real app in a real browser."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager

import polars as pl
from playwright.sync_api import Browser, Page, Request, Route

from mtf.annotation import ledger
from mtf.core.project_paths import ProjectPaths

FLAGS = (
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
QUERIES = "**/graphql"
OPERATORS = "**/operators/execute"
WAIT_MS = 60_000
A_LOOK_MS = 700
FAST_MS = 1600


def is_for_a_grid(request: Request) -> bool:
    """FiftyOne asks for a view's grid by this, and empties the one before once it is answered."""
    return "query DatasetPageQuery" in (request.post_data or "")


class Screen:
    """Screen of one reviewer in a browser: faces, bar, keys and clicks."""

    def __init__(self, browser: Browser, url: str) -> None:
        self.page: Page = browser.new_context(viewport={"width": 1400, "height": 860}).new_page()
        self.page.goto(url, timeout=WAIT_MS)
        self.page.wait_for_selector("#mtf-bar", timeout=WAIT_MS)
        # FiftyOne shows all faces before it shows the page, and forgets then what was selected.
        has_view = "() => document.querySelector('[data-cy=view-bar]')?.innerText.trim()"
        self.page.wait_for_function(has_view, timeout=WAIT_MS)

    @property
    def bar(self) -> str:
        return self.page.inner_text("#mtf-bar")

    def strike(self, key: str) -> Callable[[], str]:
        """Press a key; what is returned waits for the answer on the bar."""
        before = self.page.get_attribute("#mtf-bar", "data-answers")
        self.page.keyboard.press(key)

        def answered() -> str:
            self.page.wait_for_function(
                "before => document.getElementById('mtf-bar').dataset.answers !== before", arg=before, timeout=WAIT_MS
            )
            return self.bar

        return answered

    def press(self, key: str) -> str:
        """Press a key, and wait for the answer on the bar; a key for a page, as soon as the page may be judged."""
        for _ in range(60):
            self.strike(key)()
            if "look at the page first" not in self.bar:
                return self.bar
            self.page.wait_for_timeout(A_LOOK_MS)
        raise AssertionError("the page does not come on the screen")

    def sees_faces(self, count: int) -> None:
        self.page.wait_for_function(
            "count => document.querySelectorAll('[data-cy=looker]').length === count", arg=count, timeout=WAIT_MS
        )
        self.page.wait_for_timeout(400)

    def scroll_to_the_end(self) -> None:
        self.page.mouse.move(800, 500)
        self.page.mouse.wheel(0, 5000)

    def open_face(self, number: int) -> None:
        self._click(number, 60, 60)
        self.page.wait_for_selector('[data-cy="modal"]', timeout=WAIT_MS)
        self.page.wait_for_timeout(600)

    def leave_face(self) -> None:
        for _ in range(20):
            self.page.keyboard.press("Escape")
            self.page.wait_for_timeout(700)
            if not self.page.locator('[data-cy="modal"]').count():
                return
        raise AssertionError("the face does not close")

    def select(self, *numbers: int) -> None:
        for number in numbers:
            self._click(number, 12, 12)
            self.page.wait_for_timeout(250)

    def has_chosen(self, count: int) -> None:
        """So many faces FiftyOne has selected, once it and the bar have come to rest."""
        self.page.wait_for_timeout(A_LOOK_MS)
        self.page.wait_for_function(
            "count => Number(document.querySelector('[data-cy=action-manage-selected]')?.innerText || 0) === count",
            arg=count,
            timeout=WAIT_MS,
        )

    def click(self, place: dict[str, float]) -> None:
        """Where a face lay, or lies: on its box to select it."""
        self.page.mouse.click(place["x"] + 12, place["y"] + 12)

    @contextmanager
    def grid_held(self, key: str) -> Generator[str]:
        """Press a key that changes the page, and give the answer; the grid keeps its faces until this is left."""
        held: list[Route] = []

        def hold(route: Route) -> None:
            if is_for_a_grid(route.request):
                held.append(route)
            else:
                route.continue_()

        self.page.route(QUERIES, hold)
        with self.page.expect_request(is_for_a_grid, timeout=WAIT_MS):
            said = self.press(key)
        yield said
        for route in held:
            route.continue_()
        self.page.unroute(QUERIES)

    @contextmanager
    def answer_held(self, key: str) -> Generator[Callable[[], str]]:
        """Press a key, whose request reaches the server only when this is left: until then the faces stay.

        Gives what waits for the answer on the bar, as `strike` does.
        """
        held: list[Route] = []

        def hold(route: Route) -> None:
            held.append(route)

        self.page.route(OPERATORS, hold)
        with self.page.expect_request(OPERATORS, timeout=WAIT_MS):
            answer = self.strike(key)
        yield answer
        for route in held:
            route.continue_()
        self.page.unroute(OPERATORS)

    def place(self, number: int) -> dict[str, float]:
        """Where a face lies, once the grid has come to rest."""
        face, before = self.page.locator("[data-cy=looker]").nth(number), None
        for _ in range(120):
            place = face.bounding_box(timeout=WAIT_MS)
            if place is not None and place == before:
                return {name: float(value) for name, value in place.items()}
            before = place
            self.page.wait_for_timeout(500)
        raise AssertionError("the grid does not come to rest")

    def _click(self, number: int, x: int, y: int) -> None:
        place = self.place(number)
        self.page.mouse.move(place["x"] + x + 2, place["y"] + y + 2)
        self.page.wait_for_timeout(200)
        self.page.mouse.click(place["x"] + x, place["y"] + y)


def decided(workspace: ProjectPaths, reviewer: str | None = None) -> pl.DataFrame:
    """The ledger's decisions, of one reviewer or of all."""
    decisions = ledger.read(workspace.review).decisions
    return decisions if reviewer is None else decisions.filter(reviewer=reviewer)
