"""Near hashes: the index finds what the table of all pairs finds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from sklearn.metrics import adjusted_rand_score

from mtf.faces import hamming_index


def made_up(count: int, *, seed: int, related: float = 0.5) -> np.ndarray:
    """Hashes of which a share are others with up to 14 bits flipped, in any chunk."""
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 2**64, count, dtype=np.uint64)
    for place in rng.choice(count, int(count * related), replace=False):
        flips = rng.choice(64, rng.integers(0, 15), replace=False)
        mask = sum(1 << int(bit) for bit in flips)
        values[place] = values[rng.integers(count)] ^ np.uint64(mask)
    return values


def of_all_pairs(values: np.ndarray, distance: int) -> np.ndarray:
    """Every pair compared, one by one in plain Python's integers."""
    numbers = [int(value) for value in values]
    near = [
        (low, high)
        for low in range(len(numbers))
        for high in range(low + 1, len(numbers))
        if (numbers[low] ^ numbers[high]).bit_count() <= distance
    ]
    return np.array(near, np.int64).reshape(-1, 2)


@pytest.fixture(params=["lists", "tables"])
def index_always(request, monkeypatch):
    """The index for any number of hashes, with each of its two ways to compare."""
    monkeypatch.setattr(hamming_index, "FEW", 0)
    monkeypatch.setattr(hamming_index, "MANY", 0 if request.param == "tables" else 10**9)


@pytest.mark.parametrize("distance", [0, 1, 2, 3, 5, 8, 10, 12])
def test_the_index_finds_every_pair_and_no_other(distance, index_always):
    values = made_up(1200, seed=distance)
    found = hamming_index.near_pairs(values, distance=distance)
    assert np.array_equal(found, of_all_pairs(values, distance))
    assert len(found) > 20


@settings(max_examples=20, deadline=None)
@given(
    base=some.integers(0, 2**64 - 1),
    flips=some.lists(some.sets(some.integers(0, 63), max_size=13), min_size=1, max_size=12),
)
def test_the_index_finds_any_flips_in_any_bits(base, flips):
    values = np.array([base, *(base ^ sum(1 << bit for bit in bits) for bits in flips)], np.uint64)
    indexed = [
        edges
        for chunk, radius in enumerate(hamming_index._radii(10))
        for edges in hamming_index._of_chunk(values, chunk, radius, 10)
    ]
    found = {tuple(sorted(pair)) for left, right in indexed for pair in zip(left.tolist(), right.tolist(), strict=True)}
    assert found == {tuple(pair) for pair in of_all_pairs(values, 10).tolist()}


def test_ten_flipped_bits_are_found_wherever_they_are_and_eleven_are_not(index_always):
    rng = np.random.default_rng(3)
    first = [int(value) for value in rng.integers(0, 2**64, 400, dtype=np.uint64)]
    flips = [[int(bit) for bit in rng.choice(64, 11, replace=False)] for _ in first]
    ten = [value ^ sum(1 << bit for bit in bits[:10]) for value, bits in zip(first, flips, strict=True)]
    eleven = [value ^ sum(1 << bit for bit in bits) for value, bits in zip(first, flips, strict=True)]
    places = np.arange(400)
    expected = np.stack([places, places + 400], axis=1)
    assert np.array_equal(hamming_index.near_pairs(np.array(first + ten, np.uint64), distance=10), expected)
    assert len(hamming_index.near_pairs(np.array(first + eleven, np.uint64), distance=10)) == 0


def test_small_blocks_of_memory_give_the_same_pairs(index_always, monkeypatch):
    values = made_up(1500, seed=11)
    whole = hamming_index.near_pairs(values, distance=10)
    monkeypatch.setattr(hamming_index, "PAIRS_AT_ONCE", 64)
    assert np.array_equal(hamming_index.near_pairs(values, distance=10), whole)


def test_many_hashes_with_one_key_are_compared_in_tables(index_always):
    values = np.arange(1000, dtype=np.uint64) << np.uint64(16)  # all have three equal chunks
    assert np.array_equal(hamming_index.near_pairs(values, distance=2), of_all_pairs(values, 2))


@pytest.mark.parametrize("few", [0, 10_000])
def test_groups_are_the_pairs_linked_over_others(few, monkeypatch):
    monkeypatch.setattr(hamming_index, "FEW", few)
    chain = [0, 0b111, 0b111111, 0b111111111, 2**63, 2**63, 0xFFFF << 40]
    labels = hamming_index.near_groups(np.array(chain, np.uint64), distance=3)
    expected = [0, 0, 0, 0, 0, 0, 1]
    assert adjusted_rand_score(expected, labels) == 1.0


def test_many_equal_hashes_are_one_group_and_no_million_pairs():
    labels = hamming_index.near_groups(np.full(50_000, 7, np.uint64), distance=10)
    assert set(labels.tolist()) == {labels[0]}


def test_no_hash_and_one_hash_have_no_pair():
    for values in (np.array([], np.uint64), np.array([5], np.uint64)):
        assert hamming_index.near_pairs(values, distance=10).shape == (0, 2)
        assert len(hamming_index.near_groups(values, distance=10)) == len(values)


@pytest.mark.parametrize("distance", [-1, 21])
def test_a_distance_out_of_range_is_refused(distance):
    with pytest.raises(ValueError, match="permitted: 0 to 20"):
        hamming_index.near_pairs(np.zeros(3, np.uint64), distance=distance)


@pytest.mark.parametrize("distance", [0, 2, 6, 10])
def test_what_is_near_to_one_of_a_few_is_found_as_by_comparing_each(distance):
    values = np.concatenate([made_up(1500, seed=distance), np.zeros(200, np.uint64)])
    wanted = np.concatenate([values[:40] ^ np.uint64(0b101 << 15), np.zeros(1, np.uint64)])
    apart = np.bitwise_count(values[:, None] ^ wanted[None, :])
    near = hamming_index.near_any(values, wanted, distance=distance)
    assert np.array_equal(near, (apart <= distance).any(axis=1))
    assert near.any() and not near.all()


def test_nothing_is_near_to_nothing():
    nothing = np.empty(0, np.uint64)
    assert not hamming_index.near_any(made_up(10, seed=1), nothing, distance=6).any()
    assert hamming_index.near_any(nothing, made_up(10, seed=1), distance=6).shape == (0,)
    with pytest.raises(ValueError, match="distance 21 is not permitted"):
        hamming_index.near_any(nothing, nothing, distance=21)


def test_many_equal_hashes_are_compared_once(monkeypatch):
    monkeypatch.setattr(hamming_index, "PAIRS_AT_ONCE", 64)
    equal = np.full(100_000, 7, np.uint64)
    assert hamming_index.near_any(equal, np.arange(183, dtype=np.uint64), distance=6).all()
