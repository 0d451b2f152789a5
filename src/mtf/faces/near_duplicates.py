"""Near-duplicates of faces: exact groups, near groups (other size or compression, a burst), and groups across people.

Near hashes come from `hamming_index`, near embeddings from `near_edges`. Up to FEW embeddings are compared pair by
pair. For more, an inverted file (faiss) makes about 2·√n cells by k-means and compares each embedding only with those
of the nearest cells: the work grows with n·√n. It stores 8 bits a number, a quarter of the embeddings' size.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

import numpy as np
import polars as pl

from mtf.config import Screen
from mtf.faces import face_vectors, hamming_index
from mtf.faces.hamming_index import Edges

# Rows or pairs of embeddings compared at a time: bounds the memory for an identity of any size.
ROWS_AT_ONCE = 1024
PAIRS_AT_ONCE = 16384
# Hashes within this distance propose pairs across people, in addition to the near embeddings.
PROPOSING_DISTANCE = 10
# Embeddings up to this number are compared pair by pair.
FEW = 4096
CELLS_SEARCHED = 16
# Rows compared with all others at a time, all of which might be near: bounds the memory.
NEIGHBOUR_ROWS_AT_ONCE = 64
_TRAINING_PER_CELL = 40
# Numbers of 8 bits are inexact: pairs are proposed from a larger distance, for the caller to confirm.
_SLACK = 1.25


def exact_groups(digests: Sequence[str] | pl.Series) -> np.ndarray:
    """Group numbers (n,): equal digests of crops share one. They show the same image, or equal pixels of two files."""
    return (pl.Series(digests, dtype=pl.String).rank("dense").cast(pl.Int32) - 1).to_numpy()


def near_groups(hash_values: np.ndarray, embeddings: np.ndarray, screen: Screen) -> np.ndarray:
    """Group numbers (n,) of one identity's faces: linked by hash or by embedding, directly or over others.

    hash_values: (n,) uint64.
    embeddings: (n, d), rows of length one.

    Equal crops are near, too. The paper found near-duplicates with two programs and by eye (MTF, section 3.2); these
    groups are for reviewers to look through.

    Measured on 181 shots of ORL (ten shots of each of 40 people in one sitting), with distances of 4 and 0.04. Shots
    were shifted by up to 3 of 92 pixels, brightened, recompressed, tilted by up to 2° or scaled by up to 3 %, and
    detected again. 98 to 100 % are near their original, and 90 % with four of these changes at once. Of different shots
    of one person 4.2 % are near, of different people none.
    """
    labels = hamming_index.near_groups(hash_values, distance=screen.hash_distance)
    for start in range(0, len(embeddings), ROWS_AT_ONCE):
        apart = face_vectors.distances(embeddings[start : start + ROWS_AT_ONCE], embeddings)
        first, second = np.nonzero(apart <= screen.embedding_distance)
        labels = hamming_index.joined(labels, (first + start, second))
    return labels


def across_groups(
    identities: np.ndarray | pl.Series,
    digests: Sequence[str] | pl.Series,
    hash_values: np.ndarray,
    embeddings: np.ndarray,
    screen: Screen,
) -> np.ndarray:
    """Group numbers (n,) of all identities' faces; groups within one identity are dissolved.

    Equal crops share a group. Near embeddings, and near hashes at a wide distance, propose pairs. A pair is confirmed
    if its embeddings are within `embedding_distance`.

    Hashes alone would link everybody by chains: of 1,709 faces of different people (FairFace), 45 pairs are within 10
    bits by chance. Of 5,838 faces (FairFace and Congress, 17 million pairs), 8 pairs of embeddings are within 0.04.
    Each is the same shot twice, one with hashes 12 bits apart. The nearest pair of different people is 0.08 apart.
    """
    labels = exact_groups(digests)
    values, first_with, place = np.unique(hash_values, return_index=True, return_inverse=True)
    everyone = np.arange(len(hash_values))
    same_hash = [(first_with[place], everyone)]
    alike = near_edges(embeddings, distance=screen.embedding_distance)
    for left, right in chain(same_hash, _between(values, first_with, screen), alike):
        labels = _joined_where_near(labels, left, right, embeddings, screen)
    return only_across(labels, identities)


def named(labels: np.ndarray, face_ids: Sequence[str] | pl.Series) -> list[str | None]:
    """Name of each face's group: the least face_id in it; None for a face that is alone."""
    members = pl.DataFrame({"label": labels, "face_id": face_ids})
    least = pl.col("face_id").min().over("label")
    return members.select(pl.when(pl.len().over("label") > 1).then(least)).to_series().to_list()


