"""Answer to the panel about a page: its question, its keys, why a face is proposed, and no more than may be seen."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import pytest

from mtf import config
from mtf.core.project_paths import ProjectPaths
from mtf.review_app.engine.loading import read, session_of
from mtf.review_app.engine.page import Page
from mtf.review_app.fiftyone.live_session import LiveSession
from mtf.review_app.fiftyone.page_answer import describe
from mtf.schemas import Step

INTERNAL = {"rank", "ready", "score", "digest", "face_id"}
OpenLive = Callable[..., LiveSession]


class NoDatabase:
    """Database that is not there: FiftyOne shows nothing here."""

    def bulk_write(self, *_: Any, **__: Any) -> None: ...


@pytest.fixture
def open_live(project: Callable[..., ProjectPaths]) -> Generator[OpenLive]:
    live_sessions: list[LiveSession] = []

    def open_(faces: dict[str, int], **options: Any) -> LiveSession:
        workspace = project(faces, **options)
        reading = read(workspace, config.load(workspace.params), "anna", joint=False)
        session = session_of(workspace, reading.review_data, "anna", joint=False)
        live_sessions.append(LiveSession(reading.review_data, reading.pictures, session, "sample-anna", NoDatabase()))
        return live_sessions[-1]

    yield open_
    for live in live_sessions:
        live.close()


def test_a_page_of_a_cluster_asks_all_its_questions_and_offers_the_reasons_of_all(open_live: OpenLive) -> None:
    live = open_live({"ada": 6})
    steps = (str(Step.FACE), str(Step.IDENTITY), str(Step.QUALITY))
    page = Page(steps[-1], "likely accept", "ada", live.session.page().faces, asks=steps)
    found = describe(live, page)
    assert found["question"].startswith("Is this one whole human face? Is this Ada? Is the face unobstructed")
    assert {"not_a_face", "wrong_person", "blurred"} <= set(found["asked_reasons"])
    assert len(found["faces"]) == 6
    assert not INTERNAL & set(found["faces"][0])


def test_the_proposed_keeper_is_one_face_with_the_measure_that_decides(open_live: OpenLive) -> None:
    live = open_live({"ada": 4}, groups={"ada": [[0, 1, 2]]})
    session = live.session
    while session.page().step != Step.DUPLICATE:
        session.accept(session.page().faces)
    found = describe(live, session.page())
    (reason,) = [face["keeper"] for face in found["faces"] if face["keeper"]]
    assert "the others at most" in reason
    assert found["can_keep"]


def test_faces_that_were_accepted_as_the_person_stand_beside_the_page_and_those_of_the_page_do_not(
    open_live: OpenLive,
) -> None:
    live = open_live({"ada": 20})
    session = live.session
    while session.page().step != Step.IDENTITY:
        session.accept(session.page().faces)
    first = session.page().faces[:3]
    session.accept(first)
    found = describe(live, session.page())
    assert {one["crop"] for one in found["accepted"]["ada"]}.isdisjoint(face["crop"] for face in found["faces"])
    assert len(found["accepted"]["ada"]) == 3
    assert all(face["said"] is None for face in found["faces"])
