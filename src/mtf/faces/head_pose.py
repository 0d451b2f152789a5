"""Head pose from five landmarks: yaw, pitch and roll (ISO/IEC 29794-5, 7.4.11 Head pose)."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from mtf.faces.detectors import Landmarks

# Five points of a head that faces the camera: across (right in the picture), down, and away from the camera. The unit
# is the distance between the eyes. Across and down are ArcFace's template; depths are those of an adult's head, where
# the eyes are 63 mm apart and the nose is 30 mm before them.
MODEL = np.array([[-0.5, 0.0, 0.0], [0.5, 0.0, 0.0], [0.0, 0.57, -0.48], [-0.415, 1.155, -0.08], [0.415, 1.155, -0.08]])
# Distance of the camera in the same unit, about 1.3 m; yaw and pitch hardly depend on it.
CAMERA_DISTANCE = 20.0


class HeadPose(NamedTuple):
    """Angles of a head in degrees, −180 to 180; 0 for a head that faces the camera upright (ISO/IEC 39794-5).

    yaw: positive if the person looks to their left, which is right in the picture.
    pitch: positive if they look down.
    roll: positive if the head tilts towards their right shoulder, which is left in the picture.
    """

    yaw: float
    pitch: float
    roll: float


def head_pose(landmarks: Landmarks) -> HeadPose | None:
    """Pose of MODEL whose projection is nearest to the landmarks; None if they coincide.

    All heads are taken for the same shape, so a long nose or a short face shifts the angles: they put faces in order
    and are no measurement of one head. Turning the picture changes roll alone.
    """
    points = np.asarray(landmarks, np.float64)
    if not np.isfinite(points).all():
        return None
    size = float(np.linalg.norm(points - points.mean(axis=0), axis=1).mean())
    if size < 1e-3:
        return None
    model_size = float(np.linalg.norm((MODEL - MODEL.mean(axis=0))[:, :2], axis=1).mean())
    projected = (points - points.mean(axis=0)) / size * model_size
    camera = np.array([[CAMERA_DISTANCE, 0, 0], [0, CAMERA_DISTANCE, 0], [0, 0, 1]])
    found, turn, _ = cv2.solvePnP(MODEL, projected, camera, None, flags=cv2.SOLVEPNP_SQPNP)
    if not found or not np.isfinite(turn).all():
        return None
    rotation = cv2.Rodrigues(turn)[0]
    # rotation = Rz · Ry · Rx: a turn of the picture is the last factor, and leaves the other two alone.
    yaw = np.arctan2(rotation[2, 0], np.hypot(rotation[0, 0], rotation[1, 0]))
    pitch = np.arctan2(rotation[2, 1], rotation[2, 2])
    roll = np.arctan2(-rotation[1, 0], rotation[0, 0])
    return HeadPose(*(float(angle) for angle in np.degrees([yaw, pitch, roll])))