def _between(values: np.ndarray, first_with: np.ndarray, screen: Screen) -> Iterator[hamming_index.Edges]:
    """Yield pairs of different near hashes, as indices of the first face with each."""
    distance = max(PROPOSING_DISTANCE, screen.hash_distance)
    for low, high in hamming_index.near_edges(values, distance=distance):
        yield first_with[low], first_with[high]


def _joined_where_near(
    labels: np.ndarray, left: np.ndarray, right: np.ndarray, embeddings: np.ndarray, screen: Screen
) -> np.ndarray:
    for start in range(0, len(left), PAIRS_AT_ONCE):
        ends = left[start : start + PAIRS_AT_ONCE], right[start : start + PAIRS_AT_ONCE]
        unlinked = labels[ends[0]] != labels[ends[1]]
        ends = ends[0][unlinked], ends[1][unlinked]
        similarity = np.einsum(
            "nd,nd->n", embeddings[ends[0]].astype(np.float32), embeddings[ends[1]].astype(np.float32)
        )
        near = 1 - similarity <= screen.embedding_distance
        labels = hamming_index.joined(labels, (ends[0][near], ends[1][near]))
    return labels


def only_across(labels: np.ndarray, identities: np.ndarray | pl.Series) -> np.ndarray:
    """Group numbers after dissolving groups within one identity: each of their faces gets its own."""
    person = pl.Series(identities, dtype=pl.String).rank("dense")
    members = pl.DataFrame({"label": labels, "person": person})
    has_several = pl.col("person").min().over("label") != pl.col("person").max().over("label")
    alone = np.arange(len(labels)) + labels.max(initial=-1) + 1
    return np.where(members.select(has_several).to_series().to_numpy(), labels, alone)


def near_edges(embeddings: np.ndarray, *, distance: float) -> Iterator[Edges]:
    """Yield blocks of pairs (i, j), i < j, of `embeddings` (n, d), rows of length one, within the cosine `distance`.

    Pairs up to a quarter farther apart may be included. Up to FEW rows, all pairs are found; for more, nearly all.
    """
    if len(embeddings) <= FEW:
        yield from _of_all_pairs(embeddings, distance)
    else:
        yield from _of_near_cells(embeddings, distance)


def _of_all_pairs(embeddings: np.ndarray, distance: float) -> Iterator[Edges]:
    everyone = embeddings.astype(np.float32)
    for start in range(0, len(everyone), NEIGHBOUR_ROWS_AT_ONCE):
        similarity = everyone[start : start + NEIGHBOUR_ROWS_AT_ONCE] @ everyone[start:].T
        first, second = np.nonzero(1 - similarity <= distance * _SLACK)
        yield _each_once(first + start, second + start)


def _of_near_cells(embeddings: np.ndarray, distance: float) -> Iterator[Edges]:
    index = _index(embeddings)
    # For rows of length one, the squared Euclidean distance is twice the cosine distance.
    radius = 2 * distance * _SLACK
    for start in range(0, len(embeddings), NEIGHBOUR_ROWS_AT_ONCE):
        rows = np.ascontiguousarray(embeddings[start : start + NEIGHBOUR_ROWS_AT_ONCE], np.float32)
        ends, _, neighbours = index.range_search(rows, radius)
        first = np.repeat(np.arange(start, start + len(rows)), np.diff(ends).astype(np.int64))
        yield _each_once(first, neighbours)


def _index(embeddings: np.ndarray) -> Any:
    import faiss

    count, size = embeddings.shape
    cells = int(2 * np.sqrt(count))
    # Typed as Any: the factory's declared type has no cells.
    index: Any = faiss.index_factory(size, f"IVF{cells},SQ8")
    index.cp.niter = 10
    index.nprobe = CELLS_SEARCHED
    picked = np.random.default_rng(0).permutation(count)[: _TRAINING_PER_CELL * cells]
    index.train(np.ascontiguousarray(embeddings[np.sort(picked)], np.float32))
    for start in range(0, count, FEW):
        index.add(np.ascontiguousarray(embeddings[start : start + FEW], np.float32))
    return index


def _each_once(first: np.ndarray, second: np.ndarray) -> Edges:
    later = second > first
    return first[later].astype(np.int64), second[later].astype(np.int64)
