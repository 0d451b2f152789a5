"""The embedding `dlib`: one person in two shots is nearer than two people; without its packages, one line says so."""

from __future__ import annotations

import itertools
import subprocess
import sys

import cv2
import numpy as np
import pytest
import skimage.data

from mtf.config import Crop, Screen
from mtf.core.errors import BadInput
from mtf.faces import decoding, detectors, embeddings
from mtf.faces.box import Box
from mtf.faces.detectors import Landmarks
from mtf.faces.embeddings import dlib_resnet


@pytest.fixture(scope="module")
def dlib():
    return embeddings.create(Screen(embedding="dlib"))


@pytest.fixture(scope="module")
def photograph():
    """A photograph of one person, blue, green, red, and the face that CenterFace finds in it."""
    pixels = np.ascontiguousarray(skimage.data.astronaut()[:, :, ::-1])
    [face] = detectors.create(Crop(detector="centerface"))(pixels)
    return pixels, face


def turned(pixels, *, degrees):
    """The picture turned about its middle, and the matrix that did it."""
    height, width = pixels.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
    return cv2.warpAffine(pixels, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE), matrix


def test_a_vector_has_128_values_and_length_one(dlib, photograph):
    pixels, face = photograph
    vector = dlib(pixels, face.box, face.landmarks)
    assert vector.shape == (128,)
    assert vector.dtype == np.float32
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)


def test_a_face_that_is_turned_in_the_picture_keeps_its_vector(dlib, photograph):
    pixels, face = photograph
    other, matrix = turned(pixels, degrees=35)
    points = Landmarks(*(tuple(float(value) for value in matrix @ (*point, 1)) for point in face.landmarks))
    upright, tilted = dlib(pixels, face.box, face.landmarks), dlib(other, face.box, points)
    assert upright @ tilted > 0.98


@pytest.mark.parametrize("landmarks", [None, Landmarks(*[(50.0, 50.0)] * 5)])
def test_without_usable_landmarks_dlib_finds_its_own_in_the_box(dlib, photograph, landmarks):
    pixels, face = photograph
    assert dlib(pixels, face.box, landmarks) @ dlib(pixels, face.box, face.landmarks) > 0.95


@pytest.mark.parametrize("box", [Box(0, 0, 1, 1), Box(0, 0, 40, 40), Box(39, 39, 1, 1)])
def test_a_box_without_a_face_has_a_vector_too(dlib, box):
    vector = dlib(np.full((40, 40, 3), 128, np.uint8), box)
    assert np.isfinite(vector).all()


def test_the_fingerprint_names_both_model_files(dlib):
    made_of = dlib.fingerprint()
    assert (made_of["name"], made_of["weights"]) == ("dlib", dlib_resnet.WEIGHTS.sha256)
    assert made_of["five_points"] == dlib_resnet.FIVE_POINTS.sha256


def test_one_person_is_nearer_in_two_shots_than_two_people(dlib, orl_people):
    """Twelve people of ORL, four shots each: hardly any pair of strangers is nearer than a pair of one person."""
    detector = detectors.create(Crop(detector="centerface"))
    vectors, people = [], []
    for person, shots in enumerate(orl_people):
        for data in shots[::3]:
            pixels = decoding.colour(data, decoding.header(data, max_pixels=10**6))
            face = max(detector(pixels), key=lambda found: found.box.width)
            vectors.append(dlib(pixels, face.box, face.landmarks))
            people.append(person)
    pairs = list(itertools.combinations(range(len(people)), 2))
    same = [vectors[i] @ vectors[j] for i, j in pairs if people[i] == people[j]]
    other = [vectors[i] @ vectors[j] for i, j in pairs if people[i] != people[j]]
    assert np.mean(np.array(same)[:, None] > np.array(other)) > 0.99


def test_without_the_library_one_line_names_its_package():
    """In a process of its own, where dlib cannot be found."""
    code = (
        "import sys; sys.modules['dlib'] = None\n"
        "from mtf.config import Screen\n"
        "from mtf.core.errors import BadInput\n"
        "from mtf.faces import embeddings\n"
        "try: embeddings.create(Screen(embedding='dlib'))\n"
        "except BadInput as error: print(error)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == (
        "params.yaml: screen.embedding: 'dlib' needs the library dlib; `uv pip install dlib-bin==20.0.1` brings it\n"
    )


@pytest.mark.parametrize("name", ["dlib", "appearance"])
def test_a_file_of_weights_for_an_embedding_that_reads_none_is_refused(name):
    with pytest.raises(BadInput, match=r"screen\.embedding_weights: 'own\.dat' is not permitted; permitted: null"):
        embeddings.create(Screen(embedding=name, embedding_weights="own.dat"))


def test_a_distance_that_makes_near_duplicates_of_other_shots_is_named_with_one_that_suits():
    warning = embeddings.distance_warning(Screen(embedding="dlib"))
    assert warning is not None
    assert warning.startswith("params.yaml: screen.embedding_distance: 0.04")
    assert warning.endswith("set 0.01")
    assert embeddings.distance_warning(Screen(embedding="dlib", embedding_distance=0.01)) is None
    assert embeddings.distance_warning(Screen()) is None
