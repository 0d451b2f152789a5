"""Decisions travel to other tools and back, and none of them is written twice."""

from __future__ import annotations

import csv
import errno
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from review_sessions import NoScreen

from mtf import config
from mtf.annotation import ledger
from mtf.annotation.decision import Decision, Verdict
from mtf.annotation.ledger import LedgerWriter
from mtf.core import atomic_files, shards
from mtf.core.errors import BadInput, MtfError
from mtf.core.project_paths import ProjectPaths
from mtf.review_app import terminal
from mtf.review_app.engine.face_key import Key
from mtf.review_app.engine.loading import load_review_data, session_of
from mtf.review_app.engine.review_data import ReviewData
from mtf.review_app.exchange import export, import_formats, import_merge
from mtf.review_app.processes import mongodb as database
from mtf.review_app.review_lock import lock_review
from mtf.schemas import Step, takedown_file
from mtf.schemas.takedown_file import RequestKind

IMPORT_INTO_FIFTYONE = """
import json, sys
import fiftyone.utils.data as foud
with foud.FiftyOneImageDetectionDatasetImporter(sys.argv[1]) as importer:
    found = [detection for _, _, detections in importer for detection in detections.detections]
print(json.dumps([[one.label, one.bounding_box, one["decisions"]] for one in found]))
"""


def with_some_decisions(project: Callable[..., ProjectPaths]) -> tuple[ProjectPaths, config.Params]:
    workspace = project({"ada": 4})
    loaded = config.load(workspace.params)
    review_data, _ = load_review_data(workspace, loaded)
    session = session_of(workspace, review_data, "anna", joint=False)
    session.accept(session.page().faces[:2])
    session.reject(session.page().faces[:1], "partial_face")
    session.close()
    return workspace, loaded


def said_together(reviewer: str, face: Key, review_data: ReviewData) -> Decision:
    image_id, box = review_data.place(face)
    where = {"identity": face.identity, "image_id": image_id, "box": box}
    return Decision(**where, step=Step.FACE, verdict=Verdict.ACCEPT, reviewer=reviewer, joint=True)


def decisions(workspace: ProjectPaths) -> pl.DataFrame:
    return ledger.read(workspace.review).decisions


def test_nothing_is_imported_into_a_review_that_is_open(project: Callable[..., ProjectPaths], tmp_path: Path) -> None:
    workspace, loaded = with_some_decisions(project)
    export.write(workspace, loaded, tmp_path / "out.csv", format="csv")
    shutil.rmtree(workspace.review)
    with (
        lock_review(workspace.stage("room"), "anna"),
        pytest.raises(MtfError, match="the review of anna is open already"),
    ):
        import_merge.read(workspace, loaded, tmp_path / "out.csv", format="csv", reviewer=None)
    assert decisions(workspace).is_empty()


@pytest.mark.parametrize("format", ["csv", "coco", "fiftyone"])
def test_labels_joint_verdicts_and_times_travel_too(
    project: Callable[..., ProjectPaths], tmp_path: Path, format: str
) -> None:
    workspace, loaded = with_some_decisions(project)
    review_data, _ = load_review_data(workspace, loaded)
    faces = review_data.faces_of("ada")
    for reviewer, joint in (("anna", False), ("ben", True)):
        session = session_of(workspace, review_data, reviewer, joint=joint)
        session.label(faces[:1], "age", "Old")
        session.close()
    with LedgerWriter(workspace.review, "ben") as writer:
        writer.append(said_together("ben", faces[1], review_data))
    before = decisions(workspace)
    assert "6 decisions" in export.write(workspace, loaded, tmp_path / "out", format=format)
    shutil.rmtree(workspace.review)
    assert import_merge.read(workspace, loaded, tmp_path / "out", format=format, reviewer=None).startswith(
        "6 decisions"
    )
    columns = ["identity", "image_id", "step", "verdict", "reason", "reviewer", "joint", "time", "labels"]
    after = decisions(workspace).select(columns)
    assert sorted(after.rows(), key=str) == sorted(before.select(columns).rows(), key=str)


