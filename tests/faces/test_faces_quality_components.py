"""Quality components: hidden eyes and mouths, exposure, the eyes' distance, and a second face."""

from __future__ import annotations

import tarfile
from collections.abc import Callable

import cv2
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from mtf import schemas
from mtf.config import Crop
from mtf.faces import detectors, quality_components
from mtf.faces.box import Box
from mtf.faces.detectors import Landmarks
from mtf.faces.occlusion import REGIONS, aligned_grey, features, visibility
from mtf.faces.quality_components import inter_eye_distance, measure, single_face_present

BOX = Box(150, 90, 180, 220)
LANDMARKS = Landmarks((202.0, 175.0), (278.0, 175.0), (240.0, 222.0), (206.0, 266.0), (274.0, 266.0))


def with_sunglasses(
    pixels: np.ndarray, landmarks: Landmarks, colour: tuple[int, int, int] = (20, 20, 20)
) -> np.ndarray:
    shown = pixels.copy()
    eyes = np.asarray(landmarks[:2])
    apart = float(np.hypot(*(eyes[1] - eyes[0])))
    for x, y in eyes:
        cv2.ellipse(
            shown, (int(x), int(y + 0.05 * apart)), (int(0.38 * apart), int(0.3 * apart)), 0, 0, 360, colour, -1
        )
    cv2.line(shown, *(tuple(int(value) for value in eye) for eye in eyes), colour, max(int(0.06 * apart), 1))
    return shown


def with_mask(pixels: np.ndarray, landmarks: Landmarks) -> np.ndarray:
    shown = pixels.copy()
    nose, left, right = (np.asarray(landmarks[number]) for number in (2, 3, 4))
    down, across = (left + right) / 2 - nose, (right - left) * 1.1
    corners = [nose - across, nose + across, nose + across * 0.6 + 2.4 * down, nose - across * 0.6 + 2.4 * down]
    cv2.fillConvexPoly(shown, np.round(corners).astype(np.int32), (200, 175, 130), cv2.LINE_AA)
    return shown


def test_the_columns_are_those_of_the_table() -> None:
    assert set(quality_components.QualityComponents._fields) == set(schemas.QUALITY_COMPONENTS)


def test_without_landmarks_only_exposure_and_the_number_of_faces_are_measured(drawn_face: np.ndarray) -> None:
    found = measure(drawn_face, BOX, None, boxes=[BOX])._asdict()
    assert {name for name, value in found.items() if value is not None} == {
        "under_exposure_prevention",
        "over_exposure_prevention",
        "single_face_present",
    }


def test_every_measure_lies_in_its_range(drawn_face: np.ndarray) -> None:
    found = measure(drawn_face, BOX, LANDMARKS, boxes=[BOX])._asdict()
    for name, (low, high) in schemas.QUALITY_COMPONENTS.items():
        assert low <= found[name] <= high, name


def test_landmarks_that_coincide_leave_the_face_unmeasured_by_them(drawn_face: np.ndarray) -> None:
    found = measure(drawn_face, BOX, Landmarks(*[(5.0, 5.0)] * 5))
    assert found.eyes_visible is None
    assert found.head_pose_yaw is None
    assert visibility(drawn_face, Landmarks(*[(float("nan"), 5.0)] * 5)) is None


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (20, 21)])
def test_the_smallest_crops_are_measured_without_an_error(shape: tuple[int, int]) -> None:
    height, width = shape
    found = measure(
        np.zeros((*shape, 3), np.uint8), Box(0, 0, width, height), Landmarks((0, 0), (9, 0), (5, 5), (1, 9), (8, 9))
    )
    assert found.under_exposure_prevention == 0
    assert 0 <= found.eyes_visible <= 1


