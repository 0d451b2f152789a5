"""The release as Croissant describes it, read by MLCommons' own library."""

from __future__ import annotations

import io
import json
from pathlib import Path

import mlcroissant as mlc
import polars as pl
import pytest
from PIL import Image, ImageChops

from mtf.workspace import Workspace


@pytest.fixture(scope="module")
def croissant(data_set: Workspace) -> mlc.Dataset:
    return mlc.Dataset(jsonld=str(data_set.stage("release") / "croissant.json"))


@pytest.fixture(scope="module")
def document(data_set: Workspace) -> dict:
    return json.loads((data_set.stage("release") / "croissant.json").read_text())


def test_it_is_valid_croissant_1_1_with_the_responsible_ai_vocabulary(croissant: mlc.Dataset, document: dict):
    assert croissant.metadata.ctx.is_v1_1()
    assert not croissant.metadata.ctx.issues.errors
    assert document["conformsTo"][1] == "http://mlcommons.org/croissant/RAI/1.0"
    assert croissant.metadata.version == "0.1.0"


def test_its_table_has_the_faces_of_the_release(croissant: mlc.Dataset, data_set: Workspace):
    table = pl.read_parquet(data_set.stage("release") / "metadata.parquet")
    records = [
        {name.split("/")[1]: value and value.decode() for name, value in record.items()}
        for record in croissant.records("faces")
    ]
    assert sorted(records, key=lambda row: row["file"]) == table.sort("file").to_dicts()


def test_its_pictures_are_the_release_pictures_with_their_labels(croissant: mlc.Dataset, data_set: Workspace):
    root = data_set.stage("release")
    table = {row["file"]: row for row in pl.read_parquet(root / "metadata.parquet").iter_rows(named=True)}
    records = list(croissant.records("labelled_pictures"))
    assert len(records) == len(table) == 15
    for record in records:
        file = record["labelled_pictures/file"].decode()
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
    assert "gender: the most frequent label is Males 66.7 % of the images" in document["rai:dataBiases"][1]
    assert document["rai:dataReleaseMaintenancePlan"].endswith("https://example.org/contact")
    assert document["license"] == [
        "https://creativecommons.org/licenses/by-sa/4.0/",
        "https://creativecommons.org/licenses/by/4.0/",
    ]


def test_its_checksum_is_that_of_the_table(document: dict, data_set: Workspace):
    sums = (data_set.stage("release") / "SHA256SUMS").read_text()
    assert f"{document['distribution'][0]['sha256']}  metadata.parquet" in sums


def test_nothing_that_nobody_said_is_in_it(document: dict):
    assert not {"citeAs", "datePublished", "publisher", "creator", "rai:dataSocialImpact"} & document.keys()
    assert Path(document["distribution"][0]["contentUrl"]) == Path("metadata.parquet")