@pytest.mark.parametrize("format", ["csv", "coco", "fiftyone"])
def test_an_old_file_does_not_win_over_what_was_said_since(
    project: Callable[..., ProjectPaths], tmp_path: Path, format: str
) -> None:
    workspace, loaded = with_some_decisions(project)
    export.write(workspace, loaded, tmp_path / "out", format=format)
    review_data, _ = load_review_data(workspace, loaded)
    session = session_of(workspace, review_data, "anna", joint=False)
    accepted = decisions(workspace).filter(verdict="accept")["image_id"].to_list()
    again = [face for face in review_data.faces_of("ada") if review_data.place(face)[0] in accepted]
    session.reject(again[:1], "not_a_face")
    session.accept(again[1:])
    session.undo()
    session.close()
    before = decisions(workspace).height
    said = import_merge.read(workspace, loaded, tmp_path / "out", format=format, reviewer=None)
    assert said == "0 decisions added, 2 were in the ledger already, 1 are older than a decision there"
    assert decisions(workspace).height == before


def test_a_file_without_times_counts_as_said_now(project: Callable[..., ProjectPaths], tmp_path: Path) -> None:
    workspace, loaded = with_some_decisions(project)
    export.write(workspace, loaded, tmp_path / "out.csv", format="csv")
    pl.read_csv(tmp_path / "out.csv").drop("time", "joint", "labels").with_columns(
        verdict=pl.lit("reject"), reason=pl.lit("not_a_face"), step=pl.lit("face"), reviewer=pl.lit("anna")
    ).write_csv(tmp_path / "in.csv")
    assert import_merge.read(workspace, loaded, tmp_path / "in.csv", format="csv", reviewer=None).startswith(
        "4 decisions"
    )


def test_fiftyone_reads_what_was_written_for_it(
    project: Callable[..., ProjectPaths], tmp_path: Path, mongodb: str
) -> None:
    workspace, loaded = with_some_decisions(project)
    export.write(workspace, loaded, tmp_path / "out", format="fiftyone")
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_INTO_FIFTYONE, str(tmp_path / "out")],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"FIFTYONE_DO_NOT_TRACK": "true", database.URI: mongodb},
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert len(found) == 4
    assert all(label == "ada" and len(box) == 4 for label, box, _ in found)
    said = sorted(one["verdict"] for _, _, decisions in found for one in decisions)
    assert said == ["accept", "accept", "reject"]


@pytest.mark.parametrize("format", ["csv", "coco", "fiftyone"])
def test_what_was_written_comes_back_once(project: Callable[..., ProjectPaths], tmp_path: Path, format: str) -> None:
    workspace, loaded = with_some_decisions(project)
    before = ledger.read(workspace.review).decisions
    export.write(workspace, loaded, tmp_path / "out", format=format)
    assert import_merge.read(workspace, loaded, tmp_path / "out", format=format, reviewer=None).startswith(
        "0 decisions"
    )
    for file in workspace.review.rglob("*.jsonl"):
        file.unlink()
    assert import_merge.read(workspace, loaded, tmp_path / "out", format=format, reviewer=None).startswith(
        "3 decisions"
    )
    after = ledger.read(workspace.review).decisions
    columns = ["identity", "image_id", "step", "verdict", "reason", "reviewer"]
    assert sorted(after.select(columns).rows(), key=str) == sorted(before.select(columns).rows(), key=str)


def test_the_boxes_of_another_tool_may_be_drawn_a_little_otherwise(
    project: Callable[..., ProjectPaths], tmp_path: Path
) -> None:
    workspace, loaded = with_some_decisions(project)
    export.write(workspace, loaded, tmp_path / "out", format="coco")
    labels = json.loads((tmp_path / "out" / "labels.json").read_text())
    for annotation in labels["annotations"]:
        annotation["bbox"][0] += 3
        annotation["decisions"] = ["ben face accept"]
    (tmp_path / "out" / "labels.json").write_text(json.dumps(labels))
    assert import_merge.read(workspace, loaded, tmp_path / "out", format="coco", reviewer=None).startswith(
        "4 decisions"
    )


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("verdict", "maybe", r"in.csv row 2: verdict: 'maybe' is not permitted; permitted: input should be 'accept'"),
        ("step", "looks", r"in.csv row 2: step: 'looks' is not permitted; permitted: face, identity, quality"),
        ("reason", "ugly", r"in.csv row 2: reason: 'ugly' is not permitted"),
        ("x", "left", r"in.csv row 2: x: 'left' is not permitted; permitted: a number of pixels from 0 to 1000000"),
        (
            "x",
            "900",
            r"in.csv row 2: 'ada [0-9a-f]{12} at 900, 1[68], 64, 64' is not permitted; permitted: a face .* by 0.5$",
        ),
        (
            "reviewer",
            "../anna",
            r"in.csv row 2: reviewer: '../anna' is not permitted; permitted: a name as",
        ),
    ],
)
def test_a_bad_decision_is_named_and_nothing_is_written(
    project: Callable[..., ProjectPaths], tmp_path: Path, column: str, value: str, message: str
) -> None:
    workspace, loaded = with_some_decisions(project)
    export.write(workspace, loaded, tmp_path / "out.csv", format="csv")
    rows = list(csv.DictReader((tmp_path / "out.csv").open()))
    rejected = next(row for row in rows if row["verdict"] == "reject") | {"reviewer": "ben", column: value}
    with (tmp_path / "in.csv").open("w") as file:
        writer = csv.DictWriter(file, list(rejected))
        writer.writeheader()
        writer.writerow(rejected)
    before = len(ledger.read(workspace.review).decisions)
    with pytest.raises(BadInput, match=message):
        import_merge.read(workspace, loaded, tmp_path / "in.csv", format="csv", reviewer=None)
    assert len(ledger.read(workspace.review).decisions) == before


