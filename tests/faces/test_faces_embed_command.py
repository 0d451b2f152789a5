"""`mtf embed`: a vector for each face of a folder or a stage, one bad picture a row, and runs that go on."""

from __future__ import annotations

import hashlib
import json
import os

import numpy as np
import polars as pl
import pytest
import torch
import yaml
from typer.testing import CliRunner

from mtf.cli import app
from mtf.core.errors import BadInput
from mtf.faces.embeddings import dlib_resnet
from mtf.faces.networks.inception_resnet import InceptionResnetV1
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
    return invoke("embed", *arguments)


def invoke(*arguments: str) -> str:
    result = CliRunner().invoke(app, [*arguments])
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


NETWORK = "build/models/small_cnn/race/model.pt"


def write_network(root, *, seed):
    """A network for one task, with random weights."""
    card = checkpoint.CheckpointInfo(
        model="small_cnn", task="race", labels=["a", "b", "c"], input_px=64, normalise="imagenet", recipe="r", seed=1,
        epochs=1, best_epoch=1, best_val_loss=1.0, training_images=1,
    )  # fmt: skip
    checkpoint.save(root / NETWORK, registry.build("small_cnn", 3, seed=seed), card)
    return hashlib.sha256((root / NETWORK).read_bytes()).hexdigest()


def test_a_trained_network_gives_the_features_before_its_last_layer(root, pictures):
    digest = write_network(root, seed=5)
    run("pictures", "--model", NETWORK)
    written = root / "build" / "embed" / "pictures-small_cnn-race-model.parquet"
    table = pl.read_parquet(written).drop_nulls("vector")
    assert {len(vector) for vector in table["vector"]} == {64 * 9}
    assert set(table["weights_sha256"]) == {digest}


def test_a_verification_takes_a_table_of_the_same_weights_alone(root, workspace, params, crawled, make_face, as_jpeg):
    names = [f"person-{number:02}" for number in range(14)]
    crawled({name: [as_jpeg(make_face(seed=3 * n + k)) for k in range(2)] for n, name in enumerate(names)})
    crop.run(workspace, params)
    table = root / "build" / "embed" / "crop-small_cnn-race-model.parquet"
    verified = ("verify", "crop", "--model", NETWORK, "--fmr", "0.9")

    def is_made_again() -> bool:
        """True if the command says that the table is made again; it then is one of today's weights."""
        before = table.stat().st_ino if table.is_file() else None
        result = CliRunner().invoke(app, [*verified, "--json"], catch_exceptions=False)
        assert json.loads(result.stdout)["weights_sha256"] == digest
        assert set(pl.read_parquet(table)["weights_sha256"]) == {digest}
        said = "verify: build/embed/crop-small_cnn-race-model.parquet is of other weights, and is made again\n"
        assert (said in result.stderr) == (before is not None and table.stat().st_ino != before)
        return said in result.stderr

    digest = write_network(root, seed=5)
    assert [is_made_again(), is_made_again()] == [False, False]
    first = pl.read_parquet(table)["vector"]
    digest = write_network(root, seed=6)
    assert [is_made_again(), is_made_again()] == [True, False]
    assert not pl.read_parquet(table)["vector"].equals(first)
    with pytest.raises(BadInput, match=r"^--weights: own\.pt \(SHA-256 \w+\) did not make build/embed/crop-small_cnn"):
        torch.save(InceptionResnetV1(128).state_dict(), root / "own.pt")
        invoke("verify", str(table.relative_to(root)), "--model", "facenet", "--weights", "own.pt")


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


@pytest.mark.parametrize(
    ("model", "weights", "says"),
    [
        ("facenet", "no.pt", "--weights: no file 'no.pt'; no --weights takes the public weights"),
        ("dlib", "bad.pt", "--weights: 'bad.pt' is not permitted; permitted: no --weights, since dlib reads none"),
        ("sface", "no.onnx", "--weights: no file 'no.onnx'; `mtf models fetch sface` puts "),
        ("sface", None, "--model: 'sface': needs face_recognition_sface_2021dec.onnx; "),
    ],
)
@pytest.mark.parametrize("command", ["embed", "verify"])
def test_bad_weights_are_named_by_their_option(root, command, model, weights, says):
    (root / "bad.pt").write_bytes(b"")
    arguments = [command, "crop", "--model", model, *(["--weights", weights] if weights else [])]
    with pytest.raises(BadInput) as raised:
        invoke(*arguments)
    assert str(raised.value).startswith(says)
    assert "screen." not in str(raised.value)
    assert "null" not in str(raised.value)


def test_bad_weights_of_the_parameters_are_named_by_their_key(root):
    raw = yaml.safe_load((root / "params.yaml").read_text())
    raw["screen"] |= {"embedding": "facenet", "embedding_weights": "no.pt"}
    (root / "params.yaml").write_text(yaml.safe_dump(raw))
    with pytest.raises(BadInput, match=r"^params\.yaml: screen\.embedding_weights: no file 'no\.pt'; null takes "):
        run("crop", "--model", "facenet")
