"""Differences between two versions, read from git and DVC without checking either out."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import made_project
import polars as pl
import pytest
import yaml
from made_project import ADD, PEOPLE, STAGES, commit_first_version, made_params, make

from mtf.cli import diff
from mtf.core.errors import BadInput
from mtf.core.project_paths import ProjectPaths
from mtf.release import changes, revision_diff, version_files
from mtf.release.changes import Changes, paired


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, dvc: str) -> ProjectPaths:
    """Version v1 is in git and DVC. Since then ada left, bo.b's first face was rejected and its last accepted."""
    workspace = make(tmp_path_factory.mktemp("changes") / "project")
    ledger = workspace.review / "rita" / "1.jsonl"
    ledger.parent.mkdir(parents=True)
    ledger.write_text('{"line": 1}\n{"line": 2}\n')
    commit_first_version(workspace)
    _make_second_version(workspace)
    return workspace


def _make_second_version(workspace: ProjectPaths) -> None:
    for stage in STAGES:
        shutil.rmtree(workspace.stage(stage))
    make(workspace.root, people=made_project.changed(made_project.without(PEOPLE, "ada"), "bo.b", faces=6, strangers=0))
    (workspace.review / "rita" / "2.jsonl").write_text('{"line": 3}\n')
    rejected = made_project.digest(made_project.digest("bo.b", 0), "face")[:32]
    moved = made_project.digest(made_project.digest("nul", 0), "face")[:32]
    splits, exclusions = workspace.table("split", "splits"), workspace.table("curate", "exclusions")
    data = pl.read_parquet(splits)
    out = data.filter(pl.col("face_id") == rejected).select("identity", "face_id", "image_id")
    blurred = out.with_columns(
        step=pl.lit("quality"), reason=pl.lit("blurred"), decided_by=pl.lit("panel"), detail=pl.lit(None, pl.String)
    )
    pl.concat([pl.read_parquet(exclusions), blurred]).write_parquet(exclusions)
    is_moved = pl.col("face_id") == moved
    data.filter(pl.col("face_id") != rejected).with_columns(
        split=pl.when(is_moved).then(pl.lit("test")).otherwise("split")
    ).write_parquet(splits)


@pytest.fixture(scope="module")
def found(project: ProjectPaths) -> Changes:
    return revision_diff.run(project, made_params(), "v1", None)


def test_people_who_came_and_went_are_named(found: Changes):
    assert (found.identities_added, found.identities_removed) == ({}, {"ada": "no longer on the roster"})


def test_every_removed_image_has_its_reason(found: Changes):
    assert found.removed == [("no longer found", 5), ("blurred", 1)]
    assert len(found.removed_faces) == 6


def test_every_added_image_says_what_no_longer_stands_against_it(found: Changes):
    assert found.added == [("no longer wrong person", 1)]


def test_images_in_another_split_are_counted(found: Changes):
    assert found.moved == [("split: train → test", 1)]
    assert found.relabelled == []


def test_decisions_given_since_are_counted(found: Changes):
    assert found.decisions == (1, 0)


def test_a_version_does_not_differ_from_itself(project: ProjectPaths):
    assert list(diff.lines(revision_diff.run(project, made_params(), "v1", "v1"))) == ["no difference"]


def test_backwards_what_was_added_is_removed(project: ProjectPaths, found: Changes):
    shutil.copytree(project.root, copy := project.root.parent / "copy")
    subprocess.run(ADD, cwd=copy, check=True)
    subprocess.run(["git", "commit", "-qam", "second"], cwd=copy, check=True)
    back = revision_diff.run(ProjectPaths(copy), made_params(), "HEAD", "v1")
    assert back.identities_added == {"ada": "newly on the roster"}
    assert sum(n for _, n in back.added) == sum(n for _, n in found.removed)
    assert back.decisions == (0, 1)


def test_the_lines_for_a_terminal_and_the_json_say_the_same(found: Changes):
    assert list(diff.lines(found))[:5] == [
        "identities removed: 1",
        "  ada: no longer on the roster",
        "faces added: 1",
        "  1 no longer wrong person",
        "faces removed: 6",
    ]
    assert json.loads(json.dumps(found.as_json()))["faces"]["removed"] == {"no longer found": 5, "blurred": 1}


