"""Pictures are resized once, kept, and equal what decoding them directly gives."""

from __future__ import annotations

import cv2
import numpy as np
import polars as pl
import pytest

from mtf import schemas
from mtf.config import Params
from mtf.core import shards
from mtf.core.errors import MtfError
from mtf.core.project_paths import ProjectPaths
from mtf.training import input_cache
from training_project import drawn, encoded, shard_of

Project = tuple[ProjectPaths, Params]


def splits_of(project: Project) -> pl.DataFrame:
    workspace, params = project
    return schemas.read(schemas.splits(params), workspace.table("split", "splits"))


def prepared(project: Project, faces: pl.DataFrame, size_px: int = 32) -> np.ndarray:
    workspace, _ = project
    return input_cache.prepare(faces, workspace.shards("crop"), workspace.stage("inputs"), size_px=size_px)


def directly(project: Project, row: dict, size_px: int) -> np.ndarray:
    """What OpenCV alone gives, without reduced decoding and without a cache."""
    data = shards.read(project[0].shard("crop", row["identity"]), row["offset"], row["size_bytes"])
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    return cv2.resize(picture, (size_px, size_px), interpolation=cv2.INTER_AREA)[:, :, ::-1]


def test_a_prepared_picture_equals_its_direct_decoding(project: Project) -> None:
    faces = splits_of(project)
    # 80 px to 48: no reduced decoding comes in, so the bytes are the same.
    pictures = prepared(project, faces, size_px=48)
    assert pictures.shape == (len(faces), 48, 48, 3)
    for number, row in enumerate(faces.iter_rows(named=True)):
        np.testing.assert_array_equal(pictures[number], directly(project, row, 48))


def test_reduced_decoding_stays_close_to_full_decoding(project: Project) -> None:
    faces = splits_of(project)
    pictures = prepared(project, faces, size_px=32)
    for number, row in enumerate(faces.head(6).iter_rows(named=True)):
        difference = np.abs(pictures[number].astype(int) - directly(project, row, 32))
        assert difference.mean() < 3


@pytest.mark.parametrize(("shape", "size_px"), [((300, 200), 64), ((1030, 1024), 224), ((20, 31), 64)])
def test_any_shape_of_crop_comes_to_the_square_asked_for(shape: tuple[int, int], size_px: int) -> None:
    picture = cv2.resize(drawn("ada", 0), shape[::-1])
    result = input_cache.decoded(encoded(picture), size_px=size_px)
    assert result is not None
    assert result.shape == (size_px, size_px, 3)
    # The ground is amber: red above green above blue, so the channels stand in the order R, G, B.
    red, green, blue = (int(value) for value in result[2, 2])
    assert red > green > blue


@pytest.mark.parametrize("data", [b"", b"not a picture", encoded(drawn("ada", 0))[:200]])
def test_what_is_no_picture_decodes_to_nothing(data: bytes) -> None:
    assert input_cache.decoded(data, size_px=32) is None


def test_a_file_that_would_hold_the_decoder_decodes_to_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = encoded(drawn("ada", 0))
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("OpenCV has the file"))
    assert input_cache.decoded(picture[:2] + b"\xff" * 1_000_000 + picture[2:], size_px=32) is None


def test_a_second_call_decodes_nothing(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    faces = splits_of(project)
    first = np.array(prepared(project, faces))
    monkeypatch.setattr(input_cache, "decoded", lambda *_, **__: pytest.fail("decoded again"))
    np.testing.assert_array_equal(prepared(project, faces), first)


def test_only_the_changed_identity_is_decoded_again(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    faces = splits_of(project)
    first = np.array(prepared(project, faces))
    shard_of(project[0], "ben", digest="second")
    seen: list[int] = []
    decode = input_cache.decoded
    monkeypatch.setattr(input_cache, "decoded", lambda data, **size: (seen.append(len(data)), decode(data, **size))[1])
    np.testing.assert_array_equal(prepared(project, faces), first)
    assert len(seen) == faces.filter(identity="ben").height


def test_faces_no_longer_asked_for_leave_the_cache(project: Project) -> None:
    faces = splits_of(project)
    everything = np.array(prepared(project, faces))
    without = faces.with_row_index("row").filter(pl.col("identity") != "ada")
    pictures = prepared(project, without)
    np.testing.assert_array_equal(pictures, everything[without["row"].to_numpy()])
    pixels = project[0].stage("inputs") / "32.pixels"
    assert pixels.stat().st_size == len(without) * 32 * 32 * 3


def test_a_crop_that_cannot_be_decoded_is_named(project: Project) -> None:
    faces = splits_of(project).with_columns(size_bytes=pl.lit(100, pl.Int64))
    with pytest.raises(MtfError, match=r"ada\.tar: the crop of face [0-9a-f]{32} cannot be decoded"):
        prepared(project, faces)


def test_a_missing_shard_is_named(project: Project) -> None:
    project[0].shard("crop", "cleo").unlink()
    with pytest.raises(MtfError, match=r"cleo\.tar: no such shard"):
        prepared(project, splits_of(project))
