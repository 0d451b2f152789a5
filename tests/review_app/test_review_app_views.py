"""The saved views: each holds the faces that its title says, for one reviewer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from review_sessions import review_as

from mtf import config
from mtf.core.project_paths import ProjectPaths
from mtf.review_app.engine.loading import load_review_data
from mtf.review_app.engine.session import ReviewSession
from mtf.review_app.processes import mongodb as database

# Where FiftyOne's router, but no comparison, finds its own answer, which would read any file.
NOT_MEDIA = ("/media", "/media%0A", "/media/")

BUILD = """
import base64, json, os, sys
from pathlib import Path
from starlette.testclient import TestClient
from mtf import config
from mtf.review_app.fiftyone import app
from mtf.review_app.engine.loading import session_of, load_review_data
from mtf.review_app.fiftyone.samples import UNRANKED
from mtf.core.project_paths import ProjectPaths
workspace = ProjectPaths(Path(sys.argv[1]))
os.environ.update(app.settings(workspace, "anna", joint=False))
loaded = config.load(workspace.params)
def build():
    live = app.build(workspace, loaded, "anna", joint=False)
    live.close()
    return live
build()
build()
session = session_of(workspace, load_review_data(workspace, loaded)[0], "anna", joint=False)
session.label(session.page().faces[:1], "age", "Old")
session.close()
live = build()
import fiftyone as fo
dataset = fo.load_dataset(live.dataset)
by_hand = {"writable": [name for name, field in dataset.get_field_schema().items() if not field.read_only]}
drawn, gone = dataset.values("id")[:2]
client = TestClient(app.application(live, address="127.0.0.1"), base_url="http://127.0.0.1", follow_redirects=False)
asked = {path: client.get(path, params={"filepath": sys.executable}) for path in sys.argv[2:]}
by_hand["read outside"] = [path for path, answer in asked.items() if answer.is_success]
pencil = client.patch(
    f"/dataset/{dataset._doc.id}/sample/{drawn}",
    content=json.dumps([{"op": "replace", "path": "/race", "value": "Green"}]),
    headers={
        "If-Match": '"' + base64.b64encode(dataset[drawn].last_modified_at.isoformat().encode()).decode() + '"',
        "Content-Type": "application/json-patch+json",
    },
)
by_hand["pencil"] = [pencil.status_code, dataset[drawn].race]
field = dataset.get_field("race")
field.read_only = False
field.save()
sample = dataset[drawn]
sample["race"] = "Green"
sample.tags.append("look")
sample.save()
dataset.delete_samples([gone])
live = build()
sample.reload(hard=True)
by_hand["again"] = [sample.race, sample.tags, gone in dataset.values("id")]
views = {name: dataset.load_saved_view(name) for name in dataset.list_saved_views()}
flat = {name: view.flatten() if view._is_dynamic_groups else view for name, view in views.items()}
found = {name: view.values("face_id") for name, view in flat.items()}
count = len(dataset)
samples = dataset._sample_collection
for number, name in enumerate(dataset.values("_id")):
    values = {"step": "task_fit", "ready": True, "rank": UNRANKED, "age": ["Young", "Old"][number % 2]}
    samples.update_one({"_id": name}, {"$set": values})
orders = {"age": dataset.load_saved_view("5 task fit").values("age")}
for number, name in enumerate(dataset.values("_id")):
    group = "cadb"[number // 2]
    rank = number % 2 if group == "b" else UNRANKED
    values = {"step": "duplicate", "duplicate_group": group, "rank": rank, "proposed_keeper": number % 2 == 1}
    samples.update_one({"_id": name}, {"$set": values})
groups = dataset.load_saved_view("4 duplicates")
orders["group"] = groups.values("duplicate_group")
orders["keeps"] = [group.values("proposed_keeper") for group in groups.iter_dynamic_groups()]
print(json.dumps([found, orders, by_hand]))
"""


def views(workspace: ProjectPaths, uri: str) -> tuple[list[str], dict[str, list[str]], dict[str, Any], dict[str, Any]]:
    """Build the samples, and read the views that come of it.

    Returns the lines printed by building (twice over the same data, after a corrected label, and after FiftyOne changed
    one sample and removed another), the faces of each view, the order of the views of the tasks (no face on a page) and
    of the duplicates (group b), and the result of changes by hand.
    """
    done = subprocess.run(
        [sys.executable, "-c", BUILD, str(workspace.root), *NOT_MEDIA],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {database.URI: uri},
    )
    assert done.returncode == 0, done.stderr
    *said, last = done.stdout.splitlines()
    built = [line.partition("; ")[2].partition(", in")[0] for line in said if "faces; " in line]
    found, orders, by_hand = json.loads(last)
    return built, found, orders, by_hand


def test_each_saved_view_holds_its_faces_and_the_page_comes_first(
    project: Callable[..., ProjectPaths], mongodb: str
) -> None:
    workspace = project({"ada": 8}, groups={"ada": [[0, 1]]})
    review_data, _ = load_review_data(workspace, config.load(workspace.params))
    group = review_data.faces.filter(pl_group := review_data.faces["duplicate_group"].is_not_null())[
        "face_id"
    ].to_list()
    assert pl_group.sum() == 2
    alone = [face for face in review_data.faces_of("ada") if face.face_id not in group]
    both = [face for face in review_data.faces_of("ada") if face.face_id in group]

    def anna(session: ReviewSession) -> None:
        session.reject(alone[:1])
        session.accept([*alone[1:5], *both])
        session.accept([*alone[2:5], *both])  # identity
        session.accept([*alone[3:5], *both])  # quality
        session.accept(alone[4:5])  # task fit

    review_as(workspace, "anna", anna)
    review_as(workspace, "ben", lambda session: (session.accept(alone[:1]), session.accept(alone[1:2])))
    review_as(workspace, "cyd", lambda session: (session.accept(alone[:1]), session.accept(alone[1:2])))
    built, found, orders, by_hand = views(workspace, mongodb)
    assert built == [
        "8 added, 0 changed, 0 removed",
        "none changed",
        "0 added, 1 changed, 0 removed",
        "1 added, 1 changed, 0 removed",
    ]
    assert by_hand == {
        "writable": ["id", "tags", "metadata"],
        "read outside": [],
        "pencil": [400, "Blue"],
        "again": ["Blue", ["look"], True],
    }
    assert orders == {
        "age": ["Old"] * 4 + ["Young"] * 4,
        "group": ["b", "a", "c", "d"],
        "keeps": [[True, False]] * 4,
    }
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
