"""Training on aligned faces or on crops as the picture stands."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import polars as pl
import pytest
import skimage.data

from mtf import schemas
from mtf.config import Crop
from mtf.core import shards
from mtf.core.errors import BadInput
from mtf.faces import alignment
from mtf.faces import crop as cut
from mtf.faces.box import face_id
from mtf.training import input_cache

SIDE_PX = 112
CENTERFACE = Crop()


@pytest.fixture
def turned() -> list[np.ndarray]:
    """Eileen Collins, by NASA (public domain), upright and with the head to either side; blue, green, red."""
    upright = np.ascontiguousarray(skimage.data.astronaut()[:, :, ::-1])
    middle = (225, 130)
    return [
        cv2.warpAffine(
            upright, cv2.getRotationMatrix2D(middle, angle, 1.0), (512, 512), borderMode=cv2.BORDER_REPLICATE
        )
        for angle in (0, -20, 20)
    ]


def cropped(pictures: list[np.ndarray], folder: Path, crop: Crop) -> pl.DataFrame:
    """Write the shard of one person with the largest face of each picture; returns the rows of its faces."""
    rows = []
    with shards.writing(folder / "ann.tar", "digest") as writer:
        for number, pixels in enumerate(pictures):
            faces = cut.cut_faces(cut.encoded(pixels, quality=95), crop, max_pixels=10**7)
            face = max(faces, key=lambda each: each.box.width)
            image = f"{number:064x}"
            name = face_id(image, face.box)
            offset, size_bytes = writer.add(f"{name}.jpg", face.jpeg)
            rows.append(
                {"identity": "ann", "face_id": name, "image_id": image, **face.box._asdict()}
                | {f"crop_{side}": value for side, value in face.place._asdict().items()}
                | {"image_width": face.shape[1], "image_height": face.shape[0]}
                | {"offset": offset, "size_bytes": size_bytes, "score": face.score}
                | ({} if face.landmarks is None else face.landmarks.as_row())
            )
        table = schemas.frame(schemas.FACES, rows)
        writer.finish(table)
    return table


def difference(one: np.ndarray, other: np.ndarray) -> float:
    """Mean difference of grey levels in the middle of two faces."""
    inner = slice(SIDE_PX // 4, -SIDE_PX // 4)
    return float(np.abs(one[inner, inner].astype(float) - other[inner, inner].astype(float)).mean())


def test_a_turned_head_is_upright_in_the_aligned_input_and_turned_in_the_plain_one(
    tmp_path: Path, turned: list[np.ndarray]
) -> None:
    faces = cropped(turned, tmp_path / "crops", CENTERFACE)
    plain, aligned = (
        input_cache.prepare(faces, tmp_path / "crops", tmp_path / "cache", size_px=SIDE_PX, alignment=kind)
        for kind in ("none", "landmarks")
    )
    assert plain.shape == aligned.shape == (3, SIDE_PX, SIDE_PX, 3)
    for other in (1, 2):
        assert difference(aligned[0], aligned[other]) < 0.5 * difference(plain[0], plain[other])
    again = input_cache.prepare(faces, tmp_path / "crops", tmp_path / "cache", size_px=SIDE_PX)
    np.testing.assert_array_equal(again, plain)


def test_the_aligned_input_is_the_face_of_the_template_also_where_it_is_reduced_much(
    tmp_path: Path, turned: list[np.ndarray]
) -> None:
    faces = cropped(turned[1:2], tmp_path / "crops", CENTERFACE)
    [small] = input_cache.prepare(faces, tmp_path / "crops", tmp_path / "cache", size_px=32, alignment="landmarks")
    row = faces.row(0, named=True)
    direct = alignment.aligned_face(turned[1], row, side_px=SIDE_PX)
    assert direct is not None
    expected = cv2.cvtColor(cv2.resize(direct, (32, 32), interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2RGB)
    assert np.abs(small.astype(float) - expected).mean() < 8


def test_faces_without_landmarks_stop_the_training_in_one_line(tmp_path: Path, turned: list[np.ndarray]) -> None:
    faces = cropped(turned[:1], tmp_path / "crops", Crop(detector="haar"))
    with pytest.raises(BadInput, match=r"train\.alignment: landmarks: face \w{32} has none; choose a crop\.detector"):
        input_cache.prepare(faces, tmp_path / "crops", tmp_path / "cache", size_px=32, alignment="landmarks")
    input_cache.prepare(faces, tmp_path / "crops", tmp_path / "cache", size_px=32)
