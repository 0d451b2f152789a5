"""A person is erased from a real DVC repository with three versions and two remotes, one of them over SSH."""

from __future__ import annotations

import getpass
import hashlib
import json
import re
import shutil
from pathlib import Path

import pytest

from mtf.core.errors import GateFailed
from mtf.core.project_paths import ProjectPaths
from mtf.forget.object_store import TOMBSTONE, ObjectStore
from mtf.schemas import takedown_file
from mtf.takedown.execution import erase, plan
from projects import ROOT, run_in

PIPELINE = """
stages:
  crawl:
    cmd: python make.py
    deps: [make.py, people.json, data/takedowns.csv]
    outs:
      - build/crawl
      - build/crop
      - build/split
      - build/models
      - build/release
"""
# Each picture is a run of bytes of its own; the stages' files have the names and members that the real ones have.
MAKE = """
import csv, hashlib, json
from pathlib import Path
import polars as pl
from mtf.core import shards

people = json.loads(Path("people.json").read_text())
gone = {row["value"] for row in csv.DictReader(open("data/takedowns.csv"))}
images, faces, splits = [], [], []
for name, pictures in people.items():
    if name in gone:
        continue
    kept = [p for p in pictures if hashlib.sha256(p.encode() * 999).hexdigest() not in gone]
    for stage, rows in (("crawl", images), ("crop", faces)):
        mine = []
        with shards.writing(Path(f"build/{stage}/shards/{name}.tar"), "d") as shard:
            for p in kept:
                image_id = hashlib.sha256(p.encode() * 999).hexdigest()
                face_id = image_id[:32]
                row = {"identity": name, "image_id": image_id, "url": f"https://x.example/{p}", "page_url": None}
                if stage == "crawl":
                    shard.add(f"{image_id}.jpg", p.encode() * 999)
                else:
                    row["face_id"] = face_id
                    shard.add(f"{face_id}.jpg", f"crop of {p}".encode() * 99)
                    out = Path(f"build/release/Train/{name}/{face_id}.jpg")
                    out.parent.mkdir(parents=True, exist_ok=True)
                    out.write_bytes(f"published {p}".encode() * 99)
                    splits.append({"identity": name, "face_id": face_id, "split": "train"})
                mine.append(row)
            shard.finish(pl.DataFrame(mine))
        rows += mine
pl.DataFrame(images).write_parquet("build/crawl/images.parquet")
pl.DataFrame(faces).write_parquet("build/crop/faces.parquet")
Path("build/split").mkdir(); pl.DataFrame(splits).write_parquet("build/split/splits.parquet")
Path("build/models/cnn/race").mkdir(parents=True)
Path("build/models/cnn/race/model.pt").write_bytes(json.dumps(splits).encode())
"""
PICTURES = {
    "ann": ["ann-0", "ann-1", "ann-2"],
    "bob": ["bob-0", "bob-1"],
    "cleo": ["cleo-0", "cleo-1"],
}


def picture(name: str) -> bytes:
    return name.encode() * 999


def image_id(name: str) -> str:
    return hashlib.sha256(picture(name)).hexdigest()


def version(
    project: Path, people: dict[str, list[str]], message: str, remotes: tuple[str, ...] = ("near", "far")
) -> None:
    (project / "people.json").write_text(json.dumps(people))
    run_in(project, "dvc", "repro", "-q")
    run_in(project, "git", "add", "-A")
    run_in(project, "git", "commit", "-q", "-m", message)
    run_in(project, "git", "tag", message)
    for remote in remotes:
        run_in(project, "dvc", "push", "-q", "--run-cache", "-r", remote)