def test_the_changelog_of_a_release_compares_it_with_the_previous_one(project: ProjectPaths):
    made_project.release(project, made_params(release={"previous": "v1", "version": "0.2.0"}))
    text = (project.stage("release") / "CHANGELOG.md").read_text()
    assert text.startswith(
        "# 0.2.0\n\nAgainst v1. Now 10 faces of 2 people.\n\n## Identities removed\n\n- ada: no longer"
    )
    assert "- 1: blurred\n" in text


def test_the_first_release_says_that_it_is_the_first(data_set: ProjectPaths):
    text = (data_set.stage("release") / "CHANGELOG.md").read_text()
    assert text == "# 0.1.0\n\nThe first release: 15 faces of 3 people.\n"


@pytest.fixture
def spoilt(project: ProjectPaths, tmp_path: Path) -> ProjectPaths:
    """A copy of the project, to spoil."""
    shutil.copytree(project.root, tmp_path / "copy", symlinks=True)
    return ProjectPaths(tmp_path / "copy")


def ask(workspace: ProjectPaths, kind: str, value: str) -> None:
    with workspace.takedowns.open("a") as file:
        file.write(f"added_at,kind,value,reason,requested_by,reference\n2024-06-01,{kind},{value},,,\n")


def take_down_at_the_crawl(workspace: ProjectPaths, url: str) -> None:
    """The crawl refuses the address: there is no picture of it any more, and so no face and no exclusion."""
    path = workspace.table("crawl", "fetches")
    is_down = pl.col("url") == url
    outcome = pl.when(is_down).then(pl.lit("taken_down")).otherwise("outcome").alias("outcome")
    pl.read_parquet(path).with_columns(outcome).write_parquet(path)
    for name in ("split/splits", "curate/exclusions"):
        table = workspace.root / f"build/{name}.parquet"
        gone = pl.read_parquet(path).filter(is_down)["image_id"]
        pl.read_parquet(table).filter(~pl.col("image_id").is_in(gone.to_list())).write_parquet(table)


def test_whoever_was_taken_down_is_counted_and_named_nowhere(spoilt: ProjectPaths):
    ask(spoilt, "identity", "ada")
    found = revision_diff.run(spoilt, made_params(), "v1", None)
    assert (found.identities_removed, found.taken_down) == ({}, 1)
    assert found.removed == [("taken down", 5), ("blurred", 1)]
    texts = [
        "\n".join(diff.lines(found)),
        json.dumps(found.as_json()),
        changes.markdown(found, version="2.0.0", previous="v1", totals={"identities": 2, "images": 10}),
    ]
    assert [text for text in texts if "ada" in text] == []
    assert "- 1 taken down\n" in texts[2]


def test_a_picture_that_the_crawl_refuses_for_a_takedown_is_not_said_to_be_no_longer_found(spoilt: ProjectPaths):
    take_down_at_the_crawl(spoilt, "https://pictures.example/nul/1.jpg")
    found = revision_diff.run(spoilt, made_params(), "v1", None)
    assert dict(found.removed) == {"no longer found": 5, "blurred": 1, "taken down": 1}
    assert len(found.removed_faces) == 6
    assert found.taken_down == 0


def test_what_cannot_be_read_is_said_not_to_be_known_and_no_history_is_made_up(spoilt: ProjectPaths):
    for name in ("build/curate.dvc", "data.dvc"):
        listed = yaml.safe_load((spoilt.root / name).read_text())["outs"][0]["md5"]
        (spoilt.root / ".dvc/cache/files/md5" / listed[:2] / listed[2:]).unlink()
    found = revision_diff.run(spoilt, made_params(), "v1", "v1")
    assert found.decisions is None
    lines = list(diff.lines(found))
    assert "no difference in the parts that could be read" in lines
    assert any(line.startswith("not known: v1: data/review: its data is neither in DVC's cache nor") for line in lines)
    (spoilt.root / "build/split/splits.parquet").unlink()
    make(spoilt.root, people=made_project.changed(PEOPLE, "nul", faces=9))
    found = revision_diff.run(spoilt, made_params(), "v1", None)
    assert found.added == [("reason not known", 4)]