@pytest.mark.parametrize(
    ("to", "format", "message"),
    [
        ("folder", "csv", r"^csv: '.*folder' is not permitted; permitted: the name of a file; this is a folder"),
        ("file", "coco", r"^coco: '.*file' is not permitted; permitted: a folder that is new, empty, or an earlier"),
        ("file", "fiftyone", r"^fiftyone: '.*file' is not permitted"),
        ("folder", "coco", r"^coco: '.*folder' is not permitted"),
        ("file/below", "csv", r"file/below: not written: something else stands where a folder would"),
        ("file/below", "coco", r"file/below: not written: something else stands where a folder would"),
        ("n" * 300, "csv", r"nnn: not written: File name too long"),
        ("circle", "fiftyone", r"circle: not written: "),
    ],
)
def test_a_place_that_cannot_be_written_is_named_and_left_as_it_was(
    project: Callable[..., ProjectPaths], tmp_path: Path, to: str, format: str, message: str
) -> None:
    workspace, loaded = with_some_decisions(project)
    there = tmp_path / "there"
    (there / "folder" / "data").mkdir(parents=True)
    (there / "file").write_text("mine")
    (there / "circle").symlink_to(there / "circle")
    before = sorted(there.rglob("*"))
    with pytest.raises(MtfError, match=message):
        export.write(workspace, loaded, there / to, format=format)
    assert sorted(there.rglob("*")) == before
    assert (there / "file").read_text() == "mine"


def test_an_export_goes_over_an_earlier_one_and_names_a_shard_that_is_missing(
    project: Callable[..., ProjectPaths], tmp_path: Path
) -> None:
    workspace, loaded = with_some_decisions(project)
    for _ in range(2):
        assert "3 decisions" in export.write(workspace, loaded, tmp_path / "out", format="coco")
    workspace.shard("crawl", "ada").unlink()
    with pytest.raises(MtfError, match=r"^build/crawl/shards/ada.tar: No such file or directory; run the stage"):
        export.write(workspace, loaded, tmp_path / "new", format="coco")


@pytest.mark.parametrize("format", ["coco", "fiftyone"])
def test_a_later_export_leaves_no_picture_of_who_was_taken_down_meanwhile(
    project: Callable[..., ProjectPaths], tmp_path: Path, format: str
) -> None:
    workspace = project({"ada": 2, "bob": 2})
    loaded, data = config.load(workspace.params), tmp_path / "out" / "data"
    export.write(workspace, loaded, tmp_path / "out", format=format)
    (data / "mine.txt").write_text("mine")
    before = {path.name for path in data.iterdir()}
    workspace.takedowns.write_text(",".join(takedown_file.COLUMNS) + "\n2026-01-02,identity,ada,asked,ada,\n")
    assert "2 faces in 2 pictures" in export.write(workspace, loaded, tmp_path / "out", format=format)
    of_bob = pl.read_parquet(workspace.table("crawl", "images")).filter(identity="bob")["image_id"]
    assert {path.name for path in data.iterdir()} == {f"{one}.jpg" for one in of_bob} | {"mine.txt"} < before


