"""Last look in the room: a session whose pages are people, and whose rejection says that faces are duplicates."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from mtf.core.errors import BadInput
from mtf.core.project_paths import ProjectPaths
from mtf.review_app.engine.face_key import Key
from mtf.review_app.engine.key_actions import At
from mtf.review_app.engine.last_look import LastLook
from mtf.review_app.engine.loading import plan_of
from mtf.review_app.engine.page import LAST_LOOK, NOTHING_LEFT, Page, Plan
from mtf.review_app.engine.review_data import ReviewData
from mtf.review_app.engine.session import ReviewSession
from mtf.schemas import Step

GROUP_KEY = "mark the faces that are alike, then press 8; press Shift + A when you have seen all of them"


class LastLookSession(ReviewSession):
    """Session of a last look. Nothing in it is a vote: pairs and finished people lie in files of their own.

    A page has all accepted faces of a person. `reject` groups the given faces, `accept` says that the given faces were
    looked at; a person is finished once each of their faces was.
    """

    def __init__(
        self,
        workspace: ProjectPaths,
        review_data: ReviewData,
        reviewer: str,
        *,
        check: Callable[[Sequence[Key]], None] = lambda _: None,
    ) -> None:
        look = LastLook(workspace, review_data, reviewer)
        super().__init__(look.writer, review_data, plan_of(review_data, joint=False), reviewer=reviewer, check=check)
        self._look = look
        self._gone: set[Key] = set()
        # Faces of each action on the current person, with the number of pairs that it wrote.
        self._done: list[tuple[list[Key], int]] = []

    @property
    def left(self) -> float:
        """Number of people who are left."""
        return self._look.left

    def open_faces(self, step: str) -> int:
        """Number of people who are left, at the duplicates."""
        return self._look.left if step == Step.DUPLICATE else 0

    def page(self) -> Page:
        with self._lock:
            while (page := self._look.page()) is not None:
                over = self._gone.union(*(faces for faces, _ in self._done))
                if faces := tuple(face for face in page.faces if face not in over):
                    return Page(str(Step.DUPLICATE), LAST_LOOK, page.identity, faces)
                self._look.finish()
                self._done.clear()
            return NOTHING_LEFT

    def turn(self) -> Page:
        return self.page()

    def prepare(self) -> Page | None:
        """None: the next person is there at once."""
        return None

    def leave_out(self, faces: Sequence[Key]) -> None:
        with self._lock:
            self._gone.update(faces)

    def renew(self, review_data: ReviewData, plan: Plan) -> None:
        """Do nothing: what others decide meanwhile is shown at the next look."""

    def accept(self, faces: Sequence[Key], *, at: At = None) -> list[Key]:  # noqa: ARG002 (as ReviewSession)
        """Faces were looked at."""
        with self._lock:
            self._begin(faces)
            return self._end(faces, pairs=0)

    def reject(self, faces: Sequence[Key], reason: str | None = None, *, at: At = None) -> list[Key]:  # noqa: ARG002
        """Group the faces: each of them with the first. Raises BadInput for a single one."""
        with self._lock:
            self._begin(faces)
            if len(faces) < 2:
                raise BadInput(GROUP_KEY)
            for other in faces[1:]:
                self._look.group(faces[0], other)
            return self._end(faces, pairs=len(faces) - 1)

    def undo(self) -> list[Key]:
        """Undo the last action on the current person. Raises BadInput if there is none."""
        with self._lock:
            if not self._done:
                raise BadInput("nothing about this person is left to undo")
            faces, pairs = self._done.pop()
            for _ in range(pairs):
                self._look.undo()
            return faces

    def keep(self, faces: Sequence[Key], *, at: At = None) -> list[Key]:  # noqa: ARG002 (as ReviewSession)
        raise BadInput(f"the panel is asked later which one stays; {GROUP_KEY}")

    def skip(self, faces: Sequence[Key], *, at: At = None) -> list[Key]:  # noqa: ARG002 (as ReviewSession)
        raise BadInput(GROUP_KEY)

    def label(self, faces: Sequence[Key], column: str, value: str) -> list[Key]:  # noqa: ARG002 (as ReviewSession)
        raise BadInput(GROUP_KEY)

    def step_of(self, face: Key) -> str | None:
        return str(Step.DUPLICATE) if face in self.page().faces else None

    def close(self) -> None:
        self._look.close()

    def _begin(self, faces: Sequence[Key]) -> None:
        if not faces:
            raise BadInput("no face is selected")
        shown = self.page().faces
        if any(face not in shown for face in faces):
            raise BadInput("this face is not on the page; press n")
        self._check(faces)

    def _end(self, faces: Sequence[Key], *, pairs: int) -> list[Key]:
        self._done.append((list(faces), pairs))
        self.pace.mark(len(faces), time.monotonic())
        return list(faces)