def test_a_version_committed_without_dvc_lock_says_what_to_do(spoilt: ProjectPaths):
    for path in spoilt.root.glob("build/*.dvc"):
        path.unlink()
    (spoilt.root / "dvc.yaml").write_text("stages:\n  split:\n    cmd: x\n    outs: [build/split]\n")
    subprocess.run(["git", "add", "-A"], cwd=spoilt.root, check=True)
    subprocess.run(["git", "commit", "-qm", "no lock"], cwd=spoilt.root, check=True)
    with pytest.raises(BadInput, match="does not say which data it had: run `dvc repro` there and commit"):
        revision_diff.run(spoilt, made_params(), "HEAD", None)


@pytest.mark.parametrize("name", ["v9", "--upload-pack=x", "HEAD~7"])
def test_a_revision_that_is_not_there_is_named(project: ProjectPaths, name: str):
    with pytest.raises(BadInput, match=f"revision '{name}'"):
        revision_diff.run(project, made_params(), name, None)


def test_tags_and_branches_near_a_misspelt_revision_are_suggested(spoilt: ProjectPaths):
    for name in ("v1.2.0", "v1.2.1", "attic"):
        subprocess.run(["git", "tag", name], cwd=spoilt.root, check=True)
    subprocess.run(["git", "branch", "review"], cwd=spoilt.root, check=True)
    for misspelt, hint in (
        ("v1.20", r"; is v1\.2\.0 or v1\.2\.1 or v1 meant\?$"),
        ("reviews", r"; is review meant\?$"),
        ("nothing-like-it", "unknown Git revision 'nothing-like-it'$"),
    ):
        with pytest.raises(BadInput, match=hint):
            revision_diff.run(spoilt, made_params(), misspelt, None)


def move_boxes(workspace: ProjectPaths, *, by: int) -> None:
    """As after another crop.scale_factor: each box lies elsewhere by a few pixels, and so has another id."""
    for name in ("split/splits", "curate/exclusions", "crop/faces"):
        path = workspace.root / f"build/{name}.parquet"
        table = pl.read_parquet(path)
        ids = {old: made_project.digest(old, by)[:32] for old in table["face_id"]}
        moved = table.with_columns(pl.col("face_id").replace_strict(ids))
        if "x" in table.columns:
            moved = moved.with_columns(pl.col("x") + pl.lit(by, pl.Int32))
        path.unlink()
        moved.write_parquet(path)


def test_a_face_whose_box_moved_a_little_is_neither_removed_nor_added(spoilt: ProjectPaths, found: Changes):
    move_boxes(spoilt, by=5)
    moved = revision_diff.run(spoilt, made_params(), "v1", None)
    # Its reasons are found as well: by the box of the face that is excluded now, or was then.
    assert (moved.added, moved.removed) == (found.added, found.removed)
    assert (moved.moved, moved.relabelled) == (found.moved, found.relabelled)
    assert moved.removed_faces == found.removed_faces


def test_a_face_whose_box_is_elsewhere_in_the_same_picture_is_another(spoilt: ProjectPaths):
    move_boxes(spoilt, by=40)
    found = revision_diff.run(spoilt, made_params(), "v1", None)
    assert (sum(n for _, n in found.removed), sum(n for _, n in found.added)) == (15, 10)


def test_of_two_faces_that_meet_one_it_is_the_one_with_the_most_overlap():
    place = {"identity": "ann", "image_id": "0" * 64, "y": 0, "width": 100, "height": 100}
    faces = pl.DataFrame([{"face_id": "far", "x": 40, **place}, {"face_id": "near", "x": 2, **place}])
    others = pl.DataFrame([{"face_id": "now", "x": 0, **place}])
    (pair,) = paired(faces, others, box_iou=0.4).rows(named=True)
    assert pair == {"identity": "ann", "face_id": "near", "other_id": "now"}


def test_ranges_of_identities_give_the_changes_of_the_whole(
    project: ProjectPaths, found: Changes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(version_files, "ROWS_AT_ONCE", 1)
    assert revision_diff.run(project, made_params(), "v1", None) == found
