"""SFace: the network is fed the face as its authors aligned it, or the box where there are no landmarks."""

from __future__ import annotations

import numpy as np
import pytest

from mtf.faces.alignment import TEMPLATE
from mtf.faces.box import Box
from mtf.faces.detectors import Landmarks
from mtf.faces.embeddings import sface


def test_a_face_that_lies_as_the_template_does_is_fed_unchanged(drawn_face):
    cut = drawn_face[100:212, 180:292]
    fed = sface.network_input(cut, Box(0, 0, 50, 50), TEMPLATE)
    np.testing.assert_array_equal(fed, cut)


def test_a_larger_face_is_scaled_onto_the_template(drawn_face):
    """Twice the template, moved by (100, 60): every second pixel of that square is fed, give or take the filter."""
    points = Landmarks(*((100 + 2 * x, 60 + 2 * y) for x, y in TEMPLATE))
    fed = sface.network_input(drawn_face, Box(0, 0, 50, 50), points)
    assert np.abs(fed.astype(int) - drawn_face[60:284:2, 100:324:2]).mean() < 1


@pytest.mark.parametrize("landmarks", [None, Landmarks(*[(30.0, 30.0)] * 5)])
def test_without_usable_landmarks_the_box_is_fed(drawn_face, landmarks):
    fed = sface.network_input(drawn_face, Box(180, 100, 112, 112), landmarks)
    np.testing.assert_array_equal(fed, drawn_face[100:212, 180:292])
