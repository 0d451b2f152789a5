"""The release as Croissant describes it, read by MLCommons' own library."""

from __future__ import annotations

import io
import json
from pathlib import Path

import made_project
import mlcroissant as mlc
import polars as pl
import pytest
import rdflib
from made_project import made_params
from PIL import Image, ImageChops

from mtf.core.project_paths import ProjectPaths


@pytest.fixture(scope="module")
def croissant(data_set: ProjectPaths) -> mlc.Dataset:
    return mlc.Dataset(jsonld=str(data_set.stage("release") / "croissant.json"))


@pytest.fixture(scope="module")
def document(data_set: ProjectPaths) -> dict:
    return json.loads((data_set.stage("release") / "croissant.json").read_text())


def test_it_is_valid_croissant_1_1_with_the_responsible_ai_vocabulary(croissant: mlc.Dataset, document: dict):
    assert croissant.metadata.ctx.is_v1_1()
    assert not croissant.metadata.ctx.issues.errors
    assert document["conformsTo"][1] == "http://mlcommons.org/croissant/RAI/1.0"
    assert croissant.metadata.version == "0.1.0"


def test_with_a_day_of_publication_the_library_has_nothing_to_warn_of(project: ProjectPaths):
    project.card.parent.mkdir(exist_ok=True)
    project.card.write_text("published: 2026-05-01\n")
    made_project.release(project, made_params())
    opened = mlc.Dataset(jsonld=str(project.stage("release") / "croissant.json"))
    assert (opened.metadata.ctx.issues.errors, opened.metadata.ctx.issues.warnings) == (set(), set())


def test_every_folder_with_pictures_is_described_with_its_counts(data_set: ProjectPaths, document: dict):
    root = data_set.stage("release")
    sets = {each["includes"]: each for each in document["distribution"] if each["@type"] == "cr:FileSet"}
    found = {pattern: len(list(root.glob(pattern))) for pattern in sets}
    assert sum(found.values()) == len(list(root.rglob("*.jpg"))) == 93
    assert all(f" {found[pattern]} files." in each["description"] for pattern, each in sets.items())
    record_sets = {each["name"]: each for each in document["recordSet"]}
    assert set(record_sets) == {
        "faces", "labelled_pictures", "labelled_non_curated", "face_recognition", "race_classification",
        "gender_classification", "age_classification", "splits",
    }  # fmt: skip


def test_the_pictures_of_a_task_and_of_the_non_curated_set_have_their_labels(
    croissant: mlc.Dataset, data_set: ProjectPaths
):
    table = pl.read_parquet(data_set.stage("release") / "metadata_non_curated.parquet")
    genders = dict(table.select("file_name", "gender").iter_rows())
    records = list(croissant.records("labelled_non_curated"))
    found = {each["labelled_non_curated/file_name"].decode(): each for each in records}
    assert {file: each["labelled_non_curated/gender"].decode() for file, each in found.items()} == genders
    for record in croissant.records("gender_classification"):
        path = record["gender_classification/file_name"].decode().split("/")
        assert record["gender_classification/label"].decode() == path[-2]
        assert record["gender_classification/split_folder"].decode() == path[-3]


def test_the_page_holds_the_description_as_json_ld_and_escapes_what_people_wrote(project: ProjectPaths):
    made_project.release(project, made_params(project={"title": "</script><b>People"}))
    text = (project.stage("release") / "index.html").read_text(encoding="utf-8")
    assert "<b>" not in text and text.count("</script>") == 1
    held = text.split('<script type="application/ld+json">')[1].split("</script>")[0]
    assert json.loads(held) == read(project)
    graph = rdflib.Graph().parse(data=held, format="json-ld")
    data_set = graph.value(predicate=rdflib.RDF.type, object=rdflib.SDO.Dataset)
    assert graph.value(data_set, rdflib.SDO.alternateName, None) is not None
    assert {str(each) for each in graph.objects(data_set, rdflib.SDO.license)}


def test_its_table_has_the_faces_of_the_release(croissant: mlc.Dataset, data_set: ProjectPaths):
    table = pl.read_parquet(data_set.stage("release") / "metadata.parquet")
    records = [
        {name.split("/")[1]: value and value.decode() for name, value in record.items()}
        for record in croissant.records("faces")
    ]
    assert sorted(records, key=lambda row: row["file_name"]) == table.sort("file_name").to_dicts()


def test_its_pictures_are_the_release_pictures_with_their_labels(croissant: mlc.Dataset, data_set: ProjectPaths):
    root = data_set.stage("release")
    table = {row["file_name"]: row for row in pl.read_parquet(root / "metadata.parquet").iter_rows(named=True)}
    records = list(croissant.records("labelled_pictures"))
    assert len(records) == len(table) == 15
    for record in records:
        file = record["labelled_pictures/file_name"].decode()
        same = Image.open(io.BytesIO((root / file).read_bytes())).convert("RGB")
        assert ImageChops.difference(record["labelled_pictures/image"], same).getbbox() is None
        for label in ("identity", "race", "gender", "age", "license"):
            assert record[f"labelled_pictures/{label}"].decode() == table[file][label]


