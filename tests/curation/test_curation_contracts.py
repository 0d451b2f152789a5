"""A table that breaks its contract stops the command: exit 1, the first cases on the screen, all of them in a file."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
import yaml
from made_faces import Face, params, project

from mtf import schemas
from mtf.core.project_paths import ProjectPaths
from mtf.pipeline import curate
from projects import ROOT, mtf

FACES = [Face(f"{identity} {number}", identity=identity) for identity in ("ada", "bob") for number in range(20)]


def curated(root: Path) -> ProjectPaths:
    """A project whose stages up to `curate` have run, in the non_curated mode."""
    workspace = project(root, FACES)
    raw = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    raw["curate"]["mode"] = "non_curated"
    workspace.params.write_text(yaml.safe_dump(raw), encoding="utf-8")
    curate.run(workspace, params(curate={"mode": "non_curated"}))
    return workspace


def failures(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_table_that_breaks_its_contract_stops_the_stage_that_reads_it(tmp_path: Path) -> None:
    workspace = curated(tmp_path / "project")
    path = workspace.table("curate", "curated")
    sound = pl.read_parquet(path)
    sound.with_columns(age=pl.lit("Ancient")).write_parquet(path)
    done = mtf(workspace.root, "split")
    assert done.returncode == 1
    assert "curated.parquet: 40 cases break the contract" in done.stderr
    assert done.stderr.count("Ancient") == 10, "the first ten cases are shown"
    kept = workspace.root / "build" / "curate.curated.failures.jsonl"
    assert f"all of them: {kept}" in done.stderr
    assert [(case["column"], case["failure_case"], case["index"]) for case in failures(kept)] == [
        ("age", "Ancient", row) for row in range(40)
    ]
    assert not workspace.table("split", "splits").exists()

    sound.write_parquet(path)
    assert mtf(workspace.root, "split").returncode == 0
    assert not kept.exists(), "what was mended is no longer listed"


def test_rows_that_refer_to_nothing_stop_the_stage_and_are_all_listed(tmp_path: Path) -> None:
    workspace = curated(tmp_path / "project")
    rows = workspace.roster.read_text().splitlines(keepends=True)
    workspace.roster.write_text("".join(row for row in rows if not row.startswith("bob")))
    done = mtf(workspace.root, "curate")
    assert done.returncode == 1
    assert "faces.parquet: 20 cases break the contract (refers_to_parent)" in done.stderr
    assert done.stderr.count("refers_to_parent: bob") == 10
    kept = workspace.root / "build" / "crop.faces.failures.jsonl"
    assert [case["failure_case"] for case in failures(kept)] == ["bob"] * 20


def test_evidence_of_a_picture_that_is_not_there_stops_the_stage(tmp_path: Path) -> None:
    workspace = project(tmp_path / "project", FACES)
    path = workspace.table("crawl", "evidence")
    rows = pl.read_parquet(path)
    pl.concat([rows, rows[:1].with_columns(image_id=pl.lit("f" * 64))]).write_parquet(path)
    with pytest.raises(schemas.ContractViolated, match=r"evidence.parquet: 1 cases break the contract \(refers_to"):
        curate.run(workspace, params(curate={"mode": "non_curated"}))


@pytest.mark.parametrize("table", ["curated", "non_curated", "exclusions"])
def test_a_face_that_was_never_cropped_is_in_no_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    workspace = project(tmp_path / "project", [*FACES, Face("alone", identity="cid")])
    write = curate._write

    def without_its_crop(workspace, contract, rows, faces):
        lost = rows[:1] if contract.name == table else rows.clear()
        write(workspace, contract, rows, faces.join(lost, on=["identity", "face_id"], how="anti"))

    monkeypatch.setattr(curate, "_write", without_its_crop)
    with pytest.raises(schemas.ContractViolated, match=rf"/{table}.parquet: 1 cases break"):
        curate.run(workspace, params(curate={"mode": "non_curated"}))