@pytest.mark.parametrize(("scale", "angle"), [(0.4, 0), (3.0, 0), (1.0, 25), (1.0, -140)])
def test_size_and_turn_of_the_picture_hardly_change_the_visibility(
    scale: float, angle: float, drawn_face: np.ndarray
) -> None:
    matrix = cv2.getRotationMatrix2D((240, 200), angle, scale)
    matrix[:, 2] += np.array([900, 900]) - matrix[:, :2] @ (240, 200) - matrix[:, 2]
    moved = cv2.warpAffine(drawn_face, matrix, (1800, 1800), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE)
    points = Landmarks(*map(tuple, np.asarray(LANDMARKS) @ matrix[:, :2].T + matrix[:, 2]))
    there, here = (aligned_grey(*pair).astype(int) for pair in ((moved, points), (drawn_face, LANDMARKS)))
    assert np.abs(there - here).mean() < 8


def test_the_features_do_not_follow_light_or_skin(drawn_face: np.ndarray) -> None:
    """The same face with half of the light has the same edges; sensor noise aside."""
    smooth = cv2.GaussianBlur(drawn_face, (0, 0), 2)
    for name in REGIONS:
        light, dark = (features(aligned_grey(pixels, LANDMARKS), name) for pixels in (smooth, smooth // 2))
        assert np.corrcoef(light, dark)[0, 1] > 0.95


@pytest.mark.parametrize(
    ("light", "too_dark", "too_bright"), [(-150, True, False), (0, False, False), (160, False, True)]
)
def test_exposure_follows_the_light(light: int, too_dark: bool, too_bright: bool, drawn_face: np.ndarray) -> None:
    pixels = np.clip(drawn_face.astype(int) + light, 0, 255).astype(np.uint8)
    found = measure(pixels, BOX, None)
    assert (found.under_exposure_prevention < 0.8) is too_dark
    assert (found.over_exposure_prevention < 0.8) is too_bright


def test_the_eyes_distance_is_that_of_the_head_turned_to_the_camera() -> None:
    assert inter_eye_distance(LANDMARKS, yaw=0) == 76
    assert inter_eye_distance(LANDMARKS, yaw=-60) == pytest.approx(152)
    assert inter_eye_distance(LANDMARKS, yaw=89.9) < 300


@pytest.mark.parametrize(
    ("boxes", "expected"),
    [
        ([], 1.0),
        ([BOX], 1.0),
        ([BOX, Box(0, 0, 90, 110)], 0.5),
        ([BOX, BOX], 0.0),
        ([BOX, Box(0, 0, 90, 110), Box(0, 0, 9, 11)], 0.5),
    ],
)
def test_a_second_face_counts_by_its_size(boxes: list[Box], expected: float) -> None:
    assert single_face_present(boxes) == pytest.approx(expected)


@pytest.mark.real
@pytest.mark.parametrize(
    ("measure_name", "hide"),
    [
        ("eyes_visible", with_sunglasses),
        ("eyes_visible", lambda *face: with_sunglasses(*face, colour=(150, 120, 90))),
        ("mouth_occlusion_prevention", with_mask),
    ],
    ids=["dark glasses", "mirror glasses", "mask"],
)
def test_hidden_parts_of_real_faces_come_below_visible_ones(
    measure_name: str, hide: Callable[..., np.ndarray], real_data
) -> None:
    detector = detectors.create(Crop(detector="centerface"))
    sound, hidden = [], []
    with tarfile.open(real_data / "lfw" / "faces.tar") as tar:
        for member in [member for member in tar if member.isfile()][::40]:
            pixels = cv2.imdecode(np.frombuffer(tar.extractfile(member).read(), np.uint8), cv2.IMREAD_COLOR)
            for face in detector(pixels)[:1]:
                shown = hide(pixels, face.landmarks)
                sound.append(getattr(measure(pixels, face.box, face.landmarks), measure_name))
                again = [measure(shown, found.box, found.landmarks) for found in detector(shown)[:1]]
                hidden.extend(getattr(components, measure_name) for components in again)
    assert min(len(sound), len(hidden)) > 60
    assert roc_auc_score([1] * len(sound) + [0] * len(hidden), sound + hidden) > 0.95
