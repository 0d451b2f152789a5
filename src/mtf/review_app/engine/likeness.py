"""Similarity of faces of one person by their embeddings, with a cache of similarity matrices.

Also loads the embeddings from screening's shards.
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
    """Cosine similarities between the faces of each person.

    embeddings: (faces, dimensions), of unit length; zeros for a face without an embedding.
    persons: (faces), number of each face's identity.
    """

    def __init__(self, embeddings: NDArray[np.floating], persons: NDArray[np.int64]) -> None:
        self._embeddings = embeddings
        self._persons = persons
        order = np.argsort(persons, kind="stable")
        numbers, starts = np.unique(persons[order], return_index=True)
        self._rows = dict(zip(numbers.tolist(), np.split(order, starts[1:]), strict=True))
        self._cache: OrderedDict[int, NDArray[np.float32]] = OrderedDict()
        self._bytes = 0

    def neighbours(self, rows: NDArray[np.int64], accepted: NDArray[np.float64]) -> NDArray[np.float64]:
        """Similarity features (rows, 4) of faces to the accepted and rejected faces of the same person.

        The features are the similarity to the nearest accepted face, to the nearest rejected face and to the mean of
        the accepted ones, and log(1 + number accepted). A face is never compared with itself. `accepted` (rows) is 1,
        0, or NaN without a verdict.
        """
        found = np.zeros((len(rows), 4))
        # One thread: the products are small, and threads that wait for each other would take most of the time.
        with threadpool_limits(1):
            for person in np.unique(self._persons[rows]).tolist():
                at = np.flatnonzero(self._persons[rows] == person)
                within = np.searchsorted(self._rows[person], rows[at])
                found[at] = _among(self._similarities(person)[np.ix_(within, within)], accepted[at])
        return found

    def _similarities(self, person: int) -> NDArray[np.float32]:
        """Similarity matrix of a person's faces, from the cache if it was used recently."""
        if person in self._cache:
            self._cache.move_to_end(person)
            return self._cache[person]
        embeddings = self._embeddings[self._rows[person]].astype(np.float32)
        similarities = embeddings @ embeddings.T
        self._cache[person] = similarities
        self._bytes += similarities.nbytes
        while self._bytes > HELD_BYTES and len(self._cache) > 1:
            self._bytes -= self._cache.popitem(last=False)[1].nbytes
        return similarities


def _among(similarities: NDArray[np.float32], accepted: NDArray[np.float64]) -> NDArray[np.float64]:
    good, bad = accepted == 1, accepted == 0
    own = np.diagonal(similarities)
    others = similarities - np.diag(own)
    to_good = others[:, good].sum(axis=1)
    # Length of the mean, without the face itself if it is one of the accepted.
    total = float(similarities[np.ix_(good, good)].sum())
    squared = np.where(good, total - 2 * to_good - own, total)
    length = np.sqrt(np.maximum(squared, 0))
    to_middle = np.divide(to_good, length, out=np.zeros(len(similarities)), where=length > 1e-4)
    count = np.full(len(similarities), np.log1p(good.sum()))
    return np.column_stack([_nearest(others, good), _nearest(others, bad), to_middle, count])


def _nearest(others: NDArray[np.float32], among: NDArray[np.bool_]) -> NDArray[np.float64]:
    return others[:, among].max(axis=1).clip(0) if among.any() else np.zeros(len(others))


def load_embeddings(workspace: ProjectPaths, faces: pl.DataFrame) -> np.ndarray | None:
    """Embeddings (faces, dimensions) in the order of `faces`, of unit length, float16; None if screening wrote none.

    A face without an embedding has zeros. The rows of screening's shards carry embeddings as bytes.
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
