"""Desks at a project on disk, as the room opens them, without a screen."""

from __future__ import annotations

from collections.abc import Callable

from mtf import config
from mtf.core.project_paths import ProjectPaths
from mtf.review_app.engine.loading import desk_of, material_of
from mtf.review_app.engine.review_data import ReviewData
from mtf.review_app.engine.session import ReviewSession


def opened(workspace: ProjectPaths, reviewer: str = "anna", *, joint: bool = False) -> tuple[ReviewSession, ReviewData]:
    """A reviewer's desk, or the joint session's that they write down, and the project as it is by now."""
    material, _ = material_of(workspace, config.load(workspace.params))
    return desk_of(workspace, material, reviewer, joint=joint), material


def sit(workspace: ProjectPaths, reviewer: str, decides: Callable[[ReviewSession], object]) -> None:
    """A reviewer sits down, decides and is gone again."""
    desk, _ = opened(workspace, reviewer)
    decides(desk)
    desk.close()
