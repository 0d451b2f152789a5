"""What lies in front of a reviewer: a page of faces, and where it comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mtf.room.material import Key
from mtf.room.queue import Rows
from mtf.room.said import Said
from mtf.tables import Step


@dataclass(frozen=True)
class Page:
    """Faces to be judged together at a step. `run` is what the triage expects of them, `together` what they share.

    `label` is the column that a joint session has to settle for these faces; None where the question is the step's.
    """

    step: Step | None
    run: str
    together: str | None
    faces: tuple[Key, ...]
    label: str | None = None


NOTHING_LEFT = Page(None, "", None, ())


class Plan(Protocol):
    """Where the next page comes from, and what a face is owed: `mtf.room.plan`."""

    def next_page(self, said: Said) -> tuple[Page, dict[str, int]]:
        """The page to be judged next, and how many faces are open at each step."""
        ...

    def counted(self, said: Said) -> dict[str, int]:
        """Step → how many faces are open at it."""
        ...

    def owed(self, said: Said, rows: Rows | None = None) -> tuple[NDArray[np.int8], NDArray[np.bool_]]:
        """The step each face is owed (a place in STEPS, or DONE), and whether it is ready; of `rows`, or of all.

        `rows` are all faces of some identities.
        """
        ...

    def split_label(self, said: Said, row: int) -> str | None:
        """The label of a face that a joint session has still to settle, where no verdict is left to be given."""
        ...
