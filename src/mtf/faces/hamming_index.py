"""Hamming index: exact search for near pairs of 64-bit perceptual hashes, without comparing every pair.

A multi-index: each hash is cut into four chunks of 16 bits, its keys. Hashes within a small radius of each other in at
least one chunk are compared in full. The radii guarantee that no pair is missed. For a distance of 10 they are 2, 2, 2,
1: a missed pair would differ in at least 3 + 3 + 3 + 2 = 11 bits. The work grows with the square of the number of
hashes once each key has some, and is 428/65,536 of that of all pairs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import combinations

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

CHUNKS = 4
CHUNK_BITS = 16
MAX_DISTANCE = 20
# Up to this number of hashes, comparing all pairs is faster than the index.
FEW = 2048
# From this number of hashes, each key has so many that tables of all pairs are faster than lists of pairs.
MANY = 600_000
# Pairs compared at a time, at some 40 bytes each: bounds the memory for any hashes.
PAIRS_AT_ONCE = 1 << 20

Edges = tuple[np.ndarray, np.ndarray]


def near_pairs(hashes: np.ndarray, *, distance: int) -> np.ndarray:
    """Pairs (i, j), i < j, of `hashes` (n, uint64) that differ in at most `distance` bits: (m, 2), sorted.

    Memory grows with the number of these pairs. Raises ValueError for a distance outside 0 to 20.
    """
    blocks = [_ordered(*edges) for edges in near_edges(hashes, distance=distance)]
    if not blocks:
        return np.empty((0, 2), np.int64)
    # Several chunks may find the same pair.
    codes = np.unique(np.concatenate([low * len(hashes) + high for low, high in blocks]))
    return np.stack([codes // len(hashes), codes % len(hashes)], axis=1)


def near_groups(hashes: np.ndarray, *, distance: int) -> np.ndarray:
    """Group numbers (n, int32): hashes linked by pairs within `distance`, directly or over others, share one.

    Equal hashes count once, so that a thousand blank pictures do not make a million pairs.
    """
    values, place = np.unique(hashes, return_inverse=True)
    labels = np.arange(len(values), dtype=np.int32)
    for edges in near_edges(values, distance=distance):
        labels = joined(labels, edges)
    return labels[place]


def near_edges(hashes: np.ndarray, *, distance: int) -> Iterator[Edges]:
    """Yield blocks of pairs of `hashes` (n, uint64) within `distance`; pairs may repeat, also reversed.

    Raises ValueError for a distance outside 0 to 20.
    """
    _check(distance)
    hashes = np.ascontiguousarray(hashes, dtype=np.uint64)
    if len(hashes) <= FEW:
        yield from _of_all_pairs(hashes, distance)
        return
    for chunk, radius in enumerate(_radii(distance)):
        if radius >= 0:
            yield from _in_large_blocks(_of_chunk(hashes, chunk, radius, distance))


def near_any(hashes: np.ndarray, wanted: np.ndarray, *, distance: int) -> np.ndarray:
    """Mask (n,) of the `hashes` (n, uint64) that differ from one of `wanted` (m, uint64) in at most `distance` bits.

    `hashes` are indexed: the time grows with n·log n, and little with m. Raises ValueError for a distance outside 0 to
    20.
    """
    _check(distance)
    values, place = np.unique(np.asarray(hashes, dtype=np.uint64), return_inverse=True)
    wanted = np.unique(np.asarray(wanted, dtype=np.uint64))
    near = np.zeros(len(values), np.bool_)
    for chunk, radius in enumerate(_radii(distance)):
        if radius < 0:
            continue
        for first, second in _near_in_chunk(values, wanted, chunk, radius):
            is_near = np.bitwise_count(values[first] ^ wanted[second]) <= distance
            near[first[is_near]] = True
    return near[place]


def joined(labels: np.ndarray, edges: Edges) -> np.ndarray:
    """Group numbers (n, int32) after joining the groups at both ends of each edge (two index arrays)."""
    ends = labels[edges[0]], labels[edges[1]]
    if np.array_equal(*ends):
        return labels
    size = int(labels.max(initial=-1)) + 1
    graph = coo_array((np.ones(len(ends[0]), np.bool_), ends), shape=(size, size))
    _, merged = connected_components(graph, directed=False)
    return merged.astype(np.int32)[labels]


def _check(distance: int) -> None:
    if not 0 <= distance <= MAX_DISTANCE:
        raise ValueError(f"distance {distance} is not permitted; permitted: 0 to {MAX_DISTANCE}")


def _radii(distance: int) -> list[int]:
    """Radius of each chunk, with Σ (radius + 1) = distance + 1; a radius of -1 omits the chunk."""
    each, more = divmod(distance + 1, CHUNKS)
    return [each - 1 + (chunk < more) for chunk in range(CHUNKS)]


def _of_all_pairs(hashes: np.ndarray, distance: int) -> Iterator[Edges]:
    step = max(PAIRS_AT_ONCE // max(len(hashes), 1), 1)
    for start in range(0, len(hashes), step):
        apart = np.bitwise_count(hashes[start : start + step, None] ^ hashes[None, :])
        first, second = np.nonzero(apart <= distance)
        later = second > first + start
        yield first[later] + start, second[later]


def _of_chunk(hashes: np.ndarray, chunk: int, radius: int, distance: int) -> Iterator[Edges]:
    """Yield near pairs whose chunk differs in at most `radius` bits, in one block for each mask of differing bits."""
    keys = _keys(hashes, chunk)
    order = np.argsort(keys, kind="stable")
    keys, values = keys[order], hashes[order]
    starts = _starts(keys)
    if len(hashes) >= MANY:
        present = np.flatnonzero(np.diff(starts))
        for first, second in _of_tables(values, starts, present, _masks(radius), distance):
            yield order[first], order[second]
        return
    for mask in _masks(radius):
        for first, second in _candidates(keys, starts, mask):
            near = np.bitwise_count(values[first] ^ values[second]) <= distance
            if near.any():
                yield order[first[near]], order[second[near]]


def _of_tables(
    values: np.ndarray, starts: np.ndarray, wanted: np.ndarray, masks: list[int], distance: int
) -> Iterator[Edges]:
    """Yield near pairs of the `values` sorted by key: those of each wanted key against those of all keys near it.

    A pair is compared at the smaller of its two keys only.
    """
    import faiss

    differing = np.array(masks, np.int64)
    for key in wanted:
        begin, end = starts[key], starts[key + 1]
        others = key ^ differing
        columns = np.concatenate([np.arange(begin, end, dtype=np.int32), _members(starts, others[others > key])])
        table = faiss.IndexBinaryFlat(64)
        table.add(_bytes(values[columns]))
        step = max(PAIRS_AT_ONCE // len(columns), 1)
        for place in range(begin, end, step):
            rows = np.arange(place, min(place + step, end), dtype=np.int32)
            ends, _, found = table.range_search(_bytes(values[rows]), distance + 1)  # those nearer than this
            first, second = np.repeat(rows, np.diff(ends).astype(np.int64)), columns[found]
            once = second > first
            if once.any():
                yield first[once], second[once]


def _bytes(hashes: np.ndarray) -> np.ndarray:
    return hashes.view(np.uint8).reshape(-1, 8)


def _members(starts: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """Places in the sorted hashes of all that have one of the `keys`."""
    begins, counts = starts[keys], starts[keys + 1] - starts[keys]
    return _expanded(keys, begins, counts)[1]


def _in_large_blocks(edges: Iterable[Edges]) -> Iterator[Edges]:
    """Yield the same pairs in blocks of PAIRS_AT_ONCE and more: joining groups costs as much for a single pair."""
    firsts: list[np.ndarray] = []
    seconds: list[np.ndarray] = []
    count = 0
    for first, second in edges:
        firsts.append(first)
        seconds.append(second)
        count += len(first)
        if count >= PAIRS_AT_ONCE:
            yield np.concatenate(firsts), np.concatenate(seconds)
            firsts, seconds, count = [], [], 0
    if firsts:
        yield np.concatenate(firsts), np.concatenate(seconds)


def _near_in_chunk(values: np.ndarray, wanted: np.ndarray, chunk: int, radius: int) -> Iterator[Edges]:
    """Yield indices in `values` and in `wanted` of pairs whose chunk differs in at most `radius` bits."""
    keys, wanted_keys = _keys(values, chunk), _keys(wanted, chunk)
    # A stable sort of 16-bit numbers is a radix sort.
    order = np.argsort(keys.astype(np.uint16), kind="stable")
    starts = _starts(keys[order])
    everyone = np.arange(len(wanted), dtype=np.int32)
    for mask in _masks(radius):
        others = wanted_keys ^ np.int32(mask)
        for second, first in _in_blocks(everyone, starts[others], starts[others + 1] - starts[others]):
            yield order[first], second


def _keys(hashes: np.ndarray, chunk: int) -> np.ndarray:
    return ((hashes >> np.uint64(chunk * CHUNK_BITS)) & np.uint64(0xFFFF)).astype(np.int32)


def _starts(keys: np.ndarray) -> np.ndarray:
    """Index at which each of the 2¹⁶ keys starts in the sorted `keys`, and their end."""
    return np.searchsorted(keys, np.arange((1 << CHUNK_BITS) + 1)).astype(np.int32)


def _masks(radius: int) -> list[int]:
    """All 16-bit numbers with at most `radius` bits set."""
    bits = range(CHUNK_BITS)
    return [sum(1 << bit for bit in chosen) for size in range(radius + 1) for chosen in combinations(bits, size)]


def _candidates(keys: np.ndarray, starts: np.ndarray, mask: int) -> Iterator[Edges]:
    """Yield indices of pairs in the sorted keys with `key ^ mask == other key`, each pair once, in blocks."""
    others = keys ^ np.int32(mask)
    places = np.flatnonzero(others >= keys).astype(np.int32)
    others = others[places]
    begins = starts[others] if mask else places + np.int32(1)
    yield from _in_blocks(places, begins, starts[others + 1] - begins)


def _in_blocks(places: np.ndarray, begins: np.ndarray, counts: np.ndarray) -> Iterator[Edges]:
    """Yield each place with every member of its range, in blocks of about PAIRS_AT_ONCE pairs."""
    ends = np.cumsum(counts, dtype=np.int64)
    done, before = 0, 0
    while done < len(places):
        upto = max(int(np.searchsorted(ends, before + PAIRS_AT_ONCE, side="right")), done + 1)
        yield _expanded(places[done:upto], begins[done:upto], counts[done:upto])
        done, before = upto, ends[upto - 1]


def _expanded(places: np.ndarray, begins: np.ndarray, counts: np.ndarray) -> Edges:
    """Pairs of each place with every member of its range, which starts at `begins` and has `counts` members."""
    before = np.cumsum(counts, dtype=np.int32) - counts
    skipped = np.repeat(begins - before, counts)
    skipped += np.arange(len(skipped), dtype=np.int32)
    return np.repeat(places, counts), skipped


def _ordered(first: np.ndarray, second: np.ndarray) -> Edges:
    return np.minimum(first, second).astype(np.int64), np.maximum(first, second).astype(np.int64)