def test_it_says_how_the_data_came_about_from_the_tables(document: dict):
    assert "18 addresses were found; 18 pictures were stored" in document["rai:dataCollection"]
    assert document["rai:dataCollectionMissingData"] == (
        "after the step identity 15 faces are left (3 wrong person left out)"
    )
    assert document["rai:dataAnnotationAnalysis"] == ["identity: faces 18, raw 0.96, kappa 0.91, alpha 0.91"]
    assert "gender: the most frequent label is Males 66.7 % of the faces" in document["rai:dataBiases"][1]
    assert document["rai:dataReleaseMaintenancePlan"].endswith("https://example.org/contact")
    assert document["license"] == [
        "https://creativecommons.org/licenses/by-sa/4.0/",
        "https://creativecommons.org/licenses/by/4.0/",
    ]


def test_its_checksum_is_that_of_the_table(document: dict, data_set: ProjectPaths):
    sums = (data_set.stage("release") / "SHA256SUMS").read_text()
    assert f"{document['distribution'][0]['sha256']}  metadata.parquet" in sums


def test_nothing_that_nobody_said_is_in_it(document: dict):
    assert not {"datePublished", "publisher", "creator", "rai:dataSocialImpact"} & document.keys()
    assert Path(document["distribution"][0]["contentUrl"]) == Path("metadata.parquet")


def test_labels_are_marked_as_labels_and_the_split_as_a_split(document: dict):
    fields = {field["name"]: field["dataType"] for field in document["recordSet"][1]["field"]}
    for label in ("race", "gender", "age", "identity"):
        assert fields[f"labelled_pictures/{label}"] == ["sc:Text", "cr:Label"]
    assert fields["labelled_pictures/license"] == "sc:Text"
    faces = {field["name"]: field["dataType"] for field in document["recordSet"][0]["field"]}
    assert faces["faces/split"] == ["sc:Text", "cr:Split"]


def test_a_mail_address_is_no_page_of_the_data_set(project: ProjectPaths):
    made_project.release(project, made_params(project={"contact": "mailto:made-up@example.org"}))
    described = read(project)
    assert "url" not in described
    assert described["rai:dataReleaseMaintenancePlan"].endswith("mailto:made-up@example.org")
    assert not mlc.Dataset(jsonld=str(project.stage("release") / "croissant.json")).metadata.ctx.issues.errors


def test_pictures_are_found_at_every_depth(document: dict):
    assert document["distribution"][1]["includes"] == "multi_task/**/*.jpg"


def test_what_nobody_reviewed_is_not_said_to_be_reviewed(project: ProjectPaths):
    made_project.release(project, made_params(curate={"mode": "non_curated"}))
    described = read(project)
    assert described["description"] == (
        "Made-up people: 15 licensed faces of 3 people, which no person has reviewed, "
        "labelled by race, gender, age, identity. Besides, 18 automatic crops that nobody has reviewed."
    )
    assert described["rai:dataAnnotationProtocol"] == (
        "Labels come from the roster; nobody has compared them with the pictures."
    )
    assert not {"rai:annotationsPerItem", "rai:dataAnnotationAnalysis"} & described.keys()
    assert described["rai:dataCollectionType"] == ["Others"]
    sheet = (project.stage("release") / "DATASHEET.md").read_text()
    assert "passed the review" not in sheet and "reviewers judge" not in sheet and "reviewers accepted" not in sheet


@pytest.mark.parametrize(
    ("source", "kind"),
    [("bing", "Web Scraping"), ("commons", "Web API"), ("folder", "Others"), ("utkface", "Secondary Data Analysis")],
)
def test_how_it_was_collected_follows_from_its_sources(project: ProjectPaths, source: str, kind: str):
    path = project.table("crawl", "images")
    pl.read_parquet(path).with_columns(source=pl.lit(source)).write_parquet(path)
    made_project.release(project, made_params())
    assert read(project)["rai:dataCollectionType"] == [kind, "Manual Human Curator"]
    sheet = (project.stage("release") / "DATASHEET.md").read_text()
    assert ("A crawler that honours the opt-outs" in sheet) == (source in ("bing", "commons"))


def test_it_says_under_which_licenses_the_pictures_stand_and_that_these_are_no_consent(document: dict):
    assert document["rai:dataCollection"].endswith("Licenses of the published pictures: 18 CC-BY-4.0.")
    assert "is not the consent of the person in it" in document["rai:personalSensitiveInformation"][-1]


def test_a_release_of_the_non_curated_set_alone_is_described_too(project: ProjectPaths):
    made_project.release(project, made_params(release={"variants": ["non_curated"]}))
    root = project.stage("release")
    data = mlc.Dataset(jsonld=str(root / "croissant.json"))
    assert len(list(data.records("labelled_pictures"))) == 18
    described = read(project)
    assert "18 licensed faces of 3 people, which no person has reviewed" in described["description"]
    assert [each["name"] for each in described["recordSet"]] == ["faces", "labelled_pictures"]


def read(project: ProjectPaths) -> dict:
    return json.loads((project.stage("release") / "croissant.json").read_text())
