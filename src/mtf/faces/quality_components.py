"""Quality components of a face, named as in ISO/IEC 29794-5:2025 and its reference implementation OFIQ.

They are native values with units, not OFIQ's scalars from 0 to 100. Sharpness (7.3.8) and mean luminance (7.3.4) are
`sharpness` and `brightness` of `mtf.faces.quality`.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import cos, radians, sqrt
from typing import NamedTuple

import cv2
import numpy as np

from mtf.faces.box import Box
from mtf.faces.detectors import Landmarks
from mtf.faces.head_pose import head_pose
from mtf.faces.occlusion import visibility

# Luminance up to which a pixel counts as too dark, and from which as too bright (OFIQ).
DARKEST, BRIGHTEST = 25, 247
# Hair and background fill the box's edge.
EDGE_SHARE = 0.15
# Beyond it, the eyes' distance says nothing of the head's size.
MAX_YAW = 75.0


class QualityComponents(NamedTuple):
    """Columns of the table `screening`; None where the detector has no landmarks, or they coincide.

    head_pose_yaw, head_pose_pitch, head_pose_roll: degrees (7.4.11), see `HeadPose`.
    inter_eye_distance: pixels of the original picture, corrected for yaw (7.4.8).
    eyes_visible: 0 (hidden) to 1 (7.4.5).
    mouth_occlusion_prevention: 0 (hidden) to 1 (7.4.6).
    under_exposure_prevention: share of pixels that are not too dark, 0 to 1 (7.3.5).
    over_exposure_prevention: share of pixels that are not too bright, 0 to 1 (7.3.6).
    single_face_present: 1 for one face in the picture, down to 0 for two of the same size (7.4.2).
    """

    under_exposure_prevention: float
    over_exposure_prevention: float
    single_face_present: float
    head_pose_yaw: float | None = None
    head_pose_pitch: float | None = None
    head_pose_roll: float | None = None
    inter_eye_distance: float | None = None
    eyes_visible: float | None = None
    mouth_occlusion_prevention: float | None = None


def measure(
    pixels: np.ndarray, box: Box, landmarks: Landmarks | None, *, boxes: Sequence[Box] = ()
) -> QualityComponents:
    """Measure the face in `box` of a crop (height, width, 3; blue, green, red; uint8).

    landmarks: in pixels of the crop; None if there are none.
    boxes: all faces of the picture, this one included.
    """
    under, over = exposure(pixels, box)
    components = QualityComponents(under, over, single_face_present(boxes))
    pose = None if landmarks is None else head_pose(landmarks)
    if landmarks is None or pose is None:
        return components
    found = visibility(pixels, landmarks)
    return components._replace(
        head_pose_yaw=pose.yaw,
        head_pose_pitch=pose.pitch,
        head_pose_roll=pose.roll,
        inter_eye_distance=inter_eye_distance(landmarks, yaw=pose.yaw),
        eyes_visible=None if found is None else found.eyes,
        mouth_occlusion_prevention=None if found is None else found.mouth,
    )


def exposure(pixels: np.ndarray, box: Box) -> tuple[float, float]:
    """Shares of pixels that are not too dark and not too bright, 0 to 1, in the middle of the box."""
    across, down = round(box.width * EDGE_SHARE), round(box.height * EDGE_SHARE)
    inside = pixels[box.y + down : box.y + box.height - down, box.x + across : box.x + box.width - across]
    grey = cv2.cvtColor(inside, cv2.COLOR_BGR2GRAY)
    return float(np.mean(grey > DARKEST)), float(np.mean(grey < BRIGHTEST))


def inter_eye_distance(landmarks: Landmarks, *, yaw: float) -> float:
    """Distance of the eyes in pixels, divided by the cosine of the yaw in degrees, of at most MAX_YAW."""
    across, down = np.subtract(landmarks.right_eye, landmarks.left_eye)
    return float(np.hypot(across, down)) / cos(radians(min(abs(yaw), MAX_YAW)))


def single_face_present(boxes: Sequence[Box]) -> float:
    """1 − √(area of the second largest box / area of the largest); 1 for a single face."""
    areas = sorted((box.width * box.height for box in boxes), reverse=True)
    return 1.0 - sqrt(areas[1] / areas[0]) if len(areas) > 1 else 1.0
