"""The page and the FiftyOne data set of what changed between two versions."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from made_project import STAGES, commit_first_version, digest, made_params, make
from playwright.sync_api import Browser

from mtf.core.project_paths import ProjectPaths
from mtf.image_diff import page as difference_page
from mtf.report import version_diff
from projects import mtf


def face(identity: str, number: int) -> str:
    return digest(digest(identity, number), "face")[:32]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, dvc: str) -> ProjectPaths:
    """Version v1 is committed. Since then, in the working tree, each kind of change happened once or twice."""
    workspace = make(tmp_path_factory.mktemp("diff") / "project")
    commit_first_version(workspace)
    for stage in STAGES:
        copy = workspace.build / f"{stage}.copy"
        shutil.copytree(workspace.stage(stage), copy)
        shutil.rmtree(workspace.stage(stage))
        copy.rename(workspace.stage(stage))
    _change(workspace)
    return workspace


def _change(workspace: ProjectPaths) -> None:
    def edit(stage: str, name: str, edited: pl.DataFrame) -> None:
        edited.write_parquet(workspace.table(stage, name))

    splits, faces, evidence, exclusions, permitted = (
        pl.read_parquet(workspace.table(stage, name))
        for stage, name in (
            ("split", "splits"), ("crop", "faces"), ("crawl", "evidence"), ("curate", "exclusions"),
            ("curate", "non_curated"),
        )
    )  # fmt: skip
    of_face = pl.col("face_id")
    blurred, opted_out, drifted = face("bo.b", 0), face("bo.b", 1), face("nul", 0)
    gone = splits.filter(of_face.is_in([blurred, opted_out, drifted])).select("identity", "face_id", "image_id")
    why = {
        blurred: ("quality", "blurred"),
        opted_out: ("license", "opted_out"),
        drifted: ("license", "license_not_permitted"),
    }
    rows = [
        row | {"step": why[row["face_id"]][0], "reason": why[row["face_id"]][1]} for row in gone.iter_rows(named=True)
    ]
    columns = {"decided_by": pl.lit("panel"), "detail": pl.lit(None, pl.String)}
    edit(
        "curate",
        "exclusions",
        pl.concat([exclusions, pl.DataFrame(rows).with_columns(**columns).select(exclusions.columns)]),
    )
    old = pl.when(pl.col("identity") == "nul").then(pl.lit("Old")).otherwise("age")
    kept = splits.filter(~of_face.is_in([blurred, opted_out, drifted]), pl.col("identity") != "ada")
    moved = pl.when(of_face == face("nul", 1)).then(pl.lit("val")).otherwise("split")
    edit("split", "splits", kept.with_columns(age=old.alias("age"), split=moved))
    edit("curate", "non_curated", permitted.filter(~of_face.is_in([opted_out, drifted]), pl.col("identity") != "ada"))
    narrower = pl.when(of_face == face("nul", 2)).then(40).otherwise("crop_width").cast(pl.Int32)
    edit("crop", "faces", faces.with_columns(crop_width=narrower))
    license = pl.when(pl.col("image_id") == digest("nul", 0)).then(pl.lit("CC-BY-NC-4.0")).otherwise("license")
    edit("crawl", "evidence", evidence.filter(pl.col("image_id") != digest("bo.b", 1)).with_columns(license=license))
    roster = pl.read_csv(workspace.roster)
    is_nul = pl.col("identity") == "nul"
    roster = roster.with_columns(age=pl.when(is_nul).then(pl.lit("Old")).otherwise("age"))
    roster.write_csv(workspace.roster, quote_style="always")
    header = "added_at,kind,value,reason,requested_by,reference\n"
    workspace.takedowns.write_text(f"{header}2026-01-02,identity,ada,asked,someone,ref\n")
    workspace.params.write_text(workspace.params.read_text().replace("min_face_share: 0.13", "min_face_share: 0.2"))


@pytest.fixture(scope="module")
def found(project: ProjectPaths) -> version_diff.VersionDiff:
    return version_diff.compare(project, made_params(), "v1", None)


def rows(found: version_diff.VersionDiff, kind: str) -> list[tuple[str, str, str, str | None, bool]]:
    return [
        (
            row["identity"],
            row["what"],
            row["why"],
            found.credit(row),
            bool(found.picture(row, "old") or found.picture(row, "new")),
        )
        for row in found.changes.filter(pl.col("kind") == kind).iter_rows(named=True)
    ]


def test_each_change_has_its_reason_and_only_permitted_pictures_are_shown(found: version_diff.VersionDiff) -> None:
    gone = {(identity, why): shown for identity, _, why, _, shown in rows(found, "gone")}
    assert gone == {
        ("bo.b", "blurred"): True, ("bo.b", "opted out"): False, ("nul", "license not permitted"): False,
    }  # fmt: skip
    assert [(what, why, shown) for _, what, why, _, shown in rows(found, "license")] == [
        ("CC-BY-4.0 → CC-BY-NC-4.0", "its source, asked on 2024-05-01: stated", False)
    ]
    assert {(what, why) for _, what, why, _, _ in rows(found, "relabelled")} == {
        ("age: Young → Old", "the roster says so now")
    }
    ((identity, what, why, _, shown),) = rows(found, "moved")
    assert (identity, what, shown) == ("nul", "train → val", True)
    assert why == "the stage split divided again: faces came or went, or their labels or duplicates differ"
    ((identity, what, why, credit, shown),) = rows(found, "cropped")
    assert (identity, what, shown) == ("nul", "same box, 70 × 70 → 40 × 70 pixels", True)
    assert why == "parameters: crop.min_face_share 0.13 → 0.2" and "CC-BY-4.0" in str(credit)


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        ("seed: 42", "seed: 7", "parameters: seed 42 → 7"),
        ("train_share: 0.7", "train_share: 0.6", "parameters: split.train_share 0.7 → 0.6"),
    ],
)
def test_a_seed_or_a_share_that_moved_faces_is_named(project: ProjectPaths, before: str, after: str, why: str) -> None:
    text = project.params.read_text()
    assert before in text
    try:
        project.params.write_text(text.replace(before, after, 1))
        moved = rows(version_diff.compare(project, made_params(), "v1", None), "moved")
    finally:
        project.params.write_text(text)
    assert [each[2] for each in moved] == [why]


def test_who_was_taken_down_is_counted_and_named_nowhere(
    found: version_diff.VersionDiff, project: ProjectPaths
) -> None:
    assert found.taken_down == 1 and "ada" not in found.changes["identity"]
    text = version_diff.html(found, title="Made-up people")
    assert "1 identity was taken down" in text and "ada" not in text.partition('id="data">')[2].partition("<script>")[0]


def test_the_command_writes_a_page_and_a_folder_that_fiftyone_reads(project: ProjectPaths, tmp_path: Path) -> None:
    done = mtf(project.root, "diff", "v1", "--html", str(tmp_path / "page.html"), "--fiftyone", str(tmp_path / "view"))
    assert done.returncode == 0, done.stderr
    samples = json.loads((tmp_path / "view/samples.json").read_text())["samples"]
    assert {each["change"]["label"] for each in samples} == {"gone", "cropped", "relabelled", "moved"}
    assert all((tmp_path / "view" / each["filepath"]).read_bytes()[:2] == b"\xff\xd8" for each in samples)
    assert sorted(each["tags"][-1] for each in samples if each["change"]["label"] == "cropped") == ["after", "before"]
    again = mtf(project.root, "diff", "v1", "--fiftyone", str(tmp_path / "view"))
    assert again.returncode == 2 and "is not empty; choose a new folder" in again.stderr


OPEN = """
import json, sys
import fiftyone as fo
data = fo.Dataset.from_dir(dataset_dir=sys.argv[1], dataset_type=fo.types.LegacyFiftyOneDataset, progress=False)
print(json.dumps([data.count_values("change.label"), data.count_sample_tags(), data.count_values("why")]))
"""


@pytest.mark.mongodb
def test_fiftyone_itself_opens_the_changes(found: version_diff.VersionDiff, tmp_path: Path) -> None:
    count = version_diff.write_fiftyone(found, tmp_path / "view")
    environment = os.environ | {"FIFTYONE_DATABASE_DIR": str(tmp_path / "database"), "FIFTYONE_DO_NOT_TRACK": "true"}
    command = [sys.executable, "-c", OPEN, str(tmp_path / "view")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=True)
    kinds, tags, reasons = json.loads(done.stdout.splitlines()[-1])
    assert sum(kinds.values()) == count and kinds["gone"] == tags["gone"] == 1 and kinds["cropped"] == 2
    assert tags["before"] == tags["after"] == 1 and reasons["blurred"] == 1


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_axe_finds_nothing_and_the_page_asks_for_nothing(
    found: version_diff.VersionDiff, browser: Browser, tmp_path: Path, scheme: str
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    (tmp_path / "page.html").write_text(version_diff.html(found, title="Made-up <b>people</b>"))
    context = browser.new_context(viewport={"width": 360, "height": 800}, color_scheme=scheme, offline=True)
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto((tmp_path / "page.html").as_uri())
    assert page.locator("#cropped .rows li img").count() == 2
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert [each["id"] for each in Axe().run(page).response["violations"]] == []
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the differences"
    page.get_by_label("Show only rows with the words").fill("blurred")
    assert page.get_by_role("status").inner_text() == "Rows: 1"
    assert page.locator(".rows li").count() == 1
    assert complaints == []
    context.close()


def test_paper_says_which_rows_it_lacks(browser: Browser, tmp_path: Path) -> None:
    rows = [difference_page.Row(f"photos/{number}.jpg", "changed") for number in range(300)]
    group = difference_page.Group("changed", "Changed", len(rows), [("photos", len(rows))], rows, by="folder")
    (tmp_path / "page.html").write_text(difference_page.rendered([group], title="Pictures", says=[]))
    page = browser.new_page()
    page.goto((tmp_path / "page.html").as_uri())
    page.emulate_media(media="print")
    assert page.get_by_text("180 more are on the page, and not on paper.").is_visible()
    assert not page.get_by_label("Show only rows with the words").is_visible()
    page.emulate_media(media="screen")
    page.get_by_label("Show only rows with the words").fill("299")
    page.emulate_media(media="print")
    assert page.get_by_label("Show only rows with the words").is_visible(), "else a part would look like the whole"
    assert not page.get_by_text("not on paper").is_visible()
    page.close()