@pytest.mark.parametrize("format", ["coco", "fiftyone"])
def test_an_export_that_is_cut_short_is_none_and_is_written_over(
    project: Callable[..., ProjectPaths], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format: str
) -> None:
    workspace = project({"ada": 3})
    loaded, to = config.load(workspace.params), tmp_path / "out"
    export.write(workspace, loaded, to, format=format)
    write_bytes, left = atomic_files.write_bytes, iter(range(1))

    def until_the_disk_is_full(path: Path, data: bytes) -> None:
        if next(left, None) is None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write_bytes(path, data)

    for place in (to, tmp_path / "new"):
        left = iter(range(1))
        with monkeypatch.context() as patched:
            patched.setattr(atomic_files, "write_bytes", until_the_disk_is_full)
            with pytest.raises(MtfError, match="not written: No space left on device"):
                export.write(workspace, loaded, place, format=format)
        assert (place / "data").is_dir()
        assert not (place / "labels.json").exists()
        assert "3 faces in 3 pictures" in export.write(workspace, loaded, place, format=format)


def test_a_picture_that_is_another_than_its_name_says_is_not_exported(
    project: Callable[..., ProjectPaths], tmp_path: Path
) -> None:
    workspace = project({"ada": 2, "bob": 2})
    loaded, shard = config.load(workspace.params), workspace.shard("crawl", "ada")
    name, (offset, _) = next((name, place) for name, place in shards.members(shard).items() if name.endswith(".jpg"))
    with shard.open("r+b") as file:
        file.seek(offset + 100)
        file.write(b"something else")
    with pytest.raises(
        MtfError, match=rf"^build/crawl/shards/ada\.tar: {name} is not what its name says; run the stage"
    ):
        export.write(workspace, loaded, tmp_path / "out", format="coco")
    shutil.copy(workspace.shard("crawl", "bob"), shard)
    with pytest.raises(MtfError, match=r"^build/crawl/shards/ada\.tar: the picture [0-9a-f]{64} is not in it; run the"):
        export.write(workspace, loaded, tmp_path / "new", format="coco")
    assert not (tmp_path / "new").exists()


def test_a_picture_keeps_the_ending_that_the_crawl_gave_it(
    project: Callable[..., ProjectPaths], tmp_path: Path
) -> None:
    workspace = project({"ada": 1})
    loaded, shard = config.load(workspace.params), workspace.shard("crawl", "ada")
    (name, place) = next((name, place) for name, place in shards.members(shard).items() if name.endswith(".jpg"))
    data, rows = shards.read(shard, *place), shards.rows_of(shard)
    with shards.writing(shard, "crawl") as writer:
        writer.add(name.replace(".jpg", ".png"), data)
        writer.finish(rows)
    export.write(workspace, loaded, tmp_path / "out", format="coco")
    export.write(workspace, loaded, tmp_path / "fiftyone", format="fiftyone")
    named = [one["file_name"] for one in json.loads((tmp_path / "out" / "labels.json").read_text())["images"]]
    for folder in ("out", "fiftyone"):
        assert [path.name for path in (tmp_path / folder / "data").iterdir()] == named == [name.replace("jpg", "png")]


@pytest.mark.parametrize("format", ["coco", "fiftyone"])
def test_an_export_that_lacked_a_shard_goes_to_the_same_place_when_it_is_there_again(
    project: Callable[..., ProjectPaths], tmp_path: Path, format: str
) -> None:
    workspace = project({"ada": 2, "bob": 2})
    loaded, shard = config.load(workspace.params), workspace.shard("crawl", "bob")
    shard.rename(tmp_path / "bob.tar")
    with pytest.raises(MtfError, match=r"^build/crawl/shards/bob.tar: No such file or directory; run the stage"):
        export.write(workspace, loaded, tmp_path / "out", format=format)
    assert not (tmp_path / "out").exists()
    (tmp_path / "bob.tar").rename(shard)
    assert "4 faces in 4 pictures" in export.write(workspace, loaded, tmp_path / "out", format=format)


def test_of_decisions_that_meet_no_face_the_first_is_shown_and_the_others_are_counted(
    project: Callable[..., ProjectPaths], tmp_path: Path
) -> None:
    workspace, loaded = with_some_decisions(project)
    export.write(workspace, loaded, tmp_path / "out.csv", format="csv")
    said = pl.read_csv(tmp_path / "out.csv").filter(pl.col("verdict").is_not_null())
    said.with_columns(x=pl.lit(900)).write_csv(tmp_path / "in.csv")
    first = said.row(0, named=True)
    shown = f"'ada {first['image_id'][:12]} at 900, {first['y']}, {first['width']}, {first['height']}'"
    permitted = f"a face of this data set whose box overlaps by {loaded.curate.box_iou}"
    line = f"in.csv row 2: {shown} is not permitted; permitted: {permitted}; 2 more meet none"
    with pytest.raises(BadInput, match=f"^{re.escape(line)}$"):
        import_merge.read(workspace, loaded, tmp_path / "in.csv", format="csv", reviewer=None)


