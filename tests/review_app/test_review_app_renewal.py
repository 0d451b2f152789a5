"""Decisions of others while the review app is open: they are taken over without interrupting anybody."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from typing import Any

import pytest
from bson import ObjectId
from pymongo import UpdateOne
from review_sessions import review_as

from mtf import config
from mtf.core.errors import BadInput
from mtf.core.project_paths import ProjectPaths
from mtf.review_app.engine.loading import Reading, read, session_of
from mtf.review_app.fiftyone import live_session
from mtf.review_app.fiftyone.live_session import LiveSession
from mtf.review_app.fiftyone.samples import sample_id


class Collection:
    """Writes to the screen's database."""

    def __init__(self) -> None:
        self.written: list[Any] = []

    def bulk_write(self, updates: list[Any], *, ordered: bool) -> None:
        assert not ordered
        self.written += updates


@pytest.fixture
def open_for_anna() -> Generator[Callable[[ProjectPaths], LiveSession]]:
    live_sessions: list[LiveSession] = []

    def open_(workspace: ProjectPaths) -> LiveSession:
        reading = read(workspace, config.load(workspace.params), "anna", joint=False)
        live_sessions.append(live_session_of(workspace, reading))
        return live_sessions[-1]

    yield open_
    for live in live_sessions:
        live.close()


def live_session_of(workspace: ProjectPaths, reading: Reading) -> LiveSession:
    session = session_of(workspace, reading.review_data, "anna", joint=False, page_faces=3)
    return LiveSession(reading.review_data, reading.pictures, session, "sample-anna", Collection(), reading.renewed)


def counted(live: LiveSession) -> dict[str, dict[str, int]]:
    """Text of the progress panel for everyone, without steps that nobody has reached."""
    return {name: {step: count for step, count in counts.items() if count} for name, counts in live.everyone().items()}


def test_others_votes_change_the_progress_and_the_panel_and_the_page_stays(
    project: Callable[..., ProjectPaths], open_for_anna: Callable[[ProjectPaths], LiveSession]
) -> None:
    workspace = project({"ada": 8})
    live = open_for_anna(workspace)
    page = live.session.page()
    first, *rest = page.faces
    live.session.accept([first])
    live.refresh()
    assert counted(live) == {"anna": {"face": 1}}

    review_as(workspace, "ben", lambda session: session.reject([first]))
    review_as(workspace, "cyd", lambda session: session.reject([first]))
    live.refresh()
    assert counted(live) == {"anna": {"face": 1}, "ben": {"face": 1}, "cyd": {"face": 1}}
    assert list(live.session.page().faces) == rest
    live.close()
    assert live.collection.written[-1] == UpdateOne(
        {"_id": ObjectId(sample_id(*first))}, {"$set": {"panel": "split", "panel_said": None, "digest": None}}
    )


def test_a_fault_while_others_votes_are_read_is_told_once_and_does_not_end_it(
    project: Callable[..., ProjectPaths], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(live_session, "REFRESH_S", 0.01)
    workspace = project({"ada": 3})
    reading = read(workspace, config.load(workspace.params), "anna", joint=False)
    tried, taken_in = [], threading.Event()

    def renewed(_: object) -> None:
        tried.append(None)
        if len(tried) <= 3:
            raise BadInput("a half line") if len(tried) == 1 else ZeroDivisionError("no votes")
        taken_in.set()

    live = live_session_of(workspace, reading._replace(renewed=renewed))
    try:
        assert taken_in.wait(10)
    finally:
        live.close()
    assert [record.getMessage() for record in caplog.records] == [
        "decisions of others are not shown: a half line",
        "decisions of others are not shown: no votes",
    ]
    assert [bool(record.exc_info) for record in caplog.records] == [False, True]
