"""`mtf embed`: a vector for each face of a folder or a stage, one bad picture a row, and runs that go on."""

from __future__ import annotations

import hashlib
import os

import numpy as np
import polars as pl
import pytest
import yaml
from typer.testing import CliRunner

from mtf.cli import app
from mtf.core.errors import BadInput
from mtf.faces.embeddings import dlib_resnet
from mtf.pipeline import crop, screen
from mtf.project import embed as embedding
from mtf.schemas.embedding_table import EMBEDDINGS
from mtf.training import checkpoint, multitask
from mtf.training.networks import registry


@pytest.fixture
def root(tmp_path, params, monkeypatch):
    # Haar's cascade finds every one of these drawings.
    settings = params.model_copy(update={"crop": params.crop.model_copy(update={"detector": "haar"})})
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(settings.model_dump(mode="json", exclude_none=True)))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def pictures(root, make_face, as_jpeg):
    """A folder with two pictures of a face, one without, and one that is none."""
    folder = root / "pictures"
    (folder / "more").mkdir(parents=True)
    (folder / "a.jpg").write_bytes(as_jpeg(make_face(seed=1)))
    (folder / "more" / "b.png").write_bytes(as_jpeg(make_face(seed=2), ".png"))
    (folder / "empty.jpg").write_bytes(as_jpeg(np.full((300, 300, 3), 90, np.uint8)))
    (folder / "text.jpg").write_bytes(b"not a picture")
    return folder


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["embed", *arguments])
    if result.exception:
        raise result.exception
    return result.output


def test_each_face_of_a_folder_has_a_row_and_each_bad_picture_its_reason(root, pictures):
    output = run("pictures", "--model", "dlib")
    assert output == "embed: 2 vectors, 2 without one: build/embed/pictures-dlib.parquet\n"
    table = pl.read_parquet(root / "build" / "embed" / "pictures-dlib.parquet")
    assert dict(table.schema) == EMBEDDINGS
    rows = {row["path"]: row for row in table.iter_rows(named=True)}
    assert list(rows) == ["a.jpg", "empty.jpg", "text.jpg", "more/b.png"]
    assert rows["empty.jpg"]["problem"] == "no face found"
    assert rows["text.jpg"]["problem"].startswith("not a picture")
    face = rows["a.jpg"]
    assert (face["model"], face["problem"], len(face["vector"])) == ("dlib", None, 128)
    assert face["weights_sha256"].split() == [dlib_resnet.WEIGHTS.sha256, dlib_resnet.FIVE_POINTS.sha256]
    assert np.linalg.norm(face["vector"]) == pytest.approx(1, abs=1e-4)
    assert face["x"] < 240 < face["x"] + face["width"], "the box is in the picture's own pixels, around the head"


def test_an_interrupted_run_goes_on_and_gives_the_same_table(root, pictures, monkeypatch):
    monkeypatch.setattr(embedding, "ITEMS_A_PART", 1)
    run("pictures", "--model", "appearance", "--to", "whole.parquet")
    whole = (root / "whole.parquet").read_bytes()
    real, done = embedding.embed_part, []

    def stops_after_two(part):
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(real(part))

    monkeypatch.setattr(embedding, "embed_part", stops_after_two)
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        run("pictures", "--model", "appearance", "--to", "again.parquet")
    assert not (root / "again.parquet").exists()
    monkeypatch.setattr(embedding, "embed_part", real)
    output = run("pictures", "--model", "appearance", "--to", "again.parquet")
    assert output == "embed: 2 vectors, 2 without one, 2 parts from an interrupted run: again.parquet\n"
    assert (root / "again.parquet").read_bytes() == whole
    assert not [path for path in root.iterdir() if path.name.endswith(".parts")]