@pytest.fixture(scope="module")
def two_versions(tmp_path_factory: pytest.TempPathFactory, dvc: str) -> Path:
    """A folder with the project and what its two remotes hold: two versions with everybody, pushed to both."""
    base = tmp_path_factory.mktemp("two-versions")
    folder = base / "project"
    (folder / "data" / "review").mkdir(parents=True)
    shutil.copy(ROOT / "params.yaml", folder)
    (folder / "dvc.yaml").write_text(PIPELINE)
    (folder / "make.py").write_text(MAKE)
    (folder / "data" / "takedowns.csv").write_text(",".join(takedown_file.COLUMNS) + "\n")
    (folder / "people.json").write_text(json.dumps(PICTURES))
    run_in(folder, "git", "init", "-q", "-b", "main")
    run_in(folder, "dvc", "init", "-q")
    run_in(folder, "dvc", "remote", "add", "-q", "near", str(base / "near"))
    run_in(folder, "dvc", "remote", "add", "-q", "far", "ssh://127.0.0.1:9/nowhere")
    # What the SSH server will serve is filled as a folder: DVC lays it out in the same way.
    run_in(folder, "dvc", "remote", "add", "-q", "--local", "folder", str(base / "far"))
    version(folder, {**PICTURES, "ann": PICTURES["ann"][:2]}, "v1", ("near", "folder"))
    version(folder, PICTURES, "v2", ("near", "folder"))
    return base


@pytest.fixture
def project(two_versions: Path, tmp_path: Path, ssh_server: tuple[int, Path]) -> Path:
    """A copy of it in which the far remote is behind an SSH server."""
    shutil.copytree(two_versions, tmp_path / "all", symlinks=True)
    folder = tmp_path / "all" / "project"
    port, key = ssh_server
    far = f"ssh://{getpass.getuser()}@127.0.0.1:{port}{tmp_path}/all/far"
    (folder / ".dvc" / "config").write_text(
        f"[core]\n    remote = near\n['remote \"near\"']\n    url = {tmp_path}/all/near\n"
        f"['remote \"far\"']\n    url = {far}\n"
    )
    (folder / ".dvc" / "config.local").write_text(f"['remote \"far\"']\n    keyfile = {key}\n    allow_agent = false\n")
    return folder


def take_down(project: Path, kind: str, value: str) -> None:
    with (project / "data" / "takedowns.csv").open("a") as file:
        file.write(f"2026-01-02,{kind},{value},asked,the person,mail 7\n")


def holding(folder: Path, needle: bytes) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and needle in path.read_bytes()]


def stores_of(project: Path) -> list[Path]:
    return [project, project.parent / "near", project.parent / "far"]


def runs_of(store: Path) -> list[Path]:
    return [path for path in (store / "runs").rglob("*") if path.is_file()]


def test_one_picture_is_gone_from_every_version_and_place_and_all_else_stays(project: Path, tmp_path: Path) -> None:
    take_down(project, "image_id", image_id("ann-1"))
    version(project, PICTURES, "v3")
    for needle in (b"ann-1" * 3, b"crop of ann-1", b"published ann-1"):
        assert all(holding(store, needle) for store in stores_of(project)), needle

    (receipt,) = erase(ProjectPaths(project), signed_by="The officer")

    for needle in (b"ann-1" * 3, b"crop of ann-1", b"published ann-1"):
        assert [found for store in stores_of(project) for found in holding(store, needle)] == []
    assert receipt["finished_at"]
    assert {name: (p["after"], p["owed"]) for name, p in receipt["places"].items()} == {
        name: (0, []) for name in ("cache", "remote near", "remote far")
    }
    assert all(p["before"] == len({h["oid"] for h in receipt["objects"]}) for p in receipt["places"].values())
    shards = [each for each in receipt["objects"] if each["path"] == "build/crawl/shards/ann.tar"]
    assert sorted((each["others"], len(each["revisions"])) for each in shards) == [(1, 1), (2, 1)]
    assert [model["path"] for model in receipt["models"]] == ["build/models/cnn/race/model.pt"] * 2
    # The run that made each version, in the cache and in both remotes; that of the current one stays.
    assert receipt["run_cache"] == 2 * 3
    assert all(len(runs_of(store)) == 1 for store in (project / ".dvc" / "cache", *stores_of(project)[1:]))
    assert_the_rest_can_be_pulled(project, tmp_path)
    page = next((project / "data" / "receipts").glob("*.md")).read_text()
    assert "Signed off by The officer" in page and "still owed" in page and "mail 7" in page


