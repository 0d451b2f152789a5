"""Stores that this machine cannot use, or that keep more than DVC's objects."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import numpy as np
import pytest
from dvc.repo import Repo
from small_project import Small, holding, picture, tar_of

from mtf.forget.object_store import TOMBSTONE, ObjectStore
from mtf.forget.stores import all_stores
from mtf.takedown import manual_followups
from mtf.takedown.execution import erase
from projects import environment, run_in

MIB = 2**20
PEOPLE = {"ann": ["ann-0"], "bob": ["bob-0"]}


def add_remote(project: Small, name: str, url: str, **options: str) -> None:
    lines = [f"url = {url}", *(f"{option} = {value}" for option, value in options.items())]
    with (project.root / ".dvc" / "config").open("a") as file:
        file.write(f"['remote \"{name}\"']\n" + "".join(f"    {line}\n" for line in lines))


def two_versions(project: Small) -> None:
    project.run(PEOPLE)
    project.commit("v1")
    project.take_down("identity", "ann")
    project.run({"bob": ["bob-0"]})
    project.commit("v2")


def test_what_a_push_left_in_a_remote_that_was_full_is_erased_as_well(project: Small) -> None:
    """`ulimit -f` in place of a full disk. DVC leaves the part that fitted, under a name of its own."""
    project.contents["ann-0"] = np.random.default_rng(0).bytes(3 * MIB)
    project.run(PEOPLE)
    project.commit("v1", push=False)
    limited = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({2 * MIB},) * 2); from dvc.cli import main"
    push = (sys.executable, "-c", f"{limited}; raise SystemExit(main(['push']))")
    full = subprocess.run(push, cwd=project.root, env=environment(), capture_output=True, text=True, check=False)
    assert (full.returncode, full.stderr.count("File too large"), "Traceback" in full.stderr) == (1, 1, False), full
    beginning = project.contents["ann-0"][:MIB]
    (left,) = holding(project.remote, beginning)
    assert left.suffix == ".tmp"
    run_in(project.root, "dvc", "push", "-q")
    assert len(holding(project.remote, beginning)) == 2
    project.take_down("identity", "ann")
    project.run({"bob": ["bob-0"]})
    project.commit("v2")

    (receipt,) = erase(project.workspace, signed_by="The officer")

    assert not left.exists() and project.holding(beginning) == []
    assert receipt["finished_at"], receipt


def test_a_remote_whose_plugin_is_missing_is_owed_and_the_others_are_emptied(project: Small) -> None:
    two_versions(project)
    add_remote(project, "far", "gs://faces/store")
    (receipt,) = erase(project.workspace, signed_by="The officer")
    assert project.holding(picture("ann-0")[:40]) == []
    far = receipt["places"]["remote far"]
    assert "dvc-gs" in far["error"] and far["owed"] and far["address"] == "gs://faces/store"
    assert receipt["finished_at"] is None


def test_what_a_bucket_and_a_version_aware_remote_keep_is_left_to_people(project: Small) -> None:
    """An S3 bucket loses its older versions; the tests of `dvc-forget` have one."""
    add_remote(project, "named", "s3://faces/named", version_aware="true")
    add_remote(project, "plain", "s3://faces/plain")
    add_remote(project, "elsewhere", "gs://faces/store")
    with Repo(str(project.root)) as repo:
        messages = [*manual_followups.about_clone_and_storage(project.workspace, [*all_stores(repo)], [])]
    assert [line.partition(" keeps files")[0] for line in messages if "version_aware" in line] == ["remote named"]
    assert [line.partition(":")[0] for line in messages if "noncurrent" in line] == ["remote elsewhere"]


def test_a_remote_that_was_removed_ends_the_receipt_as_a_debt_of_people(project: Small) -> None:
    two_versions(project)
    settings = project.root / ".dvc" / "config"
    before = settings.read_text()
    add_remote(project, "far", "gs://faces/store")
    (unfinished,) = erase(project.workspace, signed_by="The officer")
    assert unfinished["finished_at"] is None
    settings.write_text(before)

    (finished,) = erase(project.workspace, signed_by="The officer")

    assert finished["finished_at"] and finished["started_at"] == unfinished["started_at"]
    (debt,) = [line for line in finished["by_hand"] if line.startswith("remote far (gs://faces/store) is no longer")]
    assert f"{len(unfinished['places']['remote far']['owed'])} objects may still be there" in debt
    project.take_down("identity", "bob")
    project.run({"cleo": ["cleo-0"]})
    project.commit("v3")
    (other,) = erase(project.workspace, signed_by="The officer")
    assert other["started_at"] != finished["started_at"] and "remote far" not in other["places"]


def test_what_is_pushed_while_a_place_is_emptied_keeps_the_receipt_open(
    project: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another clone with a version of its own, under a content that nothing here knows."""
    two_versions(project)
    late = tar_of({"hers.jpg": picture("ann-0"), "note": b"from another clone"})
    oid = hashlib.md5(late, usedforsecurity=False).hexdigest()
    path = project.remote / "files/md5" / oid[:2] / oid[2:]
    write_tombstone = ObjectStore.write_tombstone

    def pushed_meanwhile(store: ObjectStore, oid_erased: str) -> None:
        write_tombstone(store, oid_erased)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(late)

    monkeypatch.setattr(ObjectStore, "write_tombstone", pushed_meanwhile)
    (receipt,) = erase(project.workspace, signed_by="The officer")
    monkeypatch.undo()
    assert receipt["finished_at"] is None
    assert receipt["places"]["remote near"]["error"].startswith("1 objects came in while this was erasing")

    (receipt,) = erase(project.workspace, signed_by="The officer")
    assert receipt["finished_at"] and project.holding(picture("ann-0")[:40]) == []


def test_what_is_pushed_back_over_a_tombstone_keeps_the_receipt_open(
    project: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The remote owed nothing of this object when the run began, for an earlier run had written a tombstone."""
    two_versions(project)
    shard = next(path for path in holding(project.remote, picture("ann-0")[:40]))
    original = shard.read_bytes()
    shard.chmod(0o644)
    shard.write_bytes(TOMBSTONE)
    write_tombstone = ObjectStore.write_tombstone

    def pushed_back(store: ObjectStore, oid_erased: str) -> None:
        write_tombstone(store, oid_erased)
        shard.write_bytes(original)

    monkeypatch.setattr(ObjectStore, "write_tombstone", pushed_back)
    (receipt,) = erase(project.workspace, signed_by="The officer")
    assert receipt["finished_at"] is None and len(receipt["places"]["remote near"]["owed"]) == 1
