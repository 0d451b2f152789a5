"""Copies of a project's files in a folder or an S3 server that all machines of a cluster see."""

from __future__ import annotations

from collections.abc import Callable, Generator
from pathlib import Path

import boto3
import fsspec
import polars as pl
import pytest
from moto.server import ThreadedMotoServer

from mtf.config import Compute
from mtf.core import cluster_storage, shards
from mtf.core.cluster_storage import ClusterStorage, DamagedCopy
from mtf.core.errors import MtfError
from ray_cluster import s3_environment


@pytest.fixture
def shard(tmp_path: Path) -> Path:
    path = tmp_path / "project" / "build" / "crop" / "shards" / "ada.tar"
    with shards.writing(path, "first") as writer:
        writer.finish(pl.DataFrame({"identity": ["ada"]}))
    return path


@pytest.fixture(scope="module")
def s3_endpoint() -> Generator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


@pytest.fixture(params=["folder", "s3"])
def storage(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ClusterStorage:
    if request.param == "folder":
        return ClusterStorage(str(tmp_path / "storage"))
    endpoint = request.getfixturevalue("s3_endpoint")
    for name, value in s3_environment(endpoint).items():
        monkeypatch.setenv(name, value)
    boto3.client("s3").create_bucket(Bucket="storage")
    address = f"s3://storage/{tmp_path.name}"
    fsspec.core.url_to_fs(address)[0].clear_instance_cache()  # it keeps the address of another server
    return ClusterStorage(address)


def change(storage: ClusterStorage, key: str, new: Callable[[bytes], bytes]) -> None:
    """Change the bytes of a copy behind the storage's back."""
    files, base = fsspec.core.url_to_fs(storage.address, use_listings_cache=False)
    files.pipe_file(f"{base}/{key}", new(files.cat_file(f"{base}/{key}")))


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


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda data: data[: len(data) // 2],
    "emptied": lambda _: b"",
    "replaced by as many bytes": lambda data: data[:-1] + b"!",
    "replaced by another shard": lambda data: data * 2,
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_copy_is_refused_removed_and_put_again(
    storage: ClusterStorage, shard: Path, tmp_path: Path, damage: str
) -> None:
    sha256 = storage.put(shard, NAME)
    change(storage, f"{NAME}/{sha256}", DAMAGE[damage])
    storage.shard_with(NAME, "first")  # reads its head without an error
    with pytest.raises(DamagedCopy, match=rf"the copy of {NAME}, of [\d,]+ bytes, is damaged and is removed"):
        storage.get(NAME, sha256, tmp_path / "back.tar")
    assert not list(tmp_path.glob("*back*")) and storage.versions(NAME) == []
    with pytest.raises(DamagedCopy, match=rf"there is no copy of {NAME}"):
        storage.get(NAME, sha256, tmp_path / "back.tar")
    storage.put(shard, NAME)
    storage.get(NAME, sha256, tmp_path / "back.tar")
    assert (tmp_path / "back.tar").read_bytes() == shard.read_bytes()


def test_a_copy_that_was_cut_is_replaced_by_the_next_put(storage: ClusterStorage, shard: Path, tmp_path: Path) -> None:
    sha256 = storage.put(shard, NAME)
    change(storage, f"{NAME}/{sha256}", DAMAGE["cut"])
    storage.put(shard, NAME)
    storage.get(NAME, sha256, tmp_path / "back.tar")
    assert (tmp_path / "back.tar").read_bytes() == shard.read_bytes()


def test_an_erasure_leaves_nothing(storage: ClusterStorage, shard: Path) -> None:
    storage.put(shard, NAME)
    storage.put(shard, "data/web/host.tar")
    storage.empty()
    files, base = fsspec.core.url_to_fs(storage.address, use_listings_cache=False)
    assert files.find(base) == []


def test_the_copies_of_others_stay_if_one_identity_leaves(storage: ClusterStorage, shard: Path) -> None:
    for name in ("ada", "ben"):
        storage.put(shard, f"build/crop/shards/{name}.tar")
    compute = Compute(engine="ray", storage=storage.address)
    cluster_storage.remove_except(compute, shard.parent, {"ben"})
    assert list(storage.paths("build/crop/shards")) == ["build/crop/shards/ben.tar"]


def test_a_place_that_cannot_be_used_is_named() -> None:
    with pytest.raises(MtfError, match=r"compute.storage: nowhere://bucket"):
        ClusterStorage("nowhere://bucket").versions(NAME)
