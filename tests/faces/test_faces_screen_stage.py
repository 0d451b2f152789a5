"""The screen stage: hints of every face, and groups of repeats; only what changed is measured again."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest

from mtf import schemas
from mtf.config import Compute
from mtf.core.errors import BadInput
from mtf.faces.quality import Quality
from mtf.pipeline import crop, screen


@pytest.fixture
def screened(workspace, params, crawled):
    """Crawl, crop and screen identity → pictures; gives the table screening."""

    def run(pictures, settings=params):
        crawled(pictures)
        crop.run(workspace, settings)
        screen.run(workspace, settings)
        return schemas.read(schemas.SCREENING, workspace.table("screen", "screening"))

    return run


def with_hat(pixels):
    hatted = pixels.copy()
    hatted[20:130, 120:360] = (20, 60, 200)
    hatted[300:, :] = (200, 220, 230)
    return hatted


def test_every_face_has_its_row_of_hints(screened, make_face, as_jpeg):
    rows = screened(
        {"ann": [as_jpeg(make_face(seed=1)), as_jpeg(make_face(seed=2))], "bob": [as_jpeg(make_face(seed=3))]}
    )
    assert rows["identity"].to_list() == ["ann", "ann", "bob"]
    assert rows["eyes"].to_list() == [2, 2, 2]
    assert rows["identity_distance"].to_list() == [None, None, None], "with two faces, neither is the odd one out"


LANDMARK_COMPONENTS = [
    *("head_pose_yaw", "head_pose_pitch", "head_pose_roll", "inter_eye_distance", "eyes_visible"),
    "mouth_occlusion_prevention",
]


def test_components_from_landmarks_are_empty_for_a_detector_without_them(screened, drawn_face, as_jpeg):
    row = screened({"ann": [as_jpeg(drawn_face)]}).row(0, named=True)
    assert [row[name] for name in LANDMARK_COMPONENTS] == [None] * len(LANDMARK_COMPONENTS)
    assert row["single_face_present"] == 1
    assert row["under_exposure_prevention"] > 0.9


def test_a_detector_with_landmarks_fills_them(screened, params, drawn_face, as_jpeg):
    settings = params.model_copy(update={"crop": params.crop.model_copy(update={"detector": "centerface"})})
    row = screened({"ann": [as_jpeg(drawn_face)]}, settings).row(0, named=True)
    assert None not in [row[name] for name in LANDMARK_COMPONENTS]
    assert abs(row["head_pose_roll"]) < 5
    assert row["inter_eye_distance"] == pytest.approx(76, rel=0.15)


def test_every_face_of_a_picture_with_two_says_so(screened, drawn_face, make_face, as_jpeg):
    both = np.hstack([drawn_face, make_face(seed=4)])
    rows = screened({"ann": [as_jpeg(both), as_jpeg(make_face(seed=5))]})
    two = rows.filter(pl.len().over("image_id") == 2)
    assert two.height == 2
    assert (two["single_face_present"] < 0.3).all()
    assert rows.filter(pl.len().over("image_id") == 1)["single_face_present"].to_list() == [1.0]


def test_a_table_of_an_older_version_is_read_with_empty_components(workspace, screened, drawn_face, as_jpeg):
    path = workspace.table("screen", "screening")
    rows = screened({"ann": [as_jpeg(drawn_face)]})
    rows.drop(schemas.QUALITY_COMPONENTS).write_parquet(path)
    again = schemas.read(schemas.SCREENING, path)
    assert again.columns == rows.columns
    assert again.select(pl.col(*schemas.QUALITY_COMPONENTS).is_null().all()).row(0) == (True,) * 9


def test_the_same_pixels_from_two_files_are_exact_repeats(screened, drawn_face, as_jpeg):
    png, tiff = as_jpeg(drawn_face, ".png"), as_jpeg(drawn_face, ".tiff")
    rows = screened({"ann": [png, tiff, as_jpeg(with_hat(drawn_face))]})
    grouped = rows.drop_nulls("exact_group")
    assert grouped.height == 2
    assert grouped["exact_group"].unique().to_list() == [grouped["face_id"].min()]
    assert grouped["near_group"].unique().to_list() == [grouped["face_id"].min()], "what is equal is near"
    assert rows.filter(pl.col("exact_group").is_null())["near_group"].to_list() == [None]


def test_a_recompressed_shot_is_near_and_not_exact(screened, drawn_face, as_jpeg):
    rows = screened({"ann": [as_jpeg(drawn_face, quality=95), as_jpeg(drawn_face, quality=60)]})
    assert rows["exact_group"].to_list() == [None, None]
    assert rows["near_group"].to_list() == [rows["face_id"].min()] * 2


def test_one_picture_under_two_people_is_a_group_across_them(screened, drawn_face, make_face, as_jpeg):
    shared, other = as_jpeg(drawn_face), as_jpeg(with_hat(make_face(seed=9)))
    rows = screened({"ann": [shared], "bob": [as_jpeg(drawn_face, quality=75)], "cid": [other]})
    by_identity = {row["identity"]: row for row in rows.iter_rows(named=True)}
    assert by_identity["ann"]["across_group"] == by_identity["bob"]["across_group"] == min(rows["face_id"][:2])
    assert by_identity["cid"]["across_group"] is None
    assert rows["near_group"].to_list() == [None, None, None], "near_group stays within an identity"


def test_a_repeat_within_one_person_is_no_group_across_people(screened, drawn_face, as_jpeg):
    rows = screened({"ann": [as_jpeg(drawn_face, quality=95), as_jpeg(drawn_face, quality=60)]})
    assert rows["across_group"].to_list() == [None, None]


def test_a_changed_identity_measures_only_its_own_faces(workspace, params, screened, make_face, as_jpeg, monkeypatch):
    one, two, three = (as_jpeg(make_face(seed=seed)) for seed in (1, 2, 3))
    screened({"ann": [one], "bob": [two]})
    before = {name: workspace.shard("screen", name).stat().st_ino for name in ("ann", "bob")}
    made = []
    real_make = screen.make
    monkeypatch.setattr(screen, "make", lambda job: (made.append(job.identity), real_make(job)))
    rows = screened({"ann": [one], "bob": [two, three]})
    assert made == ["bob"]
    assert workspace.shard("screen", "ann").stat().st_ino == before["ann"]
    assert workspace.shard("screen", "bob").stat().st_ino != before["bob"]
    assert rows.height == 3


def test_another_distance_measures_again(workspace, params, screened, drawn_face, as_jpeg):
    pictures = {"ann": [as_jpeg(drawn_face, quality=95), as_jpeg(drawn_face, quality=60)]}
    screened(pictures)
    strict = params.model_copy(
        update={"screen": params.screen.model_copy(update={"hash_distance": 0, "embedding_distance": 0.0})}
    )
    assert screened(pictures, strict)["near_group"].to_list() == [None, None]


def test_the_figures_count_what_would_go_if_one_of_each_group_stayed(workspace, screened, drawn_face, as_jpeg, capsys):
    screened({"ann": [as_jpeg(drawn_face, quality=quality) for quality in (95, 80, 60)]})
    figures = json.loads(workspace.metrics("screen").read_text())
    assert figures["faces"] == 3
    assert figures["repeats"] == {"exact": 0, "near": 2, "across_identities": 0}
    assert "repeats: 0 exact, 2 near" in capsys.readouterr().out


def test_processes_of_their_own_give_the_same_table(workspace, params, screened, make_face, as_jpeg):
    pictures = {"ann": [as_jpeg(make_face(seed=1))], "bob": [as_jpeg(make_face(seed=2))]}
    once = screened(pictures)
    for path in workspace.shards("screen").iterdir():
        path.unlink()
    assert screened(pictures, params.model_copy(update={"compute": Compute(workers=2)})).equals(once)


def test_wanted_weights_that_are_absent_stop_the_run_and_say_where_they_are_had(screened, params, drawn_face, as_jpeg):
    for weights, reason in (
        (None, r"screen\.embedding: 'sface': needs face_recognition_sface_2021dec\.onnx"),
        ("models/sface.onnx", r"screen\.embedding_weights: no file 'models/sface\.onnx'"),
    ):
        settings = params.model_copy(
            update={
                "screen": params.screen.model_copy(update={"embedding": "sface", "embedding_weights": weights}),
            }
        )
        with pytest.raises(BadInput, match=rf"^params\.yaml: {reason}; `mtf models fetch sface` puts .*models/"):
            screened({"ann": [as_jpeg(drawn_face)]}, settings)


def test_weights_that_are_no_model_stop_the_run_in_one_line(workspace, screened, params, drawn_face, as_jpeg):
    (workspace.root / "sface.onnx").write_bytes(b"not a model")
    settings = params.model_copy(
        update={
            "screen": params.screen.model_copy(update={"embedding": "sface", "embedding_weights": "sface.onnx"}),
        }
    )
    with pytest.raises(BadInput, match=r"^sface\.onnx: not a model that OpenCV can read"):
        screened({"ann": [as_jpeg(drawn_face)]}, settings)


def test_a_hash_of_64_bits_is_kept_wherever_it_stands(screened, make_face, as_jpeg, monkeypatch):
    """One above 2⁶³ after more than a hundred below: the columns' types are stated, not guessed from the first rows."""
    hashes = [*[1] * 101, 2**63 + 1]
    coming = iter(hashes)

    def measured(pixels, box):
        return Quality(100, 50.0, 120.0, 0.0, eyes=2, not_photograph=0.0, hash=next(coming))

    def many_faces(path):
        """Each face of the crop shard as if it were fifty-one."""
        rows = rows_of(path)
        if "crop_x" not in rows.columns:
            return rows
        names = [pl.format("{}{}", pl.lit(f"{number:08x}"), pl.col("face_id").str.tail(24)) for number in range(51)]
        return pl.concat([rows.with_columns(face_id=name) for name in names])

    rows_of = screen.shards.rows_of
    monkeypatch.setattr(screen.quality, "measure", measured)
    monkeypatch.setattr(screen.shards, "rows_of", many_faces)
    monkeypatch.setattr(screen.schemas, "check_refers", lambda *_, **__: None)
    assert screened({"ann": [as_jpeg(make_face(seed=seed)) for seed in (1, 2)]})["hash"].to_list() == hashes


def test_a_data_set_without_a_face_stops_the_run(screened, as_jpeg):
    with pytest.raises(BadInput, match="no faces"):
        screened({"ann": [as_jpeg(np.full((200, 200, 3), 90, np.uint8))]})