@pytest.mark.parametrize("kind", [RequestKind.IDENTITY, RequestKind.IMAGE_ID])
@pytest.mark.parametrize("format", ["csv", "coco"])
def test_what_was_taken_down_since_the_export_is_counted_and_kept_nowhere(
    project: Callable[..., ProjectPaths], tmp_path: Path, kind: RequestKind, format: str
) -> None:
    workspace, loaded = with_some_decisions(project)
    export.write(workspace, loaded, tmp_path / "out", format=format)
    said = decisions(workspace)
    gone = said["image_id"][0]
    concerned = said.height if kind == RequestKind.IDENTITY else said.filter(image_id=gone).height
    shutil.rmtree(workspace.review)
    value = "ada" if kind == RequestKind.IDENTITY else gone
    request = f"2026-01-01,{kind},{value},asked,Ada,"
    workspace.takedowns.write_text(",".join(takedown_file.COLUMNS) + "\n" + request + "\n")

    told = import_merge.read(workspace, loaded, tmp_path / "out", format=format, reviewer=None)

    kept = said.height - concerned
    counts = f"{kept} decisions added, 0 were in the ledger already"
    assert told == f"{counts}, {concerned} are about pictures that were taken down"
    assert concerned
    assert gone not in "".join(file.read_text() for file in workspace.review.rglob("*.jsonl"))


def test_times_of_several_zones_are_one_clock(project: Callable[..., ProjectPaths], tmp_path: Path) -> None:
    workspace, loaded = with_some_decisions(project)
    export.write(workspace, loaded, tmp_path / "out.csv", format="csv")
    rows = [row | {"reviewer": "ben"} for row in csv.DictReader((tmp_path / "out.csv").open()) if row["verdict"]]
    for row, time in zip(rows, ["2026-01-02T10:00:00+09:00", "2026-01-02T02:00:00+00:00", ""], strict=True):
        row["time"] = time
    with (tmp_path / "in.csv").open("w") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    assert import_merge.read(workspace, loaded, tmp_path / "in.csv", format="csv", reviewer=None).startswith(
        "3 decisions"
    )
    times = decisions(workspace).filter(reviewer="ben")["time"].dt.strftime("%F %H").to_list()
    assert times[:2] == ["2026-01-02 01", "2026-01-02 02"]


def test_equal_decisions_without_a_time_are_one(project: Callable[..., ProjectPaths], tmp_path: Path) -> None:
    workspace, loaded = with_some_decisions(project)
    export.write(workspace, loaded, tmp_path / "out.csv", format="csv")
    row = next(csv.DictReader((tmp_path / "out.csv").open())) | {"reviewer": "ben", "time": "", "step": "face"}
    reject, accept = row | {"verdict": "reject", "reason": "not_a_face"}, row | {"verdict": "accept", "reason": ""}
    with (tmp_path / "in.csv").open("w") as file:
        writer = csv.DictWriter(file, list(row))
        writer.writeheader()
        writer.writerows([accept, reject, *[accept] * 2000])
    told = import_merge.read(workspace, loaded, tmp_path / "in.csv", format="csv", reviewer=None)
    assert told == "2 decisions added, 0 were in the ledger already, 2000 repeat another of this file"
    # The last line of the file on a face counts.
    assert decisions(workspace).filter(reviewer="ben")["verdict"].to_list() == ["reject", "accept"]


def test_an_address_that_a_spreadsheet_would_run_is_guarded(
    project: Callable[..., ProjectPaths], tmp_path: Path
) -> None:
    workspace, loaded = with_some_decisions(project)
    images = workspace.table("crawl", "images")
    pl.read_parquet(images).with_columns(page_url=pl.lit("\u200b\n＝1+1")).write_parquet(images)
    export.write(workspace, loaded, tmp_path / "out.csv", format="csv")
    assert {row["page_url"] for row in csv.DictReader((tmp_path / "out.csv").open())} == {"'\u200b ＝1+1"}


