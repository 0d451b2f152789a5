"""How alike the faces of one person are to those that were judged: by their embeddings, and quick to ask again.

The faces' embeddings, where screening made some.
"""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import polars as pl
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from mtf.core import shards
from mtf.core.project_paths import ProjectPaths

HELD_BYTES = 256 * 2**20


class Likeness:
    """Similarities within persons. `embeddings` is (faces, dimensions), of length one (or zero: a face without);
    `persons` (faces) is who each is said to be, as a number."""

    def __init__(self, embeddings: NDArray[np.floating], persons: NDArray[np.int64]) -> None:
        self._embeddings = embeddings
        self._persons = persons
        order = np.argsort(persons, kind="stable")
        numbers, starts = np.unique(persons[order], return_index=True)
        self._rows = dict(zip(numbers.tolist(), np.split(order, starts[1:]), strict=True))
        self._held: OrderedDict[int, NDArray[np.float32]] = OrderedDict()
        self._bytes = 0

    def neighbours(self, rows: NDArray[np.int64], accepted: NDArray[np.float64]) -> NDArray[np.float64]:
        """(rows, 4): similarity to the person's nearest accepted and nearest rejected face, to the middle of the
        accepted, and how many those are (as log(1 + n)); a face is never compared with itself.

        `accepted` (rows) is 1, 0, or NaN where nothing was said.
        """
        found = np.zeros((len(rows), 4))
        # One thread: the products are small, and threads that wait for each other would take most of the time.
        with threadpool_limits(1):
            for person in np.unique(self._persons[rows]).tolist():
                at = np.flatnonzero(self._persons[rows] == person)
                within = np.searchsorted(self._rows[person], rows[at])
                found[at] = _among(self._alike(person)[np.ix_(within, within)], accepted[at])
        return found

    def _alike(self, person: int) -> NDArray[np.float32]:
        """All similarities of a person's faces; those asked for last are held."""
        if person in self._held:
            self._held.move_to_end(person)
            return self._held[person]
        embeddings = self._embeddings[self._rows[person]].astype(np.float32)
        alike = embeddings @ embeddings.T
        self._held[person] = alike
        self._bytes += alike.nbytes
        while self._bytes > HELD_BYTES and len(self._held) > 1:
            self._bytes -= self._held.popitem(last=False)[1].nbytes
        return alike


def _among(alike: NDArray[np.float32], accepted: NDArray[np.float64]) -> NDArray[np.float64]:
    good, bad = accepted == 1, accepted == 0
    own = np.diagonal(alike)
    others = alike - np.diag(own)
    to_good = others[:, good].sum(axis=1)
    # The middle's length, without the face itself where it is one of the accepted.
    total = float(alike[np.ix_(good, good)].sum())
    squared = np.where(good, total - 2 * to_good - own, total)
    length = np.sqrt(np.maximum(squared, 0))
    to_middle = np.divide(to_good, length, out=np.zeros(len(alike)), where=length > 1e-4)
    count = np.full(len(alike), np.log1p(good.sum()))
    return np.column_stack([_nearest(others, good), _nearest(others, bad), to_middle, count])


def _nearest(others: NDArray[np.float32], among: NDArray[np.bool_]) -> NDArray[np.float64]:
    return others[:, among].max(axis=1).clip(0) if among.any() else np.zeros(len(others))


def load_embeddings(workspace: ProjectPaths, faces: pl.DataFrame) -> np.ndarray | None:
    """(faces, dimensions) in the order of `faces`, of length one, 16 bits each; None where there are none.

    A face without an embedding has zeros. The rows of screening's shards carry them as bytes.
    """
    found = [rows for identity in faces["identity"].unique().sort() if (rows := _of(workspace, identity)) is not None]
    if not found:
        return None
    joined = faces.join(pl.concat(found), on=["identity", "face_id"], how="left", maintain_order="left")["embedding"]
    stored: list[bytes | None] = joined.to_list()
    size = max((len(one) for one in stored if one is not None), default=0)
    data = b"".join(one if one is not None and len(one) == size else bytes(size) for one in stored)
    return np.frombuffer(data, np.float16).reshape(faces.height, size // 2) if size else None


def _of(workspace: ProjectPaths, identity: str) -> pl.DataFrame | None:
    path = workspace.shard("screen", identity)
    if not path.is_file():
        return None
    rows = shards.rows_of(path)
    return rows.select("identity", "face_id", "embedding") if "embedding" in rows.columns else None
