"""What others say while a room is open: it is taken in, and nobody is interrupted by it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from typing import Any

import pytest
from bson import ObjectId
from desks import sit
from pymongo import UpdateOne

from mtf import config
from mtf.core.errors import BadInput
from mtf.core.project_paths import ProjectPaths
from mtf.review_app.engine.loading import Reading, desk_of, read
from mtf.review_app.fiftyone import live_session
from mtf.review_app.fiftyone.live_session import LiveSession
from mtf.review_app.fiftyone.samples import sample_id


class Collection:
    """What is written to the screen's database."""

    def __init__(self) -> None:
        self.written: list[Any] = []

    def bulk_write(self, updates: list[Any], *, ordered: bool) -> None:
        assert not ordered
        self.written += updates


@pytest.fixture
def open_for_anna() -> Generator[Callable[[ProjectPaths], LiveSession]]:
    rooms: list[LiveSession] = []

    def open_(workspace: ProjectPaths) -> LiveSession:
        reading = read(workspace, config.load(workspace.params), "anna", joint=False)
        rooms.append(at_the_desk(workspace, reading))
        return rooms[-1]

    yield open_
    for room in rooms:
        room.close()


def at_the_desk(workspace: ProjectPaths, reading: Reading) -> LiveSession:
    desk = desk_of(workspace, reading.material, "anna", joint=False, page_faces=3)
    return LiveSession(reading.material, reading.pictures, desk, "sample-anna", Collection(), reading.renewed)


def counted(room: LiveSession) -> dict[str, dict[str, int]]:
    """What the panel of the progress says of everyone, without the steps that nobody has come to."""
    return {name: {step: count for step, count in counts.items() if count} for name, counts in room.everyone().items()}


def test_others_votes_change_the_progress_and_the_panel_and_the_page_stays(
    project: Callable[..., ProjectPaths], open_for_anna: Callable[[ProjectPaths], LiveSession]
) -> None:
    workspace = project({"ada": 8})
    room = open_for_anna(workspace)
    page = room.desk.page()
    first, *rest = page.faces
    room.desk.accept([first])
    room.refresh()
    assert counted(room) == {"anna": {"face": 1}}

    sit(workspace, "ben", lambda desk: desk.reject([first]))
    sit(workspace, "cyd", lambda desk: desk.reject([first]))
    room.refresh()
    assert counted(room) == {"anna": {"face": 1}, "ben": {"face": 1}, "cyd": {"face": 1}}
    assert list(room.desk.page().faces) == rest
    room.close()
    assert room.collection.written[-1] == UpdateOne(
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

    room = at_the_desk(workspace, reading._replace(renewed=renewed))
    try:
        assert taken_in.wait(10)
    finally:
        room.close()
    assert [record.getMessage() for record in caplog.records] == [
        "what others said meanwhile is not shown: a half line",
        "what others said meanwhile is not shown: no votes",
    ]
    assert [bool(record.exc_info) for record in caplog.records] == [False, True]
