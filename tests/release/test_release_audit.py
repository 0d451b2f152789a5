"""The audit that a release carries: the one that `mtf audit release` prints, whenever it is asked."""

import io
import json
from datetime import date
from pathlib import Path

import jsonschema
import made_project
import polars as pl
import pytest

from mtf import config
from mtf.core.errors import GateFailed
from mtf.core.project_paths import ProjectPaths
from mtf.rights import attribution
from mtf.rights.audit import report, run
from mtf.schemas import takedown_file

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "audit-schema.json").read_text())


def audited(workspace: ProjectPaths, *, today: date) -> str:
    text = io.StringIO()
    subject = run.Subject(workspace, config.load(workspace.params), today)
    report.write_json(run.run(subject, run.Scope.RELEASE), text)
    return text.getvalue()


def test_a_release_carries_the_audit_of_its_pictures_with_the_day_of_their_evidence(released: ProjectPaths):
    carried = (released.stage("release") / "audit.json").read_text()
    assert carried == audited(released, today=date(2031, 1, 1))
    found = json.loads(carried)
    jsonschema.validate(found, SCHEMA)
    assert found["compliant"] and found["findings"] == [] and found["summary"]["pictures"] > 0
    shown = pl.read_parquet(released.table("split", "splits")).select("identity", "image_id")
    evidence = pl.read_parquet(released.table("crawl", "evidence")).join(shown, on=["identity", "image_id"], how="semi")
    assert found["evidence_as_of"] >= str(evidence["checked_at"].max())[:10]


def test_an_author_that_somebody_found_lets_the_release_be_built_and_is_credited(project: ProjectPaths):
    path = project.table("crawl", "evidence")
    known = pl.read_parquet(path)
    page = known["page_url"][0]
    known.with_columns(creator=pl.when(pl.col("page_url") != page).then("creator")).write_parquet(path)
    with pytest.raises(GateFailed, match=r"1 missing_attribution.*`mtf audit release --planned` lists all of them"):
        made_project.release(project, made_project.made_params())
    found = f"2026-05-01,page,{page},Found Author,https://author.example/,,,reviewer-1,their own site"
    project.attribution.write_text(f"{','.join(attribution.COLUMNS)}\n{found}\n")
    made_project.release(project, made_project.made_params())
    assert "[Found Author](<https://author.example/>)" in (project.stage("release") / "CREDITS.md").read_text()
    assert json.loads((project.stage("release") / "audit.json").read_text())["compliant"] is True


def test_a_takedown_after_the_release_is_found_in_it(released: ProjectPaths):
    pictures = pl.read_parquet(released.table("split", "splits"))
    taken = pictures["image_id"].sort()[0]
    header = ",".join(takedown_file.COLUMNS)
    released.takedowns.parent.mkdir(exist_ok=True)
    released.takedowns.write_text(f"{header}\n2026-05-01,image_id,{taken},asked,the person,1\n")
    found = json.loads(audited(released, today=date(2026, 6, 1)))
    assert {each["image_id"] for each in found["findings"] if each["code"] == "taken_down_present"} == {taken}
    # The stages before the release have left it out, and the release was not built again.
    faces = pl.read_parquet(released.table("crop", "faces"))
    faces.filter(pl.col("image_id") != taken).write_parquet(released.table("crop", "faces"))
    found = json.loads(audited(released, today=date(2026, 6, 1)))
    assert not found["compliant"] and found["summary"]["by_code"]["unknown_face"] > 0


def test_a_picture_that_was_found_for_two_people_is_audited_as_the_one_it_is_published_as(released: ProjectPaths):
    before = json.loads(audited(released, today=date(2031, 1, 1)))["summary"]["pictures"]
    shown = pl.read_parquet(released.table("split", "splits")).row(0, named=True)
    for path, keys in [(released.table("crop", "faces"), ["face_id"]), (released.table("crawl", "evidence"), [])]:
        table = pl.read_parquet(path)
        same = {name: shown[name] for name in ("identity", "image_id", *keys)}
        another = table.filter(**same).with_columns(identity=pl.lit("another-person"))
        pl.concat([table, another]).write_parquet(path)
    assert json.loads(audited(released, today=date(2031, 1, 1)))["summary"]["pictures"] == before
    (released.stage("release") / "URL_of_original_images.csv").unlink()  # nobody says as whom: both finds count
    assert json.loads(audited(released, today=date(2031, 1, 1)))["summary"]["pictures"] == before + 1
