"""The crop stage: crawl's images in, faces and detections out, and only what changed done again."""

from __future__ import annotations

import io
import json
import tarfile

import cv2
import numpy as np
import polars as pl
import pytest
from PIL import Image

from mtf import config as parameters
from mtf import schemas
from mtf.core import shards
from mtf.core.errors import BadInput
from mtf.pipeline import crop
from mtf.schemas import DetectionOutcome


def read(workspace, table):
    return schemas.read(table, workspace.table("crop", table.name))


def test_every_face_is_a_row_with_its_crop_in_the_identitys_shard(workspace, params, crawled, make_face, as_jpeg):
    crawled({"ann": [as_jpeg(make_face(seed=1)), as_jpeg(make_face(seed=2))], "bob": [as_jpeg(make_face(seed=3))]})
    crop.run(workspace, params)
    faces = read(workspace, schemas.FACES)
    assert faces["identity"].to_list() == ["ann", "ann", "bob"]
    for row in faces.iter_rows(named=True):
        data = shards.read(workspace.shard("crop", row["identity"]), row["offset"], row["size_bytes"])
        with Image.open(io.BytesIO(data)) as picture:
            assert (picture.width, picture.height) == (row["crop_width"], row["crop_height"])
            assert not picture.getexif()
            assert "exif" not in picture.info
        assert f"{row['face_id']}.jpg" in shards.members(workspace.shard("crop", row["identity"]))


def test_an_image_without_a_face_is_kept_as_a_row_that_says_why(workspace, params, crawled, make_face, as_jpeg):
    flat = np.full((200, 200, 3), 128, np.uint8)
    crawled({"ann": [as_jpeg(make_face(seed=1)), as_jpeg(flat), as_jpeg(make_face(seed=2))[:3000], b"<html></html>"]})
    crop.run(workspace, params)
    outcomes = sorted(read(workspace, schemas.DETECTIONS)["outcome"].to_list())
    assert outcomes == [
        DetectionOutcome.CROPPED,
        DetectionOutcome.NO_FACE,
        DetectionOutcome.UNDECODABLE,
        DetectionOutcome.UNDECODABLE,
    ]
    details = (
        read(workspace, schemas.DETECTIONS).filter(pl.col("outcome") == DetectionOutcome.UNDECODABLE)["detail"].sort()
    )
    assert details[0].startswith("JPEG: image file is truncated")
    assert details[1].startswith("not a picture")


def test_the_figures_count_images_faces_and_outcomes(workspace, params, crawled, make_face, as_jpeg, capsys):
    crawled({"ann": [as_jpeg(make_face(seed=1)), b"not a picture"]})
    crop.run(workspace, params)
    assert json.loads(workspace.metrics("crop").read_text()) == {
        "images": 2,
        "images_with_faces": 1,
        "faces": 1,
        "outcomes": {"cropped": 1, "no_face": 0, "undecodable": 1, "too_large": 0},
        "undetected": {},
    }
    assert "1 face in 1 of 2 images" in capsys.readouterr().out


def test_images_without_a_face_are_counted_by_group_of_the_roster(
    workspace, params, crawled, make_face, as_jpeg, capsys
):
    blank = as_jpeg(np.full((300, 300, 3), 99, np.uint8))
    crawled({"ann": [as_jpeg(make_face(seed=1)), blank, b"not a picture"], "bob": [as_jpeg(make_face(seed=2))]})
    workspace.roster.parent.mkdir()
    workspace.roster.write_text(
        "identity,name,race,gender,age\nann,Ann,Amber,Females,Old\nbob,Bob,Amber,Males,Old\ncid,Cid,Blue,Males,Old\n"
    )
    crop.run(workspace, params)
    rows = {(row["attribute"], row["label"]): row for row in read(workspace, schemas.UNDETECTED).iter_rows(named=True)}
    assert len(rows) == sum(len(task.labels) for task in params.attributes.values())
    amber, women = rows["race", "Amber"], rows["gender", "Females"]
    assert (amber["people"], amber["images"], amber["undetected"]) == (2, 3, 1)
    assert (women["images"], women["share"], women["low"], women["high"]) == (2, 0.5, None, None)
    assert (rows["race", "Blue"]["images"], rows["race", "Blue"]["share"]) == (0, None)
    assert json.loads(workspace.metrics("crop").read_text())["undetected"] == {
        "race": {"shares": {"Amber": 0.3333}},
        "gender": {"shares": {"Males": 0.0, "Females": 0.5}},
        "age": {"shares": {"Old": 0.3333}},
    }
    said = capsys.readouterr().out
    assert "without a face, gender Females: 50.0 %, interval cannot be said (1 person)" in said
    assert "race Blue: no images" in said