def assert_the_rest_can_be_pulled(project: Path, tmp_path: Path) -> None:
    """A fresh clone pulls each version from either remote: others' pictures whole, the erased one a tombstone."""
    clone = tmp_path / "clone"
    for tag, remote in (("v1", "near"), ("v2", "far"), ("v3", "far")):
        run_in(tmp_path, "git", "clone", "-q", "--branch", tag, str(project), str(clone))
        for name in ("config", "config.local"):
            shutil.copy(project / ".dvc" / name, clone / ".dvc")
        run_in(clone, "dvc", "pull", "-q", "-r", remote)
        assert b"bob-1" * 3 in (clone / "build/crawl/shards/bob.tar").read_bytes()
        ann = (clone / "build/crawl/shards/ann.tar").read_bytes()
        assert (ann == TOMBSTONE) == (tag != "v3"), tag
        shutil.rmtree(clone)


def test_a_whole_identity_is_erased_with_all_its_shards(project: Path) -> None:
    take_down(project, "identity", "bob")
    version(project, PICTURES, "v3")
    (receipt,) = erase(ProjectPaths(project), signed_by="The officer")
    for name in PICTURES["bob"]:
        assert [found for store in stores_of(project) for found in holding(store, picture(name)[:50])] == []
    assert receipt["subjects"]["whole"] == ["bob"]
    assert holding(project / ".dvc" / "cache", picture("ann-0")[:50])


def test_the_current_version_must_be_free_of_it_first(project: Path) -> None:
    take_down(project, "image_id", image_id("ann-1"))
    with pytest.raises(GateFailed, match=r"the current version still holds .*ann\.tar.*dvc repro"):
        erase(ProjectPaths(project), signed_by="The officer")
    assert holding(project / ".dvc" / "cache", picture("ann-1")[:50])


def test_a_plan_changes_nothing(project: Path) -> None:
    take_down(project, "identity", "bob")
    version(project, PICTURES, "v3")
    planned = plan(ProjectPaths(project), signed_by="The officer").receipt
    assert planned["places"]["remote far"]["before"] > 0
    assert holding(project / ".dvc" / "cache", picture("bob-0")[:50])
    assert not (project / "data" / "receipts").exists()


def test_an_erasure_killed_half_way_goes_on_where_it_was(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    take_down(project, "identity", "bob")
    version(project, PICTURES, "v3")
    write_tombstone, buried = ObjectStore.write_tombstone, []

    def killed(store: ObjectStore, oid: str) -> None:
        if store.name == "remote near" and len(buried) > 4:
            raise KeyboardInterrupt
        buried.append(oid)
        write_tombstone(store, oid)

    monkeypatch.setattr(ObjectStore, "write_tombstone", killed)
    with pytest.raises(KeyboardInterrupt):
        erase(ProjectPaths(project), signed_by="The officer")
    monkeypatch.undo()
    saved = json.loads(next((project / "data" / "receipts").glob("*.json")).read_text())
    assert saved["finished_at"] is None and saved["places"]["remote far"]["owed"]

    receipts = erase(ProjectPaths(project), signed_by="The officer")
    assert all(receipt["finished_at"] for receipt in receipts)
    assert [found for store in stores_of(project) for found in holding(store, picture("bob-0")[:50])] == []


def test_an_unreachable_remote_is_owed_until_it_answers(project: Path, tmp_path: Path) -> None:
    take_down(project, "identity", "bob")
    version(project, PICTURES, "v3")
    settings = project / ".dvc" / "config"
    true = settings.read_text()
    settings.write_text(re.sub(r"url = ssh://.*", "url = ssh://127.0.0.1:9/nowhere", true))
    (receipt,) = erase(ProjectPaths(project), signed_by="The officer")
    far = receipt["places"]["remote far"]
    assert receipt["finished_at"] is None
    assert far["owed"] and "could not be reached" in far["error"]
    assert holding(project.parent / "far", picture("bob-0")[:50])

    settings.write_text(true)
    (finished,) = erase(ProjectPaths(project), signed_by="The officer")
    assert finished["finished_at"]
    assert holding(project.parent / "far", picture("bob-0")[:50]) == []
