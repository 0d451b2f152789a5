"""Boxes: found at reduced size, given in the original's pixels, cut with a margin inside the picture."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from pydantic import ValidationError

from mtf.config import Crop
from mtf.core.errors import BadInput
from mtf.faces import crop, decoding, detectors
from mtf.faces.box import Box, face_id


def overlap(one: Box, other: Box) -> float:
    """Intersection over union."""
    across = min(one.x + one.width, other.x + other.width) - max(one.x, other.x)
    down = min(one.y + one.height, other.y + other.height) - max(one.y, other.y)
    shared = max(across, 0) * max(down, 0)
    return shared / (one.width * one.height + other.width * other.height - shared)


@pytest.mark.parametrize("side_px", [128, 224, 300])
def test_a_box_found_at_reduced_size_is_where_full_size_finds_it(side_px, make_face, as_jpeg):
    data = as_jpeg(make_face(seed=4, height=900, width=1200, middle=(700, 500)))
    [full] = crop.cut_faces(data, Crop(detection_side_px=900), max_pixels=10**8)
    [reduced] = crop.cut_faces(data, Crop(detection_side_px=side_px), max_pixels=10**8)
    assert reduced.shape == full.shape == (900, 1200)
    assert overlap(full.box, reduced.box) > 0.7


def test_faces_smaller_than_the_least_share_are_left_out(make_face, as_jpeg):
    data = as_jpeg(make_face(seed=4, height=900, width=900, middle=(400, 400)))
    assert len(crop.cut_faces(data, Crop(min_face_share=0.1), max_pixels=10**8)) == 1
    assert crop.cut_faces(data, Crop(min_face_share=0.5), max_pixels=10**8) == []


def test_two_people_in_a_picture_are_two_faces_sorted_by_place(make_face, as_jpeg):
    pair = np.hstack([make_face(seed=5), make_face(seed=6)])
    faces = crop.cut_faces(as_jpeg(pair), Crop(detector="haar"), max_pixels=10**8)
    assert [face.box.x > 640 for face in faces] == [False, True]


def test_a_picture_without_a_face_is_not_decoded_at_full_size(as_jpeg, monkeypatch):
    monkeypatch.setattr(decoding, "colour", lambda *_: pytest.fail("decoded in full"))
    assert crop.cut_faces(as_jpeg(np.full((300, 300, 3), 99, np.uint8)), Crop(detector="haar"), max_pixels=10**8) == []


def test_pictures_smaller_than_a_face_have_none():
    for shape in ((1, 1), (3, 200), (200, 3), (23, 23)):
        assert detectors.create(Crop(detector="haar"))(np.zeros(shape, np.uint8)) == []


@given(
    shape=some.tuples(some.integers(1, 300), some.integers(1, 300)),
    to=some.tuples(some.integers(1, 3000), some.integers(1, 3000)),
    corner=some.tuples(some.integers(0, 299), some.integers(0, 299)),
    size=some.integers(1, 300),
    margin=some.floats(0, 2),
)
@settings(deadline=None)
def test_a_box_stays_inside_its_picture_whatever_is_done_to_it(shape, to, corner, size, margin):
    x, y = corner[0] % shape[1], corner[1] % shape[0]
    box = Box(x, y, min(size, shape[1] - x), min(size, shape[0] - y))
    scaled = box.scaled(shape, to)
    for made, (height, width) in ((scaled, to), (scaled.with_margin(margin, shape=to), to)):
        assert made.x >= 0
        assert made.y >= 0
        assert made.width >= 1
        assert made.height >= 1
        assert made.x + made.width <= width
        assert made.y + made.height <= height


def test_a_margin_is_a_share_of_the_box_and_ends_at_the_border():
    shape = (400, 400)
    assert Box(100, 120, 50, 60).with_margin(0.2, shape=shape) == Box(90, 108, 70, 84)
    assert Box(5, 0, 50, 50).with_margin(0.2, shape=shape) == Box(0, 0, 65, 60)
    assert Box(350, 350, 50, 50).with_margin(0.2, shape=shape) == Box(340, 340, 60, 60)


def test_a_crop_at_the_border_has_the_pixels_of_its_place(make_face, as_jpeg):
    pixels = make_face(seed=7, middle=(100, 120))[:, 5:]
    [face] = crop.cut_faces(as_jpeg(pixels), Crop(margin_share=1.0), max_pixels=10**8)
    assert face.place.x == 0
    assert face.place.y == 0
    shown = crop.decoded(face.jpeg)
    assert shown.shape[:2] == (face.place.height, face.place.width)
    assert np.abs(shown.astype(int) - crop.cut(pixels, face.place)).mean() < 6


def test_a_face_is_named_by_its_image_and_its_box():
    image, other = "a" * 64, "b" * 64
    names = {face_id(image, Box(1, 2, 3, 4)), face_id(image, Box(1, 2, 34, 4)), face_id(other, Box(1, 2, 3, 4))}
    assert len(names) == 3
    assert all(len(name) == 32 for name in names)
    assert face_id(image, Box(1, 2, 3, 4)) in names


@given(
    shape=some.tuples(some.integers(1, 300), some.integers(1, 300)),
    corners=some.lists(some.floats(-400, 700), min_size=4, max_size=4),
)
@settings(deadline=None)
def test_a_square_lies_inside_its_picture_and_covers_its_box_where_it_can(shape, corners):
    (left, right), (top, bottom) = sorted(corners[:2]), sorted(corners[2:])
    box = Box.of_corners(left, top, right, bottom, shape=shape)
    square = box.squared(shape=shape)
    assert square.width == square.height == min(max(box.width, box.height), *shape)
    assert 0 <= square.x <= shape[1] - square.width
    assert 0 <= square.y <= shape[0] - square.height
    if max(box.width, box.height) <= min(shape):
        assert square.x <= box.x <= box.x + box.width <= square.x + square.width
        assert square.y <= box.y <= box.y + box.height <= square.y + square.height


def test_bytes_that_are_no_crop_are_refused():
    with pytest.raises(ValueError, match="no crop"):
        crop.decoded(b"nothing of the kind")


def test_parameters_of_a_detector_that_is_none_are_refused_with_the_known_names():
    with pytest.raises(BadInput, match=r"crop\.detectors: 'centreface' is not permitted; permitted: centerface, haar"):
        detectors.create(Crop(detectors={"centreface": {"min_score": 0.5}}))


def test_parameters_of_haar_among_those_of_the_others_are_refused_with_their_place():
    with pytest.raises(ValidationError, match=r"detectors\.haar: write its parameters directly under crop"):
        Crop(detectors={"haar": {"scale_factor": 1.1}})
