"""Publishing aligned faces or crops as the picture stands."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
import polars as pl
import pytest
import skimage.data
from PIL import Image

from mtf import schemas
from mtf.config import Crop, Release
from mtf.core import shards
from mtf.core.errors import BadInput
from mtf.faces import crop as cut
from mtf.faces import detectors
from mtf.faces.alignment import TEMPLATE, TEMPLATE_SIDE_PX
from mtf.faces.box import face_id
from mtf.release import folders, metadata

SIZE_PX = 224


def cropped(folder: Path, crop: Crop) -> pl.DataFrame:
    """Write the shard of one person with one face, the head to one side; returns its row."""
    upright = np.ascontiguousarray(skimage.data.astronaut()[:, :, ::-1])
    turn = cv2.getRotationMatrix2D((225, 130), 20, 1.0)
    pixels = cv2.warpAffine(upright, turn, (512, 512), borderMode=cv2.BORDER_REPLICATE)
    face = max(cut.cut_faces(cut.encoded(pixels, quality=95), crop, max_pixels=10**7), key=lambda each: each.box.width)
    name = face_id("0" * 64, face.box)
    with shards.writing(folder / "ann.tar", "digest") as writer:
        offset, size_bytes = writer.add(f"{name}.jpg", face.jpeg)
        row = (
            {"identity": "ann", "face_id": name, "image_id": "0" * 64, **face.box._asdict()}
            | {f"crop_{side}": value for side, value in face.place._asdict().items()}
            | {"image_width": 512, "image_height": 512, "offset": offset, "size_bytes": size_bytes}
            | ({} if face.landmarks is None else face.landmarks.as_row())
        )
        table = schemas.frame(schemas.FACES, [row])
        writer.finish(table)
    return table


def jobs(faces: pl.DataFrame, folder: Path, release: Release) -> list[folders.ReleaseJob]:
    plan = faces.select("identity", "face_id", path=pl.lit("multi_task/ann.jpg"))
    places = folders.places(faces, faces)
    return folders.jobs(
        plan, places, folders.read(folder / "no.parquet"), crops=folder, root=folder / "out", release=release
    )


def release(alignment: str, *, enlarge: bool = True) -> Release:
    return Release(variants=["multi_task"], size_px=SIZE_PX, alignment=alignment, enlarge=enlarge)


def test_an_aligned_face_is_published_with_its_landmarks_where_the_template_has_them(tmp_path: Path) -> None:
    faces = cropped(tmp_path, Crop())
    published = {}
    for alignment in ("none", "landmarks"):
        [job] = jobs(faces, tmp_path, release(alignment))
        assert folders.publish(job).encoded == 1
        data = (tmp_path / "out" / "multi_task" / "ann.jpg").read_bytes()
        picture = Image.open(io.BytesIO(data))
        assert picture.size == (SIZE_PX, SIZE_PX)
        assert not picture.getexif()
        published[alignment] = np.asarray(picture)[:, :, ::-1]
    [face] = detectors.create(Crop())(np.ascontiguousarray(published["landmarks"]))
    wanted = np.asarray(TEMPLATE) * SIZE_PX / TEMPLATE_SIDE_PX
    np.testing.assert_allclose(np.asarray(face.landmarks), wanted, atol=10)
    [tilted] = detectors.create(Crop())(np.ascontiguousarray(published["none"]))
    assert abs(tilted.landmarks.left_eye[1] - tilted.landmarks.right_eye[1]) > 15


def test_another_alignment_encodes_the_faces_anew(tmp_path: Path) -> None:
    faces = cropped(tmp_path, Crop())
    [plain], [aligned] = (jobs(faces, tmp_path, release(alignment)) for alignment in ("none", "landmarks"))
    assert plain.made_from != aligned.made_from


def test_a_face_without_landmarks_stops_the_release_in_one_line(tmp_path: Path) -> None:
    faces = cropped(tmp_path, Crop()).with_columns(pl.lit(None, pl.Float32).alias(name) for name in schemas.LANDMARKS)
    with pytest.raises(BadInput, match=r"release\.alignment: landmarks: face \w{32} has none; choose a crop\.detector"):
        jobs(faces, tmp_path, release("landmarks"))
    assert len(jobs(faces, tmp_path, release("none"))) == 1


@pytest.mark.parametrize("alignment", ["none", "landmarks"])
def test_a_face_smaller_than_the_size_keeps_its_own_unless_it_shall_be_enlarged(tmp_path: Path, alignment: str) -> None:
    faces = cropped(tmp_path, Crop())
    found = {}
    for enlarge in (False, True):
        [job] = jobs(faces, tmp_path, release(alignment, enlarge=enlarge))
        [file] = folders.publish(job).files
        assert Image.open(tmp_path / "out" / file.path).size == (file.side_px, file.side_px)
        found[enlarge] = (file.side_px, file.crop_px)
    own = found[False][0]
    assert 50 < own < SIZE_PX
    assert found == {False: (own, own), True: (SIZE_PX, own)}


@pytest.mark.parametrize(
    ("side_px", "crop_px", "alignment", "changes"),
    [
        (72, 90, "none", "cropped to the face, resized to 72 × 72 pixels, metadata removed"),
        (72, 60, "none", "cropped to the face, enlarged to 72 × 72 pixels, metadata removed"),
        (
            72,
            72,
            "landmarks",
            "cropped to the face, turned upright by its landmarks, kept at 72 × 72 pixels, metadata removed",
        ),
    ],
)
def test_the_credit_says_what_was_done_to_a_face(side_px: int, crop_px: int, alignment: str, changes: str) -> None:
    sides = pl.DataFrame({"side_px": [side_px], "crop_px": [crop_px]})
    assert sides.select(metadata.changes_made(alignment)).item() == changes
