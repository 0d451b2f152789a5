"""An erasure that is killed at any write to the disk, and resumed, ends as one that nobody killed."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from small_project import Small, holding, picture, tar_of

from mtf.forget.object_store import TOMBSTONE
from projects import environment, run_in

PEOPLE = {"ann": ["ann-0", "ann-1"], "bob": ["bob-0"]}
NEEDLES = [f"{form} ann-{number} ".encode() for form in ("picture", "crop", "published") for number in range(2)]
POINTS = 20
pytestmark = pytest.mark.lengthy(25)
# Reads a copy's folder and a point per line; answers the number of writes, or that the erasure was killed before the
# write of that number. Each erasure is a fork of this process, which has loaded the libraries and started nothing.
ERASER = """
import os, signal, sys
from pathlib import Path
# Modules that an erasure loads only when it needs them.
import configobj, dulwich.worktree, dvc.cachemgr, dvc.data_cloud, dvc.dirs, dvc_render, flatten_dict, ruamel.yaml
from PIL import Image
from mtf.core.project_paths import ProjectPaths
from mtf.takedown.execution import erase

Image.init()
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
CHANGES = ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.chmod", "os.link", "os.symlink", "os.truncate")

def erase_in(base, point):
    writes = 0
    def count(event, arguments):
        nonlocal writes
        if event == "open":
            path, _, flags = arguments
            if not (isinstance(path, str) and path.startswith(base) and flags & WRITING):
                return
        elif event not in CHANGES or not (str(arguments[0]).startswith(base) or event in ("os.remove", "os.rmdir")):
            return
        if writes == point:
            os.kill(os.getpid(), signal.SIGKILL)
        writes += 1
    sys.addaudithook(count)
    erase(ProjectPaths(Path(base) / "project"), signed_by="The officer", report=lambda _: None)
    return writes

for line in sys.stdin:
    base, point = line.split()
    out, into = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(out)
        os.write(into, str(erase_in(base, int(point))).encode())
        os._exit(0)
    os.close(into)
    with os.fdopen(out) as pipe:
        writes = pipe.read()
    status = os.waitpid(child, 0)[1]
    killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    print("killed" if killed else writes or "failed", flush=True)
"""
NEVER = -1


def project_to_erase(base: Path) -> Path:
    """A project with a person to erase from a cache, a remote, a picture and a tar of people's own, and `build/`."""
    small = Small(base)
    config = small.root / ".dvc/config"
    config.write_text(config.read_text().replace(str(small.remote), "../../remote"))
    (small.workspace.data / "hers.jpg").write_bytes(picture("ann-0"))
    members = {"a/beach.jpg": picture("ann-1"), "a/hill.jpg": picture("bob-0")}
    (small.workspace.data / "album.tar").write_bytes(tar_of(members))
    small.run(PEOPLE)
    small.commit("v1")
    small.take_down("identity", "ann")
    small.run({"bob": ["bob-0"]})
    small.commit("v2")
    (small.root / "build/fiftyone").mkdir()
    (small.root / "build/fiftyone/media.jpg").write_bytes(picture("ann-1"))
    return base


def end_of(base: Path) -> dict[str, str]:
    """Each file of project and remote with its digest, except git's, DVC's own notes and the receipt's.

    DVC writes a tombstone beside its place first: a killed run leaves this file, with nothing of a picture in it.
    """
    skipped = ("project/.git/", "project/.dvc/tmp/", "project/data/receipts/")
    files = {str(path.relative_to(base)): path for path in base.rglob("*") if path.is_file()}
    return {
        name: hashlib.sha256(path.read_bytes()).hexdigest()
        for name, path in sorted(files.items())
        if not name.startswith(skipped) and not (path.suffix == ".tmp" and TOMBSTONE.startswith(path.read_bytes()))
    }


def receipt_of(base: Path) -> dict[str, Any]:
    """The one receipt of a copy, without the times that every run has of its own."""
    (path,) = (base / "project/data/receipts").glob("*.json")
    receipt = json.loads(path.read_text())
    assert receipt["finished_at"]
    receipt["workspace"] = sorted(receipt["workspace"])
    return {name: receipt[name] for name in ("requests", "subjects", "objects", "workspace", "originals", "models")}


def test_an_erasure_killed_at_twenty_random_points_ends_each_time_as_one_that_nobody_killed(
    tmp_path: Path, dvc: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment().items():
        if name.startswith(("GIT_", "DVC_")):
            monkeypatch.setenv(name, value)
    made = project_to_erase(tmp_path / "made")
    eraser = subprocess.Popen(
        (sys.executable, "-c", ERASER), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment()
    )
    assert eraser.stdin is not None and eraser.stdout is not None

    def erased(base: Path, point: int) -> str:
        print(base, point, file=eraser.stdin, flush=True)
        return eraser.stdout.readline().strip()

    def copied(name: str) -> Path:
        return shutil.copytree(made, tmp_path / name, symlinks=True)

    try:
        whole = copied("whole")
        writes = int(erased(whole, NEVER))
        end, receipt = end_of(whole), receipt_of(whole)
        assert writes > 2 * POINTS and [found for needle in NEEDLES for found in holding(whole, needle)] == []
        for point in sorted(random.Random(13).sample(range(writes), POINTS)):
            copy = copied(f"killed-{point}")
            assert erased(copy, point) == "killed", f"point {point} of {writes}"
            assert erased(copy, NEVER).isdigit(), f"resumed after point {point} of {writes}"
            assert [found for needle in NEEDLES for found in holding(copy, needle)] == [], f"point {point}"
            assert end_of(copy) == end, f"point {point} of {writes}"
            assert receipt_of(copy) == receipt, f"point {point} of {writes}"
            shutil.rmtree(copy)
    finally:
        eraser.stdin.close()
        eraser.wait(timeout=60)
    assert "hill.jpg" in run_in(whole / "project/data", "tar", "-tf", "album.tar")
