"""Identity clusters: who is proposed as the person, and where the boundary to strangers lies."""

from __future__ import annotations

import numpy as np
import pytest

from mtf.faces.identity_clusters import MIN_SHOTS, Cohort, boundary, clusters, most_sources, propose

DIMENSIONS = 64


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


def person(random: np.random.Generator, count: int, *, noise: float = 0.6) -> np.ndarray:
    """Faces of one person: a direction, and noise of its own for each shot."""
    return unit(unit(random.normal(size=DIMENSIONS)) + noise * unit(random.normal(size=(count, DIMENSIONS))))


def crowd(seed: int = 1, *, people: int = 6, right: int = 10, strangers: int = 30, walls: int = 20):
    """Embeddings, identities, and what each face is: right, stranger, or one of the walls that all look alike."""
    random = np.random.default_rng(seed)
    wall = unit(random.normal(size=DIMENSIONS))
    vectors, persons, kinds = [], [], []
    for number in range(people):
        near_wall = unit(wall + 0.2 * unit(random.normal(size=(walls, DIMENSIONS))))
        vectors += [person(random, right), unit(random.normal(size=(strangers, DIMENSIONS))), near_wall]
        persons += [number] * (right + strangers + walls)
        kinds += ["right"] * right + ["stranger"] * strangers + ["wall"] * walls
    return np.concatenate(vectors), np.array(persons), np.array(kinds)


def proposal(vectors: np.ndarray, persons: np.ndarray, number: int = 0, *, sources: list | None = None):
    cohort, at = Cohort(vectors, persons), np.flatnonzero(persons == number)
    faces = cohort.measured(vectors[at], number)
    return propose(faces, cohort.others(number), shots=np.arange(len(at)), sources=sources or []), at


def test_the_person_is_proposed_among_more_strangers_and_walls() -> None:
    vectors, persons, kinds = crowd()
    for number in range(6):
        found, at = proposal(vectors, persons, number)
        assert (found.likeness[kinds[at] == "right"] > 0).mean() >= 0.9
        assert (found.likeness[kinds[at] != "right"] > 0).mean() <= 0.02


def test_of_two_clusters_that_with_more_sources_is_proposed() -> None:
    random = np.random.default_rng(5)
    vectors, persons, _ = crowd(people=3, right=6, strangers=10, walls=0)
    double = person(random, 9)
    vectors, persons = np.concatenate([double, vectors]), np.concatenate([np.zeros(9, int), persons])
    order = np.argsort(persons, kind="stable")
    vectors, persons = vectors[order], persons[order]
    hosts = np.concatenate([np.zeros(9, int), 1 + np.arange(16)])
    by_sources, _ = proposal(vectors, persons, sources=[hosts])
    by_size, _ = proposal(vectors, persons)
    assert (by_size.likeness[:9] > 0).all()
    assert (by_sources.likeness[:9] < 0).all()
    assert (by_sources.likeness[9:15] > 0).mean() >= 0.8


def test_a_burst_counts_as_one_shot() -> None:
    vectors, persons, _ = crowd(people=3, right=6, strangers=10, walls=0)
    cohort = Cohort(vectors, persons)
    burst = np.repeat(vectors[10:11], 8, axis=0)
    own = np.concatenate([vectors[:16], burst])
    shots = np.concatenate([np.arange(16), np.full(8, 10)])
    found = propose(cohort.measured(own, 0), cohort.others(0), shots=shots, sources=[])
    assert (found.likeness[:6] > 0).mean() >= 0.8
    assert (found.likeness[16:] < 0).all()
    assert len(set(found.cluster[16:])) == 1


@pytest.mark.parametrize("count", [1, 2, 5])
def test_where_no_two_shots_agree_nobody_is_proposed(count: int) -> None:
    vectors, persons, _ = crowd(people=3)
    strangers = unit(np.random.default_rng(9).normal(size=(count, DIMENSIONS)))
    cohort = Cohort(vectors, persons)
    faces = cohort.measured(strangers, -1)
    found = propose(faces, cohort.others(-1), shots=np.arange(count), sources=[])
    assert found.core is None
    assert np.isnan(found.likeness).all()
    assert len(found.cluster) == count


def test_an_identity_without_others_is_clustered_all_the_same() -> None:
    random = np.random.default_rng(2)
    vectors = np.concatenate([person(random, 6), unit(random.normal(size=(4, DIMENSIONS)))])
    cohort = Cohort(vectors, np.zeros(10, int))
    found = propose(cohort.measured(vectors, 0), cohort.others(0), shots=np.arange(10), sources=[])
    assert len(found.likeness) == 10


def test_clusters_are_numbered_by_size_and_repeated_shots_stay_together() -> None:
    vectors, persons, _ = crowd(people=3, right=8, strangers=5, walls=0)
    cohort = Cohort(vectors, persons)
    labels = clusters(cohort.measured(vectors[:13], 0), np.arange(13))
    assert (np.diff(np.bincount(labels)) <= 0).all()
    assert labels[:8].tolist() == [0] * 8


def test_the_boundary_lets_few_impostors_through_and_lies_below_most_of_the_core() -> None:
    random = np.random.default_rng(3)
    impostors, core = random.normal(0, 1, 1000), random.normal(8, 1, 20)
    at = boundary(core, impostors)
    assert (impostors > at).mean() <= 0.005
    assert (core > at).mean() == 1


def test_one_shot_is_no_cluster() -> None:
    assert MIN_SHOTS == 2
    assert most_sources(np.array([0, 0, 1]), np.array([7, 7, 8]), [np.array([0, 1, 2])]) is None
