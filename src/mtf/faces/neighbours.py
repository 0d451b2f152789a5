"""Pairs of near embeddings among many, without comparing every pair.

Up to `FEW` embeddings are compared outright. Of more, k-means makes about 2·√n cells, and each is compared with those
of the cells nearest to it alone (an inverted file, faiss): the work grows with n·√n. What is compared is kept in 8
bits a number, a quarter of what the embeddings take.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from mtf.faces.hashes import Edges

FEW = 4096
CELLS_LOOKED_AT = 16
# Compared at a time; all of these might be near to everyone, so that this bounds the memory.
ROWS_AT_ONCE = 64
_TRAINING_PER_CELL = 40
# Numbers of 8 bits are off by a little: pairs are proposed from farther, and it is for the caller to confirm them.
_SLACK = 1.25


def near_edges(embeddings: np.ndarray, *, distance: float) -> Iterator[Edges]:
    """Blocks of pairs (i, j), i < j, of `embeddings` (n, d), rows of length one, within the cosine `distance`.

    Pairs a quarter farther apart may be among them. Of up to `FEW` rows all pairs are found, of more nearly all.
    """
    if len(embeddings) <= FEW:
        yield from _of_all_pairs(embeddings, distance)
    else:
        yield from _of_near_cells(embeddings, distance)


def _of_all_pairs(embeddings: np.ndarray, distance: float) -> Iterator[Edges]:
    everyone = embeddings.astype(np.float32)
    for start in range(0, len(everyone), ROWS_AT_ONCE):
        similarity = everyone[start : start + ROWS_AT_ONCE] @ everyone[start:].T
        first, second = np.nonzero(1 - similarity <= distance * _SLACK)
        yield _each_once(first + start, second + start)


def _of_near_cells(embeddings: np.ndarray, distance: float) -> Iterator[Edges]:
    index = _index(embeddings)
    # Of rows of length one, the squared Euclidean distance is twice the cosine distance.
    radius = 2 * distance * _SLACK
    for start in range(0, len(embeddings), ROWS_AT_ONCE):
        rows = np.ascontiguousarray(embeddings[start : start + ROWS_AT_ONCE], np.float32)
        ends, _, found = index.range_search(rows, radius)
        first = np.repeat(np.arange(start, start + len(rows)), np.diff(ends).astype(np.int64))
        yield _each_once(first, found)


def _index(embeddings: np.ndarray) -> Any:
    import faiss

    count, size = embeddings.shape
    cells = int(2 * np.sqrt(count))
    # The factory is declared to give any index; this one has cells.
    index: Any = faiss.index_factory(size, f"IVF{cells},SQ8")
    index.cp.niter = 10
    index.nprobe = CELLS_LOOKED_AT
    picked = np.random.default_rng(0).permutation(count)[: _TRAINING_PER_CELL * cells]
    index.train(np.ascontiguousarray(embeddings[np.sort(picked)], np.float32))
    for start in range(0, count, FEW):
        index.add(np.ascontiguousarray(embeddings[start : start + FEW], np.float32))
    return index


def _each_once(first: np.ndarray, second: np.ndarray) -> Edges:
    later = second > first
    return first[later].astype(np.int64), second[later].astype(np.int64)
