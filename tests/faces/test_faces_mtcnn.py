"""MTCNN: what facenet-pytorch's own code gives with the same weights, and files that are not its weights."""

from __future__ import annotations

import pickle
import subprocess
import sys

import numpy as np
import pytest
import skimage.data
import torch
from facenet_pytorch import MTCNN as OriginalMtcnn  # noqa: N811

from mtf.config import Crop
from mtf.core.errors import BadInput
from mtf.faces import detectors
from mtf.faces.box import Box
from mtf.faces.detectors import mtcnn_networks

MTCNN = Crop(detector="mtcnn")


@pytest.fixture(scope="session")
def photograph():
    """Eileen Collins, by NASA (public domain), as scikit-image ships it: 512 × 512, blue, green, red."""
    return np.ascontiguousarray(skimage.data.astronaut()[:, :, ::-1])


@pytest.mark.parametrize(
    "place", [(slice(None), slice(None)), (slice(0, 260), slice(60, 400)), (slice(40, 500), slice(90, 300))]
)
@pytest.mark.parametrize("min_face_share", [0.05, 0.13])
def test_it_gives_what_facenet_pytorch_gives(photograph, place, min_face_share):
    pixels = photograph[place]
    smallest_px = max(min_face_share * min(pixels.shape[:2]), 12)
    original = OriginalMtcnn(keep_all=True, min_face_size=smallest_px, thresholds=[0.6, 0.7, 0.7], device="cpu")
    detected = original.detect(np.ascontiguousarray(pixels[:, :, ::-1]), landmarks=True)
    boxes, scores, points = (np.asarray(part, np.float64) for part in detected)
    order = np.argsort(-scores)
    found = detectors.create(Crop(detector="mtcnn", min_face_share=min_face_share))(pixels)
    assert len(found) == len(boxes) >= 1
    for face, at in zip(found, order, strict=True):
        expected = Box.of_corners(*boxes[at], shape=pixels.shape[:2])
        np.testing.assert_allclose(face.box, expected.squared(shape=pixels.shape[:2]), atol=1)
        np.testing.assert_allclose(np.asarray(face.landmarks), points[at], atol=0.01)
        assert face.score == pytest.approx(scores[at], abs=1e-4)


def test_pictures_without_a_face_and_of_few_pixels_have_none():
    for shape in ((1, 1, 3), (11, 200, 3), (200, 11, 3), (300, 300, 3)):
        assert detectors.create(MTCNN)(np.full(shape, 128, np.uint8)) == []


def test_torch_is_imported_by_who_detects_with_it_only():
    program = "import sys, mtf.faces.detectors; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


class Harm:
    def __reduce__(self):
        return (print, ("code of the pickle was run",))


@pytest.mark.parametrize("content", ["truncated", "pickle", "another"])
def test_a_file_that_is_no_weights_of_it_is_one_line_and_runs_no_code(tmp_path, content, capsys):
    path = tmp_path / "pnet.pt"
    if content == "another":
        torch.save({"conv1.weight": torch.zeros(1)}, path)
    else:
        path.write_bytes(pickle.dumps(Harm()) if content == "pickle" else b"PK\x03\x04")
    with pytest.raises(BadInput, match=r"^pnet\.pt: no weights of MTCNN: [^\n]+$"):
        mtcnn_networks.load(path, path, path)
    assert "was run" not in capsys.readouterr().out
