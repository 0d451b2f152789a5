"""Releasing again: the same inputs give the same bytes, and only what changed is encoded."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import made_project
import polars as pl
import pytest
from made_project import PEOPLE, made_params, make

from mtf.core.errors import GateFailed
from mtf.core.project_paths import ProjectPaths
from mtf.release import folders


def line_of(captured: str) -> str:
    return next(line for line in captured.splitlines() if "encoded" in line)


def rewrite(path: Path, *columns: pl.Expr) -> None:
    pl.read_parquet(path).with_columns(*columns).write_parquet(path)


def test_the_same_inputs_give_the_same_bytes_on_another_path(tmp_path: Path, files_of):
    for name in ("one", "another place/two"):
        made_project.release(make(tmp_path / name), made_params())
    one, two = (files_of(tmp_path / name / "build/release") for name in ("one", "another place/two"))
    assert one.keys() == two.keys()
    assert [path for path in one if one[path] != two[path]] == []


def test_nothing_is_encoded_when_nothing_changed(released: ProjectPaths, files_of, capsys):
    before = files_of(released.stage("release"))
    capsys.readouterr()
    made_project.release(released, made_params())
    assert "0 encoded, 0 files removed" in line_of(capsys.readouterr().out)
    assert files_of(released.stage("release")) == before


def test_only_a_changed_identity_is_encoded_again(released: ProjectPaths, capsys):
    make(released.root, people=made_project.changed(PEOPLE, "bo.b", faces=6))
    capsys.readouterr()
    made_project.release(released, made_params())
    assert "7 encoded, 0 files removed" in line_of(capsys.readouterr().out)


def test_another_split_moves_files_without_encoding_them(released: ProjectPaths, capsys):
    other = {"train": "test", "test": "train", "val": "val"}
    rewrite(released.table("split", "splits"), pl.col("split").replace(other))
    capsys.readouterr()
    made_project.release(released, made_params())
    assert "0 encoded" in line_of(capsys.readouterr().out)
    paths = list((released.stage("release") / "multi_task").rglob("*.jpg"))
    assert len(paths) == 15
    assert sum(path.is_relative_to(released.stage("release") / "multi_task/Test") for path in paths) == 9


def test_a_release_made_step_by_step_is_the_one_made_at_once(tmp_path: Path, released: ProjectPaths, files_of):
    people = made_project.changed(made_project.without(PEOPLE, "ada"), "bo.b", faces=6)
    made_project.release(make(released.root, people=people), made_params())
    made_project.release(make(tmp_path / "at once", people=people), made_params())
    assert files_of(released.stage("release")) == files_of(tmp_path / "at once/build/release")


def test_the_files_of_an_identity_that_left_are_removed(released: ProjectPaths, files_of):
    made_project.release(make(released.root, people=made_project.without(PEOPLE, "ada")), made_params())
    left = files_of(released.stage("release"))
    assert not any("/ada/" in path or "Asian_indian" in path for path in left)
    assert not any(path.is_dir() and not any(path.iterdir()) for path in released.stage("release").rglob("*"))


def test_a_variant_no_longer_asked_for_is_removed(released: ProjectPaths):
    made_project.release(released, made_params(release={"variants": ["single_task"]}))
    root = released.stage("release")
    assert not (root / "multi_task").exists() and not (root / "non_curated").exists()
    assert (root / "metadata.csv").read_text().count("single_task/") == 15
    assert not (root / "metadata_non_curated.csv").exists()


def test_a_damaged_published_file_is_made_again(released: ProjectPaths, files_of):
    before = files_of(released.stage("release"))
    victim = next((released.stage("release") / "multi_task").rglob("*.jpg"))
    victim.write_bytes(victim.read_bytes()[:-1] + b"\0")  # all its links, as they are one file
    made_project.release(released, made_params())
    assert files_of(released.stage("release")) == before


def test_links_broken_by_a_checkout_are_left_as_they_are(released: ProjectPaths, files_of, capsys):
    before = files_of(released.stage("release"))
    for path in released.stage("release").rglob("*.jpg"):
        data = path.read_bytes()
        path.unlink()
        path.write_bytes(data)
    capsys.readouterr()
    made_project.release(released, made_params())
    assert "0 encoded" in line_of(capsys.readouterr().out)
    assert files_of(released.stage("release")) == before


def test_another_size_encodes_everything(released: ProjectPaths, capsys):
    capsys.readouterr()
    made_project.release(released, made_params(release={"size_px": 32}))
    assert "18 encoded" in line_of(capsys.readouterr().out)


def test_without_hard_links_files_are_copied(project: ProjectPaths, monkeypatch, files_of):
    def refused(*_: object) -> None:
        raise OSError("no hard links here")

    monkeypatch.setattr(folders.os, "link", refused)
    made_project.release(project, made_params())
    root = project.stage("release")
    assert len(list(root.rglob("*.jpg"))) == 93
    assert all(path.stat().st_nlink == 1 for path in root.rglob("*.jpg"))


@pytest.mark.parametrize(
    ("change", "code", "reason"),
    [
        ({"license": pl.lit("CC-BY-NC-4.0")}, "not_permitted", "CC-BY-NC-4.0 is not permitted"),
        ({"opt_out": pl.lit("x-robots-tag: noai")}, "opted_out", "x-robots-tag: noai"),
        ({"stated": pl.lit("contradiction")}, "contradiction", "contradicting statements"),
        ({"creator": pl.lit(None)}, "missing_attribution", "not known: the author"),
    ],
)
def test_a_picture_that_may_not_be_published_stops_the_release(project: ProjectPaths, change, code, reason):
    one = pl.col("url") == "https://pictures.example/ada/2.jpg"
    columns = [pl.when(one).then(value).otherwise(name).alias(name) for name, value in change.items()]
    rewrite(project.table("crawl", "evidence"), *columns)
    image_id = made_project.digest("ada", 2)[:12]
    with pytest.raises(GateFailed, match=rf"\(1 {code}.*ada/{image_id} \(.*{reason}"):
        made_project.release(project, made_params())
    assert not project.stage("release").exists()


def test_a_picture_without_evidence_stops_the_release(project: ProjectPaths):
    path = project.table("crawl", "evidence")
    pl.read_parquet(path).filter(pl.col("identity") != "nul").write_parquet(path)
    with pytest.raises(GateFailed, match=r"\(6 no_evidence\)"):
        made_project.release(project, made_params())


def test_a_picture_that_was_taken_down_stops_the_release(project: ProjectPaths):
    header = "added_at,kind,value,reason,requested_by,reference"
    project.takedowns.write_text(f"{header}\n2024-05-01,identity,ada,asked,herself,1\n")
    with pytest.raises(GateFailed, match=r"6 taken_down_present.*a takedown names its identity"):
        made_project.release(project, made_params())


def test_evidence_that_is_too_old_stops_the_release(project: ProjectPaths):
    checked = pl.lit(datetime(2020, 1, 1, tzinfo=UTC)).cast(pl.Datetime("us", "UTC"))
    rewrite(project.table("crawl", "evidence"), checked.alias("checked_at"))
    with pytest.raises(GateFailed, match="18 evidence_too_old"):
        made_project.release(project, made_params(licenses={"max_evidence_age_days": 30}))


def test_a_license_that_the_pictures_forbid_stops_the_release(project: ProjectPaths):
    for stage, name in (("split", "splits"), ("curate", "non_curated"), ("crawl", "evidence")):
        rewrite(project.table(stage, name), pl.lit("CC-BY-SA-4.0").alias("license"))
    with pytest.raises(GateFailed, match=r"18 share_alike.*CC-BY-SA-4.0 is share-alike.*the release bears CC-BY-4.0"):
        made_project.release(project, made_params(release={"license": "CC-BY-4.0"}))
    made_project.release(project, made_params())


def test_a_stranger_of_the_non_curated_set_does_not_stop_a_release_without_it(project: ProjectPaths):
    stranger = pl.col("url").str.ends_with("/5.jpg")
    opt_out = pl.when(stranger).then(pl.lit("meta-robots: noai"))
    rewrite(project.table("crawl", "evidence"), opt_out.alias("opt_out"))
    made_project.release(project, made_params(release={"variants": ["multi_task"]}))
    with pytest.raises(GateFailed, match="3 opted_out"):
        made_project.release(project, made_params())


def test_the_record_of_what_was_published_is_no_part_of_the_release(released: ProjectPaths):
    assert released.table("released", "files").is_file()
    assert json.loads(released.metrics("release").read_text())["multi_task"]["files"] == 15
