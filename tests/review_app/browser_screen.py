"""A reviewer's screen: the real app in a real browser."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from typing import Any

import polars as pl
from playwright.sync_api import Browser, Error, Page, Response, Route, TimeoutError

from mtf.annotation import ledger
from mtf.core.project_paths import ProjectPaths

FLAGS = (
    "--no-sandbox",
    # There is none: its emulation takes a fifth of the processor time of a page.
    "--disable-gpu",
    # Code that runs once is not worth to be optimised, nor is a small young heap to be searched again and again.
    "--js-flags=--no-opt --max-lazy --min-semi-space-size=64",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
QUERIES = "**/graphql"
OPERATORS = "**/operators/execute"
WAIT_MS = 300_000
# By itself Playwright looks at each frame, and has the browser draw sixty of them a second.
POLL_MS = 50
ROOM = '[data-cy="mtf-room"]'
# The panel's own state, in its module.
STORE = "/plugins/review/js/store.js"
FACE = '[data-cy="mtf-face"]'
SIZE = {"width": 1440, "height": 900}


class Screen:
    """Screen of one reviewer in a browser: question, faces, message, keys and clicks."""

    def __init__(self, browser: Browser, url: str | None, *, size: dict[str, int] | None = None) -> None:
        """With no `url` the window is empty; `open` a reviewer's address later."""
        self.page: Page = browser.new_context(viewport=size or SIZE).new_page()
        self.page.set_default_timeout(WAIT_MS)
        if url is not None:
            self.open(url)

    def open(self, url: str) -> None:
        self.page.goto(url, timeout=WAIT_MS)
        self.page.wait_for_selector(ROOM, timeout=WAIT_MS)

    @property
    def question(self) -> str:
        return self.page.inner_text("#mtf-question")

    @property
    def head(self) -> str:
        return self.page.inner_text(".mtf-head")

    @property
    def message(self) -> str:
        return self.page.inner_text('[data-cy="mtf-message"]')

    @property
    def keys(self) -> str:
        return self.page.inner_text(".mtf-foot")

    def ids(self, state: str = "") -> list[str]:
        """Ids of the faces on the screen, in order; `state` is a class, such as `.marked`, `.said`, `:not(.said)`."""
        return self.page.eval_on_selector_all(FACE + state, "faces => faces.map(face => face.dataset.id)")

    def strike(self, key: str) -> Callable[[], str]:
        """Press a key; what is returned waits for the answer, and gives it."""
        before = self.page.get_attribute(ROOM, "data-answers")
        self.page.keyboard.press(key)

        def answered() -> str:
            self.page.wait_for_function(
                f"before => document.querySelector('{ROOM}').dataset.answers !== before",
                arg=before,
                polling=POLL_MS,
                timeout=WAIT_MS,
            )
            return self.message

        return answered

    def press(self, key: str) -> str:
        """Press a key, and wait for the answer."""
        return self.strike(key)()

    def press_until(self, is_saved: Callable[[], bool], key: str) -> None:
        """Press a key until its verdict is on disk: the app may be away, and FiftyOne without the panel.

        A page that was loaded too early is loaded again after 15 s, 30 s and 60 s. A key that is on its way is not
        pressed again: it would be one for the next face.
        """
        shown = "document.querySelector('[data-cy=mtf-message]')?.textContent"
        for _ in self._tries("the verdict is not saved", every_ms=500):
            with suppress(Error):  # the page is being loaded
                if self.evaluate(shown) not in (None, "…") and not is_saved():
                    self.page.keyboard.press(key)
            if is_saved():
                return

    def is_looked_at(self) -> None:
        """Return when the whole page may be decided, without a key that would be refused."""
        self.page.wait_for_function(
            "async store => (await import(store)).state.isLookedAt", arg=STORE, polling=POLL_MS, timeout=WAIT_MS
        )

    def decide_page(self, key: str = "Shift+A") -> str:
        """Press a key for the whole page, as soon as the page may be decided."""
        for _ in self._tries("the page may not be decided"):
            if "too fast" not in (said := self.press(key)):
                return said
        raise AssertionError

    def decide_until(self, text: str) -> None:
        """Accept page by page until the question has the text."""
        for _ in range(100):
            if text in self.question:
                return
            self.decide_page()
        raise AssertionError(f"no question has {text!r}")

    def sees(self, count: int, state: str = ":not(.said)") -> None:
        """So many faces are on the screen, with their pictures."""
        try:
            self.page.wait_for_function(
                "([faces, count]) => document.querySelectorAll(faces).length === count",
                arg=[f"{FACE}{state} img", count],
                polling=POLL_MS,
                timeout=WAIT_MS,
            )
        except TimeoutError as error:
            shown = self.page.locator("body").inner_text()
            raise AssertionError(f"not {count} faces but {self.ids(state)}, on {self.page.url}:\n{shown}") from error

    def _tries(self, failure: str, *, every_ms: int = 100) -> Generator[None]:
        """Iterate until the caller leaves, for WAIT_MS; then fail, and say what is on the screen."""
        until = time.monotonic() + WAIT_MS / 1000
        while time.monotonic() < until:
            yield
            self.page.wait_for_timeout(every_ms)
        raise AssertionError(f"{failure}, on {self.page.url}:\n{self.page.locator('body').inner_text()}")

    def mark(self, *numbers: int) -> None:
        """Click on faces, counted from 0 among those on the screen."""
        for number in numbers:
            self.page.locator(FACE).nth(number).click()

    def judge_again(self, face: str) -> None:
        """Choose a face in FiftyOne's grid and judge it on a page of the review.

        FiftyOne tells its operators what is chosen a moment later: one that is started at once may be refused.
        """
        self.evaluate(f"window.__foo__.executeOperator('set_selected_samples', {{samples: ['{face}']}})")
        for _ in self._tries("the review does not take the chosen face"):
            with self.page.expect_response(_is_look, timeout=WAIT_MS) as looked:
                self.evaluate("window.__foo__.executeOperator('@mtf/review/judge_chosen')")
            if "refused" not in looked.value.json()["result"]:
                self.page.wait_for_selector(ROOM, timeout=WAIT_MS)
                return

    def evaluate(self, script: str) -> Any:
        return self.page.evaluate(script)

    @contextmanager
    def answer_held(self, key: str) -> Generator[Callable[[], str]]:
        """Press a key whose request reaches the server only when this is left.

        Gives what waits for the answer, as `strike` does.
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

    @contextmanager
    def queries_delayed(self, ms: int) -> Generator[None]:
        """Delay all of FiftyOne's own queries."""

        def delayed(route: Route) -> None:
            self.page.wait_for_timeout(ms)
            route.continue_()

        self.page.route(QUERIES, delayed)
        yield
        self.page.unroute_all(behavior="ignoreErrors")


def _is_look(response: Response) -> bool:
    request = response.request
    return "operators/execute" in request.url and "@mtf/review/look" in (request.post_data or "")


def decided(workspace: ProjectPaths, reviewer: str | None = None) -> pl.DataFrame:
    """The ledger's decisions, of one reviewer or of all."""
    decisions = ledger.read(workspace.review).decisions
    return decisions if reviewer is None else decisions.filter(reviewer=reviewer)
