"""`dvc-forget` on an S3 server and an SSH server, each real and on loopback."""

from __future__ import annotations

import getpass
import json
from pathlib import Path

import boto3
import pytest
from dvc.repo import Repo
from moto.server import ThreadedMotoServer
from station import SECRET, Station

from mtf.forget import forgetting
from mtf.forget.command import main
from mtf.forget.object_store import TOMBSTONE


def add_remote(station: Station, **settings: str) -> None:
    lines = [f"    {name} = {value}" for name, value in settings.items()]
    with (station.root / ".dvc/config").open("a") as file:
        file.write("['remote \"other\"']\n" + "\n".join(lines) + "\n")


def erased(station: Station) -> dict:
    """Receipt of the erasure of a file whose version is in the remote `other`."""
    station.write("notes.txt", SECRET)
    station.write("kept.txt", b"kept " * 9)
    station.commit("v1", "notes.txt", "kept.txt")
    with Repo(str(station.root)) as repo:
        repo.push(remote="other")
    assert main(["notes.txt", "--apply"]) == 0
    (path,) = (station.root / forgetting.FOLDER).glob("*.json")
    receipt = json.loads(path.read_text())
    assert receipt["places"]["remote other"]["before"] == 1 and receipt["places"]["remote other"]["after"] == 0
    return receipt


def test_a_bucket_is_emptied_and_its_older_versions_are_left_to_people(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        endpoint = f"http://{host}:{port}"
        client = boto3.client("s3", endpoint_url=endpoint)
        client.create_bucket(Bucket="weather")
        add_remote(station, url="s3://weather/store", endpointurl=endpoint)
        receipt = erased(station)
        names = [each["Key"] for each in client.list_objects_v2(Bucket="weather")["Contents"]]
        contents = [client.get_object(Bucket="weather", Key=name)["Body"].read() for name in names]
    finally:
        server.stop()
    assert sorted(contents) == sorted([TOMBSTONE, b"kept " * 9])
    assert any("remote other" in line and "noncurrent versions" in line for line in receipt["out_of_reach"])


def test_an_ssh_server_is_emptied(station: Station, tmp_path: Path, ssh_server: tuple[int, Path]) -> None:
    port, key = ssh_server
    storage = tmp_path / "ssh-storage"
    url = f"ssh://{getpass.getuser()}@127.0.0.1:{port}{storage}"
    add_remote(station, url=url, keyfile=str(key), allow_agent="false")
    erased(station)
    contents = [path.read_bytes() for path in storage.rglob("*") if path.is_file()]
    assert sorted(contents) == sorted([TOMBSTONE, b"kept " * 9])
