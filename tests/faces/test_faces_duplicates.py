"""Groups of repeats, and the odd one out: bursts are tied together, different shots of one person are not."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from mtf.config import Crop, Screen
from mtf.faces import crop as cut
from mtf.faces import face_vectors, hamming_index, near_duplicates, quality
from mtf.faces.box import Box
from mtf.faces.embeddings import appearance


def crops_of(picture: bytes) -> Iterator[tuple[np.ndarray, Box]]:
    for face in cut.cut_faces(picture, Crop(detector="haar"), max_pixels=10**7):
        yield cut.decoded(face.jpeg), face.box._replace(x=face.box.x - face.place.x, y=face.box.y - face.place.y)


def widest_crop(picture: bytes) -> tuple[np.ndarray, Box] | None:
    return max(crops_of(picture), key=lambda crop: crop[1].width, default=None)


def perturbed(pixels: np.ndarray) -> dict[str, np.ndarray]:
    """The next shots of a burst, and the same shot from another site."""
    height, width = pixels.shape[:2]

    def moved(matrix: np.ndarray) -> np.ndarray:
        return cv2.warpAffine(pixels, matrix.astype(np.float32), (width, height), borderMode=cv2.BORDER_REPLICATE)

    return {
        "shift": moved(np.array([[1, 0, 2], [0, 1, -1]])),
        "tilt": moved(cv2.getRotationMatrix2D((width / 2, height / 2), 1.5, 1.0)),
        "size": moved(cv2.getRotationMatrix2D((width / 2, height / 2), 0, 1.02)),
        "light": np.clip(pixels.astype(float) * 1.1 + 8, 0, 255).astype(np.uint8),
        "compression": cv2.imdecode(cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 60])[1], 1),
    }


def vectors_of(*groups: list[float], seed: int = 0) -> np.ndarray:
    """Unit vectors at the given angles (radians) in a plane."""
    angles = np.array([angle for group in groups for angle in group])
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float16)


def test_groups_are_named_by_their_least_face_and_a_face_alone_has_none():
    assert near_duplicates.named(np.array([5, 2, 5, 0]), ["c", "a", "b", "d"]) == ["b", None, "b", None]


def test_near_groups_link_by_hash_or_by_embedding_directly_or_over_others():
    screen = Screen(hash_distance=2, embedding_distance=0.01)
    hash_values = np.array([0, 3, 2**40 - 1, 2**50 - 1, 0xFFFF << 44], np.uint64)
    embeddings = vectors_of([0.0, 1.0, 1.05, 2.0, 3.0])
    names = near_duplicates.named(near_duplicates.near_groups(hash_values, embeddings, screen), list("abcde"))
    assert names == ["a", "a", "a", None, None]


def test_many_rows_of_embeddings_are_compared_across_blocks(monkeypatch):
    monkeypatch.setattr(near_duplicates, "ROWS_AT_ONCE", 2)
    embeddings = vectors_of([0.0, 1.0, 2.0, 0.01, 1.01])
    hash_values = np.array([0, 2**20 - 1, 2**40 - 1, 2**50 - 1, 2**63], np.uint64)
    labels = near_duplicates.near_groups(hash_values, embeddings, Screen(hash_distance=0, embedding_distance=0.01))
    assert near_duplicates.named(labels, list("abcde")) == ["a", "b", None, "a", "b"]


def test_across_people_a_near_hash_needs_a_near_embedding():
    screen = Screen(hash_distance=4, embedding_distance=0.01)
    people = np.array(["ann", "bob", "cid", "dan"])
    hash_values = np.array([0, 1, 2, 0], np.uint64)
    embeddings = vectors_of([0.0, 0.02, 1.0, 2.0])
    labels = near_duplicates.across_groups(people, ["w", "x", "y", "z"], hash_values, embeddings, screen)
    assert near_duplicates.named(labels, list("abcd")) == ["a", "a", None, None]


def test_across_people_equal_crops_are_a_group_whatever_else():
    people = np.array(["ann", "bob", "bob"])
    labels = near_duplicates.across_groups(
        people,
        ["same", "same", "other"],
        np.array([0, 2**64 - 1, 2**32 - 1], np.uint64),
        vectors_of([0.0, 1.0, 2.0]),
        Screen(hash_distance=0, embedding_distance=0.0),
    )
    assert near_duplicates.named(labels, list("abc")) == ["a", "a", None]


def test_across_people_the_same_shot_is_known_by_its_embedding_where_its_hash_is_another():
    people = np.array(["ann", "bob", "cid"])
    hash_values = np.array([0, 2**32 - 1, 2**64 - 1], np.uint64)
    embeddings = vectors_of([0.0, 0.02, 1.0])
    screen = Screen(hash_distance=4, embedding_distance=0.01)
    labels = near_duplicates.across_groups(people, ["x", "y", "z"], hash_values, embeddings, screen)
    assert near_duplicates.named(labels, list("abc")) == ["a", "a", None]


def scattered(people: int, shots: int, repeats: int) -> np.ndarray:
    """Unit vectors of made-up people, clustered as real ones are; the last `repeats` are near to as many others."""
    rng = np.random.default_rng(7)
    centres = rng.normal(size=(people, 1, 64)) * np.linspace(2, 0.2, 64)
    vectors = (centres + rng.normal(size=(people, shots, 64)) * 0.6).reshape(-1, 64)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    again = vectors[:repeats] + rng.normal(size=(repeats, 64)) * rng.uniform(0, 0.03, (repeats, 1))
    both = np.concatenate([vectors, again])
    return (both / np.linalg.norm(both, axis=1, keepdims=True)).astype(np.float16)


@pytest.mark.parametrize("few", [near_duplicates.FEW, 10**6])
def test_near_embeddings_are_found_among_many_without_comparing_all(monkeypatch, few):
    monkeypatch.setattr(near_duplicates, "FEW", few)
    embeddings = scattered(900, 10, 600)
    apart = face_vectors.distances(embeddings, embeddings)
    wanted = set(zip(*np.nonzero(np.triu(apart <= 0.04, 1)), strict=True))
    proposed = set(
        zip(*map(np.concatenate, zip(*near_duplicates.near_edges(embeddings, distance=0.04), strict=True)), strict=True)
    )
    assert len(wanted) > 500
    assert len(wanted & proposed) >= 0.995 * len(wanted)
    assert all(first < second and apart[first, second] < 0.055 for first, second in proposed)


def test_the_odd_one_out_lies_farthest_from_its_identitys_middle():
    ordinary = [0.01 * step for step in range(8)]
    found = face_vectors.identity_distances(vectors_of(ordinary, [1.5, 1.6]))
    assert all(value is not None for value in found)
    assert max(found[:8]) < 0.01
    assert min(found[8:]) > 0.8


def test_a_few_strangers_do_not_pull_the_middle_their_way():
    with_strangers = face_vectors.identity_distances(vectors_of([0.0, 0.01, 0.02, 0.03], [2.0, 2.1, 2.2]))
    without = face_vectors.identity_distances(vectors_of([0.0, 0.01, 0.02, 0.03]))
    assert np.allclose(with_strangers[:4], without, atol=1e-3)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_of_fewer_than_three_faces_none_is_the_odd_one(count):
    assert face_vectors.identity_distances(vectors_of([0.0] * count).reshape(count, 2)) == [None] * count


def test_an_embedding_has_length_one_even_of_an_empty_picture():
    for level in (0, 128, 255):
        vector = appearance(np.full((50, 50, 3), level, np.uint8), Box(5, 5, 30, 30))
        assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
        assert vector.shape == (356,)


def test_a_box_at_the_border_of_its_crop_is_embedded_like_any_other(make_face):
    pixels = make_face(seed=1)
    whole = appearance(pixels, Box(0, 0, 300, 300))
    assert np.isfinite(whole).all()
    assert face_vectors.distances(whole[None], appearance(pixels, Box(2, 1, 300, 300)))[0] < 0.04


def test_colours_part_pictures_of_the_same_outlines(make_face):
    pixels, box = make_face(seed=1), Box(140, 80, 200, 240)
    first = appearance(pixels, box)
    tinted = appearance(pixels[:, :, [2, 0, 1]], box)
    warmer = appearance(np.clip(pixels * np.array([0.97, 1.0, 1.03]), 0, 255).astype(np.uint8), box)
    assert face_vectors.distances(first[None], tinted)[0] > 2 * face_vectors.distances(first[None], warmer)[0]


@pytest.fixture(scope="module")
def orl_faces(orl_people):
    """(person, crop, box, picture) of every ORL shot that has a face."""
    return [
        (person, *crop, cv2.imdecode(np.frombuffer(shot, np.uint8), cv2.IMREAD_COLOR))
        for person, shots in enumerate(orl_people)
        for shot in shots
        if (crop := widest_crop(shot)) is not None
    ]


@pytest.mark.real
def test_bursts_are_near_and_different_shots_mostly_not(orl_faces, sample_params):
    screen = sample_params.screen
    burst = shots = near_shots = 0
    caught = []
    hash_of = [quality.perceptual_hash(cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)) for _, pixels, _, _ in orl_faces]
    vectors = np.stack([appearance(pixels, box) for _, pixels, box, _ in orl_faces])

    def near(first: int, value: int, vector: np.ndarray) -> bool:
        by_hash = (hash_of[first] ^ value).bit_count() <= screen.hash_distance
        return by_hash or face_vectors.distances(vectors[first][None], vector)[0] <= screen.embedding_distance

    for place in range(0, len(orl_faces), 8):
        for changed in perturbed(orl_faces[place][3]).values():
            if (crop := widest_crop(cv2.imencode(".png", changed)[1].tobytes())) is not None:
                burst += 1
                value = quality.perceptual_hash(cv2.cvtColor(crop[0], cv2.COLOR_BGR2GRAY))
                caught.append(near(place, value, appearance(*crop)))
    for first in range(len(orl_faces)):
        for second in range(first + 1, len(orl_faces)):
            if orl_faces[first][0] == orl_faces[second][0]:
                shots += 1
                near_shots += near(first, hash_of[second], vectors[second])
            else:
                assert not near(first, hash_of[second], vectors[second]), "two people"
    assert burst > 40
    assert np.mean(caught) > 0.9
    assert near_shots / shots < 0.08


@pytest.mark.real
def test_faces_of_one_person_lie_nearer_than_those_of_others(orl_faces):
    vectors = np.stack([appearance(pixels, box) for _, pixels, box, _ in orl_faces])
    people = np.array([person for person, *_ in orl_faces])
    apart = face_vectors.distances(vectors, vectors)
    upper = np.triu_indices(len(people), 1)
    assert roc_auc_score((people[:, None] == people)[upper], -apart[upper]) > 0.85


def test_joining_no_edges_changes_nothing():
    labels = np.array([3, 1, 3], np.int32)
    empty = np.array([], np.int64)
    assert np.array_equal(hamming_index.joined(labels, (empty, empty)), labels)
