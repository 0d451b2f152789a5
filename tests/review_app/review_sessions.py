"""Review sessions on a project on disk, without a screen."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mtf import config
from mtf.core.project_paths import ProjectPaths
from mtf.review_app.engine.face_key import Key
from mtf.review_app.engine.loading import load_review_data, session_of
from mtf.review_app.engine.review_data import ReviewData
from mtf.review_app.engine.session import ReviewSession


class NoScreen:
    """Screen of a terminal that draws nothing; `shown` has the faces that it was asked for."""

    def __init__(self) -> None:
        self.shown: list[Key] = []

    def show(self, face: Key) -> None:
        self.shown.append(face)

    def show_page(self, faces: Sequence[Key]) -> None:
        self.shown += faces

    def forget_page(self) -> None:
        pass


def open_session(
    workspace: ProjectPaths, reviewer: str = "anna", *, joint: bool = False
) -> tuple[ReviewSession, ReviewData]:
    """Session of a reviewer, or the joint session that they record, and the project's current review data."""
    review_data, _ = load_review_data(workspace, config.load(workspace.params))
    return session_of(workspace, review_data, reviewer, joint=joint), review_data


def review_as(workspace: ProjectPaths, reviewer: str, decides: Callable[[ReviewSession], object]) -> None:
    """Open a session, decide, and close it."""
    session, _ = open_session(workspace, reviewer)
    decides(session)
    session.close()
