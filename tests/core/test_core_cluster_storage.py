"""Copies of a project's files in a folder that all machines of a cluster see."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from mtf.config import Compute
from mtf.core import cluster_storage, shards
from mtf.core.cluster_storage import ClusterStorage
from mtf.core.errors import MtfError


@pytest.fixture
def shard(tmp_path: Path) -> Path:
    path = tmp_path / "project" / "build" / "crop" / "shards" / "ada.tar"
    with shards.writing(path, "first") as writer:
        writer.finish(pl.DataFrame({"identity": ["ada"]}))
    return path


@pytest.fixture
def storage(tmp_path: Path) -> ClusterStorage:
    return ClusterStorage(str(tmp_path / "storage"))


NAME = "build/crop/shards/ada.tar"


def test_a_copy_comes_back_with_its_bytes_and_is_found_by_its_digest(
    storage: ClusterStorage, shard: Path, tmp_path: Path
) -> None:
    sha256 = storage.put(shard, NAME)
    assert storage.put(shard, NAME) == sha256 and storage.versions(NAME) == [sha256]
    storage.get(NAME, sha256, tmp_path / "back.tar")
    assert (tmp_path / "back.tar").read_bytes() == shard.read_bytes()
    assert storage.shard_with(NAME, "first") == sha256
    assert storage.shard_with(NAME, "second") is None
    assert storage.shard_with("build/crop/shards/ben.tar", "first") is None


def test_a_damaged_copy_is_refused_and_leaves_no_file(storage: ClusterStorage, shard: Path, tmp_path: Path) -> None:
    sha256 = storage.put(shard, NAME)
    copy = tmp_path / "storage" / NAME / sha256
    copy.write_bytes(copy.read_bytes()[:-1] + b"!")
    with pytest.raises(MtfError, match=rf"the copy of {NAME} is damaged"):
        storage.get(NAME, sha256, tmp_path / "back.tar")
    assert not list(tmp_path.glob("*back*"))


def test_an_erasure_leaves_nothing(storage: ClusterStorage, shard: Path, tmp_path: Path) -> None:
    storage.put(shard, NAME)
    storage.put(shard, "data/web/host.tar")
    storage.empty()
    assert [path for path in (tmp_path / "storage").rglob("*") if path.is_file()] == []


def test_the_copies_of_others_stay_if_one_identity_leaves(storage: ClusterStorage, shard: Path) -> None:
    for name in ("ada", "ben"):
        storage.put(shard, f"build/crop/shards/{name}.tar")
    compute = Compute(engine="ray", storage=storage.address)
    cluster_storage.remove_except(compute, shard.parent, {"ben"})
    assert list(storage.paths("build/crop/shards")) == ["build/crop/shards/ben.tar"]


def test_a_place_that_cannot_be_used_is_named() -> None:
    with pytest.raises(MtfError, match=r"compute.storage: nowhere://bucket"):
        ClusterStorage("nowhere://bucket").versions(NAME)
