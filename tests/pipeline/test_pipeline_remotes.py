"""`dvc push` and `dvc pull` against a folder, an SSH server and an S3 server, each real and on loopback."""

from __future__ import annotations

import getpass
import hashlib
import shutil
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from projects import run_in

PIPELINE = """
stages:
  crop:
    cmd: mkdir -p build/crop/shards && python make.py
    deps: [make.py]
    outs: [build/crop]
"""
MAKE = """
from pathlib import Path
for number in range(3):
    Path(f"build/crop/shards/person-{number}.tar").write_bytes(bytes([number]) * 200_000)
Path("build/crop/faces.parquet").write_bytes(b"faces")
"""


@pytest.fixture
def project(tmp_path: Path, dvc: str) -> Path:
    """A small project whose one stage makes shards as ours do."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "dvc.yaml").write_text(PIPELINE)
    (folder / "make.py").write_text(MAKE)
    run_in(folder, "git", "init", "-q")
    run_in(folder, "dvc", "init", "-q")
    run_in(folder, "dvc", "repro", "-q")
    return folder


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted((folder / "build" / "crop").rglob("*"))
        if path.is_file()
    }


def there_and_back(project: Path, url: str, **options: str) -> None:
    """Push to `url`, lose everything here, pull, and have the same bytes again."""
    before = digests(project)
    run_in(project, "dvc", "remote", "add", "-d", "storage", url)
    for name, value in options.items():
        run_in(project, "dvc", "remote", "modify", "--local", "storage", name, value)
    run_in(project, "dvc", "push")
    shutil.rmtree(project / "build" / "crop")
    shutil.rmtree(project / ".dvc" / "cache")
    run_in(project, "dvc", "pull")
    assert digests(project) == before
    assert len(before) == 4


def test_a_folder(project: Path, tmp_path: Path) -> None:
    there_and_back(project, str(tmp_path / "storage"))


def test_an_s3_server(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        endpoint = f"http://{host}:{port}"
        boto3.client("s3", endpoint_url=endpoint).create_bucket(Bucket="faces")
        there_and_back(project, "s3://faces/store", endpointurl=endpoint)
    finally:
        server.stop()


def test_an_ssh_server(project: Path, tmp_path: Path, ssh_server: tuple[int, Path]) -> None:
    port, key = ssh_server
    storage = tmp_path / "ssh-storage"
    url = f"ssh://{getpass.getuser()}@127.0.0.1:{port}{storage}"
    there_and_back(project, url, keyfile=str(key), allow_agent="false")
