"""Alignment: the similarity transform of five landmarks onto the template."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from skimage.transform import SimilarityTransform

from mtf.faces.alignment import TEMPLATE, aligned, similarity_transform
from mtf.faces.detectors import Landmarks

POINTS = np.asarray(TEMPLATE)


def moved(points, *, degrees, scale, shift):
    turn = np.radians(degrees)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return scale * points @ rotation.T + shift


@given(
    degrees=some.floats(-180, 180),
    scale=some.floats(0.05, 20),
    shift=some.tuples(some.floats(-500, 500), some.floats(-500, 500)),
)
@settings(deadline=None)
def test_a_face_that_was_turned_scaled_and_shifted_comes_back_onto_the_template(degrees, scale, shift):
    matrix = similarity_transform(moved(POINTS, degrees=degrees, scale=scale, shift=shift), POINTS)
    linear = matrix[:, :2]
    back = moved(POINTS, degrees=degrees, scale=scale, shift=shift) @ linear.T + matrix[:, 2]
    np.testing.assert_allclose(back, POINTS, atol=1e-3)
    np.testing.assert_allclose(linear @ linear.T, np.eye(2) / scale**2, rtol=1e-5, atol=1e-6)


def test_landmarks_with_errors_give_the_least_squares_of_another_implementation():
    rng = np.random.default_rng(3)
    for _ in range(20):
        seen = moved(POINTS, degrees=25, scale=2.5, shift=(40, 90)) + rng.normal(0, 4, POINTS.shape)
        theirs = SimilarityTransform.from_estimate(seen, POINTS).params[:2]
        np.testing.assert_allclose(similarity_transform(seen, POINTS), theirs, atol=1e-6)


def test_a_mirrored_face_is_not_mirrored_back():
    mirrored = POINTS * [-1, 1]
    assert np.linalg.det(similarity_transform(mirrored, POINTS)[:, :2]) > 0


def test_landmarks_that_coincide_are_refused():
    with pytest.raises(ValueError, match="coincide"):
        similarity_transform(np.ones((5, 2)), POINTS)


def test_an_aligned_face_has_its_eyes_level_and_in_the_templates_places(make_face):
    face = make_face(seed=1)
    landmarks = Landmarks((202, 175), (278, 175), (240, 222), (210, 266), (270, 266))
    upright = aligned(face, landmarks)
    turned = cv2.warpAffine(face, cv2.getRotationMatrix2D((240, 200), 20, 1.0), (640, 480))
    points = np.column_stack([np.asarray(landmarks), np.ones(5)]) @ cv2.getRotationMatrix2D((240, 200), 20, 1.0).T
    again = aligned(turned, Landmarks(*map(tuple, points)))
    assert upright.shape == again.shape == (112, 112, 3)
    middle = slice(30, 100), slice(30, 82)
    assert np.abs(upright[middle].astype(int) - again[middle]).mean() < 5
    assert np.abs(upright[middle].astype(int) - turned[130:200, 200:252]).mean() > 15
