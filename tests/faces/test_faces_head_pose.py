"""Yaw, pitch and roll follow the head: its turns, its mirror image, and the turn of the picture."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from mtf.faces.alignment import TEMPLATE
from mtf.faces.detectors import Landmarks
from mtf.faces.head_pose import MODEL, head_pose


def seen(yaw: float, pitch: float, roll: float) -> Landmarks:
    """Landmarks of the model's head at a pose, from far away, 100 px between the eyes."""
    yaw, pitch, roll = np.radians([yaw, pitch, roll])
    # Around the axes down, across and into the picture; a positive roll is anticlockwise for the viewer.
    turns = [np.array([0, -yaw, 0]), np.array([pitch, 0, 0]), np.array([0, 0, -roll])]
    about_y, about_x, about_z = (cv2.Rodrigues(turn)[0] for turn in turns)
    points = MODEL @ (about_z @ about_y @ about_x).T
    return Landmarks(*map(tuple, points[:, :2] * 100 + 300))


@pytest.mark.parametrize(
    "angles", [(0, 0, 0), (30, 0, 0), (-50, 0, 0), (0, 20, 0), (0, -25, 0), (20, 10, 15), (-35, -15, -40)]
)
def test_the_pose_of_a_known_head_is_found(angles: tuple[float, float, float]) -> None:
    assert head_pose(seen(*angles)) == pytest.approx(angles, abs=4)


def test_a_nose_at_the_right_of_the_picture_is_a_look_to_the_persons_left() -> None:
    looks_left = TEMPLATE._replace(nose=(TEMPLATE.nose[0] + 12, TEMPLATE.nose[1]))
    assert head_pose(TEMPLATE) == pytest.approx((0, 0, 0), abs=1)
    assert head_pose(looks_left).yaw > 15


def test_a_lower_nose_is_a_look_down() -> None:
    assert head_pose(TEMPLATE._replace(nose=(TEMPLATE.nose[0], TEMPLATE.nose[1] + 6))).pitch > 5
    assert head_pose(TEMPLATE._replace(nose=(TEMPLATE.nose[0], TEMPLATE.nose[1] - 6))).pitch < -5


def test_a_mirrored_face_has_the_opposite_yaw_and_roll() -> None:
    left_eye, right_eye, nose, left_mouth, right_mouth = ((600 - x, y) for x, y in seen(25, 10, 12))
    pose = head_pose(seen(25, 10, 12))
    mirrored = head_pose(Landmarks(right_eye, left_eye, nose, right_mouth, left_mouth))
    assert mirrored == pytest.approx((-pose.yaw, pose.pitch, -pose.roll), abs=0.1)


@pytest.mark.parametrize("degrees", [-80, -20, 35, 120])
def test_turning_the_picture_clockwise_lowers_the_roll_by_that_angle_alone(degrees: float) -> None:
    points = np.asarray(seen(25, 10, 0))
    matrix = cv2.getRotationMatrix2D((50, 70), -degrees, 1)
    turned = Landmarks(*map(tuple, points @ matrix[:, :2].T + matrix[:, 2]))
    pose = head_pose(Landmarks(*map(tuple, points)))
    assert head_pose(turned) == pytest.approx((pose.yaw, pose.pitch, pose.roll - degrees), abs=0.1)


@pytest.mark.parametrize("scale", [0.05, 20])
def test_the_size_of_the_face_does_not_matter(scale: float) -> None:
    larger = Landmarks(*((x * scale, y * scale) for x, y in seen(25, 10, 12)))
    assert head_pose(larger) == pytest.approx(head_pose(seen(25, 10, 12)), abs=0.1)


@pytest.mark.parametrize("value", [7.0, float("nan"), float("inf")])
def test_points_that_coincide_or_are_none_have_no_pose(value: float) -> None:
    assert head_pose(Landmarks(*[(value, value)] * 5)) is None
