"""`dvc-forget` on an S3 server and an SSH server, each real and on loopback."""

from __future__ import annotations

import getpass
import json
import shutil
from collections.abc import Generator
from pathlib import Path

import boto3
import pytest
from dvc.repo import Repo
from moto.server import ThreadedMotoServer
from station import SECRET, Station, md5

from mtf.forget import forgetting
from mtf.forget.command import main
from mtf.forget.object_store import TOMBSTONE
from projects import dvc_in_this_process, run_in


def add_remote(station: Station, **settings: str) -> None:
    lines = [f"    {name} = {value}" for name, value in settings.items()]
    with (station.root / ".dvc/config").open("a") as file:
        file.write("['remote \"other\"']\n" + "\n".join(lines) + "\n")


def erased(station: Station, *, before: int = 1) -> dict:
    """Receipt of the erasure of a file whose version is in the remote `other`."""
    station.write("notes.txt", SECRET)
    station.write("kept.txt", b"kept " * 9)
    station.commit("v1", "notes.txt", "kept.txt")
    with Repo(str(station.root)) as repo:
        repo.push(remote="other")
    assert main(["notes.txt", "--apply"]) == 0
    (path,) = (station.root / forgetting.FOLDER).glob("*.json")
    receipt = json.loads(path.read_text())
    assert receipt["places"]["remote other"]["before"] == before and receipt["places"]["remote other"]["after"] == 0
    return receipt


class Bucket:
    """Bucket `weather` that keeps versions, on an S3 server of the test's own."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.client = boto3.client("s3", endpoint_url=endpoint)
        self.client.create_bucket(Bucket="weather")
        self.client.put_bucket_versioning(Bucket="weather", VersioningConfiguration={"Status": "Enabled"})

    def versions(self, prefix: str = "") -> list[tuple[str, bytes]]:
        """Key and content of every version of every object."""
        listed = self.client.list_object_versions(Bucket="weather", Prefix=prefix)
        return [(each["Key"], self._content(each)) for each in listed.get("Versions", ())]

    def _content(self, version: dict) -> bytes:
        named = {"Key": version["Key"], "VersionId": version["VersionId"]}
        return self.client.get_object(Bucket="weather", **named)["Body"].read()

    def markers(self, prefix: str) -> list[str]:
        listed = self.client.list_object_versions(Bucket="weather", Prefix=prefix)
        return [each["Key"] for each in listed.get("DeleteMarkers", ())]


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Generator[Bucket]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield Bucket(f"http://{host}:{port}")
    server.stop()


def test_a_bucket_loses_every_older_version_and_delete_marker_of_what_is_forgotten(
    station: Station, bucket: Bucket
) -> None:
    add_remote(station, url="s3://weather/store", endpointurl=bucket.endpoint)
    deleted = SECRET + b"deleted from the bucket"
    station.write("notes.txt", deleted)
    station.commit("v0", "notes.txt")
    with Repo(str(station.root)) as repo:
        repo.push(remote="other")
    key = f"store/files/md5/{md5(deleted)[:2]}/{md5(deleted)[2:]}"
    bucket.client.delete_object(Bucket="weather", Key=key)
    kept = f"store/files/md5/{md5(b'kept ' * 9)[:2]}/"
    receipt = erased(station, before=2)
    assert len(bucket.markers("")) == 0
    assert sorted(content for _, content in bucket.versions()) == sorted([TOMBSTONE, TOMBSTONE, b"kept " * 9])
    assert [content for _, content in bucket.versions(kept)] == [b"kept " * 9]
    assert not any("remote other" in line for line in receipt["out_of_reach"])
    assert main(["notes.txt", "--apply"]) == 0


def test_an_older_version_that_a_killed_run_left_is_owed_still(station: Station, bucket: Bucket) -> None:
    """It had written the tombstone, and not yet deleted what lies under it."""
    add_remote(station, url="s3://weather/store", endpointurl=bucket.endpoint)
    station.write("notes.txt", SECRET)
    station.commit("v1", "notes.txt")
    with Repo(str(station.root)) as repo:
        repo.push(remote="other")
    key = f"store/files/md5/{md5(SECRET)[:2]}/{md5(SECRET)[2:]}"
    bucket.client.put_object(Bucket="weather", Key=key, Body=TOMBSTONE)
    assert len(bucket.versions(key)) == 2
    assert main(["notes.txt", "--apply"]) == 0
    assert bucket.versions(key) == [(key, TOMBSTONE)]


def test_a_version_aware_remote_loses_the_versions_with_the_content_and_all_else_is_still_pulled(
    station: Station, bucket: Bucket, tmp_path: Path
) -> None:
    add_remote(station, url="s3://weather/named", endpointurl=bucket.endpoint, version_aware="true")
    revisions = {}
    for number, note in enumerate((SECRET + b"first", b"harmless note", SECRET + b"third")):
        station.write("readings/garden.txt", note)
        station.write("readings/kept.txt", b"kept " * (number + 9))
        station.write("alone.txt", SECRET + b"alone" if number == 0 else b"nothing")
        with Repo(str(station.root)) as repo:
            repo.add([str(station.root / name) for name in ("readings", "alone.txt")])
            repo.push(remote="other")
        run_in(station.root, "git", "add", "-A")
        run_in(station.root, "git", "commit", "-q", "-m", f"v{number}")
        revisions[run_in(station.root, "git", "rev-parse", "HEAD").strip()] = b"kept " * (number + 9)
    assert sum(SECRET in content for _, content in bucket.versions()) == 3
    # Contents that no version of the repository names are known by their bytes.
    for content in (b"by hand", SECRET + b"third"):
        bucket.client.put_object(Bucket="weather", Key="named/readings/garden.txt", Body=content)
    digests = [md5(SECRET + each) for each in (b"first", b"third", b"alone")]

    assert main([*(word for digest in digests for word in ("--digest", digest)), "--apply"]) == 0

    assert [content for _, content in bucket.versions() if SECRET in content] == []
    assert station.holding(SECRET) == []
    left = [content for _, content in bucket.versions("named/readings/")]
    assert sorted(left) == sorted([b"harmless note", b"by hand", *revisions.values()])
    for revision, kept in revisions.items():
        to = tmp_path / "clone"
        shutil.rmtree(to, ignore_errors=True)
        run_in(station.root, "git", "clone", "-q", str(station.root), str(to))
        run_in(to, "git", "checkout", "-q", revision)
        shutil.copy(station.root / ".dvc/config", to / ".dvc/config")
        dvc_in_this_process("pull", "-q", "-r", "other", root=to)
        run_in(to, "dvc", "pull", "-q", "-r", "other", "readings/kept.txt")
        assert (to / "readings/kept.txt").read_bytes() == kept


def test_an_ssh_server_is_emptied(station: Station, tmp_path: Path, ssh_server: tuple[int, Path]) -> None:
    port, key = ssh_server
    storage = tmp_path / "ssh-storage"
    url = f"ssh://{getpass.getuser()}@127.0.0.1:{port}{storage}"
    add_remote(station, url=url, keyfile=str(key), allow_agent="false")
    erased(station)
    contents = [path.read_bytes() for path in storage.rglob("*") if path.is_file()]
    assert sorted(contents) == sorted([TOMBSTONE, b"kept " * 9])