def test_a_changed_identity_redoes_only_its_own_shard(workspace, params, crawled, make_face, as_jpeg, monkeypatch):
    one, two, three = (as_jpeg(make_face(seed=seed)) for seed in (1, 2, 3))
    crawled({"ann": [one], "bob": [two], "cid": [three]})
    crop.run(workspace, params)
    before = {name: workspace.shard("crop", name).stat().st_ino for name in ("ann", "bob", "cid")}
    made = []
    real_make = crop.make
    monkeypatch.setattr(crop, "make", lambda job: (made.append(job.identity), real_make(job)))

    crop.run(workspace, params)
    assert made == []

    crawled({"ann": [one], "bob": [two, three], "cid": [three]})
    crop.run(workspace, params)
    after = {name: workspace.shard("crop", name).stat().st_ino for name in before}
    assert made == ["bob"]
    assert {name for name in before if before[name] != after[name]} == {"bob"}
    assert read(workspace, schemas.FACES)["identity"].to_list() == ["ann", "bob", "bob", "cid"]


def test_a_changed_parameter_of_the_crop_redoes_every_shard(workspace, params, crawled, make_face, as_jpeg):
    crawled({"ann": [as_jpeg(make_face(seed=1))]})
    crop.run(workspace, params)
    first = read(workspace, schemas.FACES)
    wider = params.model_copy(update={"crop": params.crop.model_copy(update={"margin_share": 0.5})})
    crop.run(workspace, wider)
    second = read(workspace, schemas.FACES)
    assert second["crop_width"][0] > first["crop_width"][0]
    assert second["face_id"].to_list() == first["face_id"].to_list(), "the face is the same: only its margin changed"


def test_an_identity_that_left_the_crawl_leaves_no_shard_behind(workspace, params, crawled, make_face, as_jpeg):
    crawled({"ann": [as_jpeg(make_face(seed=1))], "bob": [as_jpeg(make_face(seed=2))]})
    crop.run(workspace, params)
    crawled({"ann": [as_jpeg(make_face(seed=1))]})
    crop.run(workspace, params)
    assert not workspace.shard("crop", "bob").exists()
    assert read(workspace, schemas.FACES)["identity"].unique().to_list() == ["ann"]


def test_two_runs_in_processes_of_their_own_give_the_same_bytes(workspace, params, crawled, make_face, as_jpeg):
    crawled({"ann": [as_jpeg(make_face(seed=1))], "bob": [as_jpeg(make_face(seed=2))]})
    crop.run(workspace, params)
    once = {path.name: path.read_bytes() for path in workspace.shards("crop").iterdir()}
    for path in workspace.shards("crop").iterdir():
        path.unlink()
    crop.run(workspace, params.model_copy(update={"compute": parameters.Compute(workers=2)}))
    assert {path.name: path.read_bytes() for path in workspace.shards("crop").iterdir()} == once


def test_a_crawl_shard_that_is_gone_stops_the_run_in_one_line(workspace, params, crawled, make_face, as_jpeg):
    crawled({"ann": [as_jpeg(make_face(seed=1))]})
    workspace.shard("crawl", "ann").unlink()
    with pytest.raises(BadInput, match=r"build/crawl/shards/ann\.tar: no readable shard"):
        crop.run(workspace, params)


def test_a_crawl_without_images_stops_the_run(workspace, params, crawled):
    crawled({})
    with pytest.raises(BadInput, match="no images"):
        crop.run(workspace, params)


@pytest.mark.real
def test_portraits_of_congress_yield_a_face_each_but_for_a_few(workspace, params, crawled, real_data):
    with tarfile.open(real_data / "congress" / "portraits.tar") as tar:
        members = [member for member in tar if member.isfile()][::10]
        portraits = {f"member-{number}": [tar.extractfile(member).read()] for number, member in enumerate(members)}
    crawled(portraits)
    crop.run(workspace, params)
    figures = json.loads(workspace.metrics("crop").read_text())
    assert figures["images"] == len(portraits)
    assert figures["images_with_faces"] >= 0.97 * len(portraits)
    faces = read(workspace, schemas.FACES)
    assert (faces["image_width"] == 512).all()


def test_a_crop_shows_the_face_that_was_found(workspace, params, crawled, drawn_face, as_jpeg):
    crawled({"ann": [as_jpeg(drawn_face)]})
    crop.run(workspace, params)
    row = read(workspace, schemas.FACES).row(0, named=True)
    data = shards.read(workspace.shard("crop", "ann"), row["offset"], row["size_bytes"])
    shown = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR).astype(int)
    x, y, width, height = (row[f"crop_{side}"] for side in ("x", "y", "width", "height"))
    assert np.abs(shown - drawn_face[y : y + height, x : x + width]).mean() < 6