def test_a_picture_that_changed_since_is_embedded_again(root, pictures, make_face, as_jpeg, monkeypatch):
    """The part of an interrupted run is not taken for another state of its files."""
    monkeypatch.setattr(embedding, "_join", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        run("pictures", "--model", "appearance")
    monkeypatch.undo()
    monkeypatch.chdir(root)
    before = (pictures / "a.jpg").stat()
    (pictures / "a.jpg").write_bytes(as_jpeg(make_face(seed=7)))
    os.utime(pictures / "a.jpg", ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert "interrupted" not in run("pictures", "--model", "appearance")


def test_the_faces_of_a_stage_have_the_vectors_that_screen_computes(
    root, workspace, params, crawled, make_face, as_jpeg
):
    crawled({"ann": [as_jpeg(make_face(seed=1))], "bob": [as_jpeg(make_face(seed=2))]})
    crop.run(workspace, params)
    screen.run(workspace, params)
    assert run("crop", "--model", "appearance").startswith("embed: 2 vectors, 0 without one: ")
    table = pl.read_parquet(root / "build" / "embed" / "crop-appearance.parquet")
    assert table["identity"].to_list() == ["ann", "bob"]
    assert table["weights_sha256"].to_list() == [None, None]
    from mtf.core import shards

    stored = np.frombuffer(shards.rows_of(workspace.shard("screen", "ann"))["embedding"][0], np.float16)
    np.testing.assert_allclose(table["vector"][0].to_numpy(), stored, atol=1e-3)


def test_a_trained_network_gives_the_features_before_its_last_layer(root, pictures):
    network = registry.build("small_cnn", 3, seed=5)
    card = checkpoint.CheckpointInfo(
        model="small_cnn", task="race", labels=["a", "b", "c"], input_px=64, normalise="imagenet", recipe="r", seed=1,
        epochs=1, best_epoch=1, best_val_loss=1.0, training_images=1,
    )  # fmt: skip
    path = root / "build" / "models" / "small_cnn" / "race" / "model.pt"
    checkpoint.save(path, network, card)
    run("pictures", "--model", "build/models/small_cnn/race/model.pt")
    written = root / "build" / "embed" / "pictures-small_cnn-race-model.parquet"
    table = pl.read_parquet(written).drop_nulls("vector")
    assert {len(vector) for vector in table["vector"]} == {64 * 9}
    assert set(table["weights_sha256"]) == {hashlib.sha256(path.read_bytes()).hexdigest()}


def test_a_network_for_several_tasks_gives_its_shared_features(root, pictures):
    network = multitask.build("small_cnn", {"race": 4, "gender": 2}, seed=5)
    card = {"backbone": "small_cnn", "labels": {"race": [*"abcd"], "gender": [*"mf"]}, "input_px": 64}
    checkpoint.write(
        root / "model.pt", network, card | {"normalise": "none", "weighting": "equal", "recipe": "small", "seed": 5}
    )
    run("pictures", "--model", "model.pt", "--to", "own.parquet")
    table = pl.read_parquet(root / "own.parquet").drop_nulls("vector")
    assert [len(vector) for vector in table["vector"]] == [network.width] * 2


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["nowhere"], r"^SOURCE: 'nowhere' is not permitted; permitted: crop, curate, split, or a folder of pictures"),
        (["pictures", "--model", "arcface"], r"^--model: 'arcface' is not permitted; permitted: appearance, dlib, "),
        (
            ["pictures", "--to", "pictures"],
            r"^--to: pictures is a folder; name a file, such as pictures/embeddings\.par",
        ),
        (["pictures", "--model", "bad.pt"], r"bad\.pt: not a network of this version: [^\n]+$"),
        (["pictures", "--model", "facenet", "--weights", "bad.pt"], r"bad\.pt: not weights of FaceNet: [^\n]+$"),
        (
            ["pictures", "--model", "sface"],
            r"needs face_recognition_sface_2021dec\.onnx; `mtf models fetch sface` puts",
        ),
    ],
)
def test_a_wrong_source_or_model_is_one_line(root, pictures, arguments, reason):
    (root / "bad.pt").write_bytes(b"\x80\x04cos\nsystem\n")
    with pytest.raises(BadInput, match=reason):
        run(*arguments)
    assert not (root / "build" / "embed").exists()
