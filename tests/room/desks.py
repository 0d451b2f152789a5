"""Desks at a project on disk, as the room opens them, without a screen."""

from __future__ import annotations

from collections.abc import Callable

from mtf import params
from mtf.room.desk import Desk
from mtf.room.material import Material
from mtf.room.opening import desk_of, material_of
from mtf.workspace import Workspace


def opened(workspace: Workspace, reviewer: str = "anna", *, joint: bool = False) -> tuple[Desk, Material]:
    """A reviewer's desk, or the joint session's that they write down, and the project as it is by now."""
    material, _ = material_of(workspace, params.load(workspace.params))
    return desk_of(workspace, material, reviewer, joint=joint), material


def sit(workspace: Workspace, reviewer: str, decides: Callable[[Desk], object]) -> None:
    """A reviewer sits down, decides and is gone again."""
    desk, _ = opened(workspace, reviewer)
    decides(desk)
    desk.close()