def test_a_ledger_that_cannot_be_written_is_named(project: Callable[..., ProjectPaths], tmp_path: Path) -> None:
    workspace, loaded = with_some_decisions(project)
    export.write(workspace, loaded, tmp_path / "out.csv", format="csv")
    shutil.rmtree(workspace.review)
    workspace.review.mkdir()
    (workspace.review / "anna").touch()
    with pytest.raises(
        MtfError, match=r"^data/review/anna: not written: .*; correct that and import the same file again"
    ):
        import_merge.read(workspace, loaded, tmp_path / "out.csv", format="csv", reviewer=None)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({"age": "Ancient"}, r"in.csv row 2: labels.age: 'Ancient' is not permitted; permitted: Young, Old"),
        ({"height": "Tall"}, r"in.csv row 2: labels: 'height' is not permitted; permitted: race, gender, age"),
    ],
)
def test_a_label_that_no_task_has_does_not_get_into_the_ledger(
    project: Callable[..., ProjectPaths], tmp_path: Path, labels: dict[str, str], message: str
) -> None:
    workspace, loaded = with_some_decisions(project)
    export.write(workspace, loaded, tmp_path / "out.csv", format="csv")
    row = next(csv.DictReader((tmp_path / "out.csv").open()))
    labelled = row | {"step": "task_fit", "verdict": "label", "reason": "", "reviewer": "ben", "time": ""}
    with (tmp_path / "in.csv").open("w") as file:
        writer = csv.DictWriter(file, list(row))
        writer.writeheader()
        writer.writerow(labelled | {"labels": json.dumps(labels)})
    with pytest.raises(BadInput, match=message):
        import_merge.read(workspace, loaded, tmp_path / "in.csv", format="csv", reviewer=None)
    load_review_data(workspace, loaded)


def test_a_terminal_is_enough_to_review(
    project: Callable[..., ProjectPaths], capsys: pytest.CaptureFixture[str]
) -> None:
    workspace = project({"ada": 3})
    review_data, _ = load_review_data(workspace, config.load(workspace.params))
    session = session_of(workspace, review_data, "anna", joint=False)
    screen = NoScreen()
    answers = iter(["A", "a", "x blurred", "x partial_face", "u", "A", "q"])
    terminal.review(session, review_data, answers=answers, screen=screen)
    said = capsys.readouterr().out
    assert "not done: 2 of the page's 3 faces were not shown yet; p shows them all" in said
    assert "not done: reason at the step face: 'blurred' is not permitted" in said
    assert "identity (step 2 of 5): Ada" in said
    verdicts = ledger.read(workspace.review).decisions["verdict"].to_list()
    assert verdicts == ["accept", "reject", "undo", "accept", "accept"]
    assert len(screen.shown) == 7


def test_decisions_under_the_attributes_of_a_coco_file_are_read(
    project: Callable[..., ProjectPaths], tmp_path: Path
) -> None:
    """So FiftyOne and other tools write keys that COCO does not know."""
    workspace, loaded = with_some_decisions(project)
    export.write(workspace, loaded, tmp_path / "out", format="coco")
    before = decisions(workspace)
    shutil.rmtree(workspace.review)
    file = tmp_path / "out" / import_formats.LABELS
    content = json.loads(file.read_text())
    for each in content["annotations"]:
        each["attributes"] = {"decisions": each.pop("decisions")}
    file.write_text(json.dumps(content))
    said = import_merge.read(workspace, loaded, tmp_path / "out", format="coco", reviewer=None)
    assert said.startswith(f"{before.height} decisions added")
    assert decisions(workspace)["verdict"].to_list() == before["verdict"].to_list()
    for each in content["annotations"]:
        del each["attributes"]
    file.write_text(json.dumps(content))
    said = import_merge.read(workspace, loaded, tmp_path / "out", format="coco", reviewer=None)
    assert said.endswith("has none; an annotation has them under `decisions`, or `attributes.decisions`")


@pytest.mark.parametrize("source", ["/dev/zero", "fifo", "folder"])
def test_only_a_regular_file_is_imported(project: Callable[..., ProjectPaths], tmp_path: Path, source: str) -> None:
    workspace, loaded = with_some_decisions(project)
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    with pytest.raises(BadInput, match=r"not a regular file|Is a directory"):
        import_merge.read(workspace, loaded, tmp_path / source, format="csv", reviewer="anna")
