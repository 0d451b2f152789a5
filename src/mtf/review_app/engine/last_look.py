"""Last look: all accepted faces of a person on one page, sorted by likeness; one key says that two are duplicates.

It is the paper's third way to find duplicates, after digests and embeddings (MTF, section 3.2). A pair becomes a group
for the whole panel (`mtf.annotation.pairs`): its members are asked which of the two stays.
"""

from __future__ import annotations

import threading
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mtf.annotation import ledger, pairs
from mtf.annotation.pairs import Look, Pair
from mtf.core.errors import BadInput
from mtf.core.project_paths import ProjectPaths
from mtf.review_app.engine.face_key import Key
from mtf.review_app.engine.queue import ACCEPT, KEEP, NOTHING, SKIP, duplicate_place
from mtf.review_app.engine.review_data import ReviewData

# Above this number of faces the leaves are not put into their best order, which takes seconds.
MAX_BEST_ORDER = 400


class LookPage(NamedTuple):
    """Page of one person.

    identity: slug of the person.
    faces: all faces that stand accepted, those that are alike side by side.
    grouped: pairs that this reviewer found among them.
    """

    identity: str
    faces: tuple[Key, ...]
    grouped: tuple[tuple[Key, Key], ...]


class LastLook:
    """Last look of one reviewer over each person. A pair is on disk before `group` returns. Safe between threads.

    review_data: as it stood when the look began; faces that are accepted later are shown at the next look.
    """

    def __init__(self, workspace: ProjectPaths, review_data: ReviewData, reviewer: str) -> None:
        self._data = review_data.real
        self._reviewer = reviewer
        self._lock = threading.RLock()
        self._pairs = ledger.LedgerWriter(workspace.review, reviewer, kind=pairs.PAIRS)
        self._looks = ledger.LedgerWriter(workspace.review, reviewer, kind=pairs.LOOKS)
        seen = [one for one in ledger.records(workspace.review, pairs.LOOKS, Look)[0] if one.reviewer == reviewer]
        self._seen = {face for look in seen for face in look.faces}
        self._found = [pair for pair in pairs.read(workspace.review) if pair.reviewer == reviewer]
        self._actions: list[Pair] = []
        accepted = self._accepted()
        self._faces = {
            person: by_likeness(self._data, accepted[self._data.persons[accepted] == person])
            for person in np.unique(self._data.persons[accepted]).tolist()
        }

    @property
    def writer(self) -> ledger.LedgerWriter:
        """Writer of the pairs."""
        return self._pairs

    @property
    def left(self) -> int:
        """Number of persons with two accepted faces or more, one of them not looked over yet."""
        return sum(self._is_open(faces) for faces in self._faces.values())

    def page(self) -> LookPage | None:
        """Next person to look over; None if none is left."""
        with self._lock:
            faces = next((each for each in self._faces.values() if self._is_open(each)), None)
            if faces is None:
                return None
            places = {self._data.place(face): face for face in faces}
            found = ([places.get(place) for place in pair.faces] for pair in self._found)
            grouped = tuple((one, other) for one, other in found if one is not None and other is not None)
            return LookPage(faces[0].identity, faces, grouped)

    def group(self, one: Key, other: Key) -> None:
        """Say that two faces of a person are duplicates. Raises BadInput for one face, or for faces of two persons."""
        if one == other or one.identity != other.identity:
            raise BadInput("two different faces of one person make a pair")
        with self._lock:
            (image_id, box), (other_image_id, other_box) = self._data.place(one), self._data.place(other)
            pair = Pair(
                reviewer=self._reviewer,
                identity=one.identity,
                image_id=image_id,
                box=box,
                other_image_id=other_image_id,
                other_box=other_box,
            )
            self._pairs.append(pair)
            self._found.append(pair)
            self._actions.append(pair)

    def undo(self) -> None:
        """Take back the last pair of this look. Raises BadInput if there is none."""
        with self._lock:
            if not self._actions:
                raise BadInput("no pair of this look is left to undo")
            pair = self._actions[-1]
            self._pairs.append(Pair(**pair.model_dump(exclude={"time", "undone"}), undone=True))
            self._actions.pop()
            self._found.remove(pair)

    def finish(self) -> None:
        """Finish the page: the person is not shown again until a further face of theirs is accepted."""
        with self._lock:
            page = self.page()
            if page is None:
                raise BadInput("no person is left to look over")
            faces = tuple(face.face_id for face in page.faces)
            self._looks.append(Look(reviewer=self._reviewer, identity=page.identity, faces=faces))
            self._seen.update(faces)

    def close(self) -> None:
        self._pairs.close()
        self._looks.close()

    def _is_open(self, faces: tuple[Key, ...]) -> bool:
        return len(faces) > 1 and any(face.face_id not in self._seen for face in faces)

    def _accepted(self) -> NDArray[np.int64]:
        """Rows of the faces that passed every step before the duplicates, and are not rejected as one.

        The panel's settled verdict counts, and else this reviewer's own.
        """
        own = self._data.votes_by(self._reviewer).codes
        codes = self._data.panel_verdicts.codes
        codes = np.where((codes == NOTHING) & (own != SKIP), own, codes)
        duplicate = duplicate_place()
        passed = np.isin(codes[:, :duplicate], (ACCEPT, KEEP)).all(axis=1)
        return np.flatnonzero(passed & np.isin(codes[:, duplicate], (NOTHING, ACCEPT, KEEP)))


def by_likeness(review_data: ReviewData, rows: NDArray[np.int64]) -> tuple[Key, ...]:
    """Faces at `rows` in an order that puts those that are alike side by side; faces without an embedding come last.

    The order is that of the leaves of a hierarchical clustering by cosine distance, the best one for up to
    MAX_BEST_ORDER faces (Bar-Joseph et al., "Fast optimal leaf ordering", Bioinformatics 17, 2001).
    """
    if review_data.embeddings is None:
        return tuple(review_data.key(int(row)) for row in rows)
    vectors = review_data.embeddings[rows].astype(np.float64)
    known = np.linalg.norm(vectors, axis=1) > 0
    order = np.flatnonzero(known)
    if known.sum() > 2:
        from scipy.cluster.hierarchy import leaves_list, linkage

        tree = linkage(vectors[known], "average", metric="cosine", optimal_ordering=known.sum() <= MAX_BEST_ORDER)
        order = order[leaves_list(tree)]
    return tuple(review_data.key(int(row)) for row in rows[np.concatenate([order, np.flatnonzero(~known)])])
