"""The recorded run of the sample: what dvc.lock names lies in the repository's own remote."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from projects import ROOT

REMOTE = ROOT / "sample-remote" / "files" / "md5"
LOCK = ROOT / "dvc.lock"


def place(digest: str) -> Path:
    return REMOTE / digest[:2] / digest[2:]


def objects() -> Iterator[str]:
    """Digests of everything that a bare `dvc pull` fetches: outputs that DVC caches, and the files of folders."""
    data = yaml.safe_load((ROOT / "data.dvc").read_text())["outs"]
    stages = yaml.load(LOCK.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))["stages"]  # noqa: S506
    in_git = (ROOT / "metrics").name
    recorded = [out for stage in stages.values() for out in stage.get("outs", []) if not out["path"].startswith(in_git)]
    for out in (*data, *recorded):
        yield out["md5"]
        if out["md5"].endswith(".dir") and place(out["md5"]).is_file():
            yield from (each["md5"] for each in json.loads(place(out["md5"]).read_bytes()))


@pytest.mark.skipif(not LOCK.is_file(), reason="no run is recorded; `make record` records one")
def test_every_object_of_the_recorded_run_is_there_whole_and_no_other() -> None:
    wanted = set(objects())
    assert {digest for digest in wanted if not place(digest).is_file()} == set()
    stored = {path.parent.name + path.name for path in REMOTE.rglob("*") if path.is_file()}
    assert stored == wanted
    for digest in wanted:
        found = hashlib.md5(place(digest).read_bytes(), usedforsecurity=False).hexdigest()
        assert found == digest.removesuffix(".dir")
