"""A process that dies without a word, as in a power cut, while it erases."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

from small_project import Small, picture

from mtf.forget.object_store import TOMBSTONE
from mtf.takedown.execution import erase
from projects import environment

PEOPLE = {"ann": ["ann-0", "ann-1", "ann-2"], "bob": ["bob-0"]}
NEEDLES = [f"{form} ann-{number} ".encode() for form in ("picture", "crop", "published") for number in range(3)]
# The process is killed by the kernel between an object's end and its tombstone: no handler, no `finally` runs.
ERASE = """
import os, signal, sys
from pathlib import Path
from dvc_objects.db import ObjectDB
from mtf.takedown.execution import erase
from mtf.core.project_paths import ProjectPaths

put, left = ObjectDB.add_bytes, [int(sys.argv[2])]

def dying(*arguments, **named):
    left[0] -= 1
    if left[0] < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return put(*arguments, **named)

ObjectDB.add_bytes = dying
erase(ProjectPaths(Path(sys.argv[1])), signed_by="The officer")
"""


def killed_after(project: Small, tombstones: int) -> None:
    command = (sys.executable, "-c", ERASE, str(project.root), str(tombstones))
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == -signal.SIGKILL, done.stderr


def holds_tombstone(path: Path) -> bool:
    return path.read_bytes() == TOMBSTONE


def test_a_killed_erasure_is_taken_up_again_where_it_was(project: Small) -> None:
    album = project.workspace.data / "hers.jpg"
    album.write_bytes(picture("ann-0"))
    project.run(PEOPLE)
    project.commit("v1")
    project.take_down("identity", "ann")
    project.run({"bob": ["bob-0"]})
    project.commit("v2")
    objects = len({path.name for path in (project.root / ".dvc/cache").rglob("*") if path.is_file()})

    killed_after(project, 2)
    (saved,) = [json.loads(path.read_text()) for path in (project.workspace.data / "receipts").glob("*.json")]
    in_cache, in_remote = (len(saved["places"][name]["owed"]) for name in ("cache", "remote near"))
    assert saved["finished_at"] is None and 3 < in_cache < objects and not album.exists()
    buried = [path for path in (project.root / ".dvc/cache").rglob("*") if path.is_file() and holds_tombstone(path)]
    assert len(buried) == 2 and any(project.holding(needle) for needle in NEEDLES)

    (receipt,) = erase(project.workspace, signed_by="The officer")

    assert receipt["finished_at"] and receipt["started_at"] == saved["started_at"]
    assert receipt["places"]["remote near"]["before"] == in_remote
    assert [found for needle in NEEDLES for found in project.holding(needle)] == []
    assert project.holding(picture("bob-0")[:40])
