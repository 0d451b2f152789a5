"""FairFace's label file went through a spreadsheet: the contract catches it, the import repairs it and says so."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from mtf import config as typed
from mtf.config import Params
from mtf.core.errors import BadInput
from mtf.datasets import fairface, labelled, project_files
from mtf.schemas import ContractViolated, roster_file

HEADER = "file,age,gender,race,service_test\n"


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    path = tmp_path / "labels.csv"
    path.write_text(
        HEADER
        + "train/3.jpg,03-Sep,Female,Black,FALSE\n"
        + "train/5.jpg,20-29,Female,Indian,TRUE\n"
        + "train/7.jpg,Oct-19,Male,Latino_Hispanic,TRUE\n"
    )
    return path


def test_the_contract_catches_age_groups_that_became_dates(labels: Path) -> None:
    with pytest.raises(ContractViolated) as violation:
        labelled.checked([*fairface.read_labels(labels).values()], fairface.ATTRIBUTES, where=labels.name)
    assert violation.value.failures["failure_case"].sort().to_list() == ["03-Sep", "Oct-19"]
    assert "labels.csv: 2 cases break the contract" in str(violation.value)


def test_the_import_repairs_them_and_says_so(labels: Path) -> None:
    data_set = fairface.load(labels)
    assert data_set.pictures["age"].to_list() == ["3-9", "20-29", "10-19"]
    assert data_set.summary() == [
        "fairface: 3 pictures, CC-BY-4.0 (Kimmo Kärkkäinen and Jungseock Joo)",
        "age '03-Sep' is '3-9', corrected in 1 row",
        "age 'Oct-19' is '10-19', corrected in 1 row",
        "labels.csv: not read: service_test",
    ]


def test_other_damage_is_not_guessed_at(labels: Path) -> None:
    labels.write_text(labels.read_text().replace("20-29", "Mar-29"))
    with pytest.raises(ContractViolated, match="Mar-29"):
        fairface.load(labels)


def test_labels_that_nobody_published_are_named_by_the_rows_that_a_spreadsheet_shows(labels: Path) -> None:
    labels.write_text(labels.read_text() + ",,,,\ntrain/8.jpg,Mar-29,Male,Black,TRUE\n")
    with pytest.raises(ContractViolated, match=r"age row 6: .*Mar-29") as violation:
        fairface.load(labels)
    assert violation.value.failures["index"].to_list() == [6]


def test_a_label_without_its_picture_is_left_out_and_counted(labels: Path) -> None:
    data_set = fairface.load(labels, files=["train/3.jpg", "train/7.jpg", "README"])
    assert data_set.pictures["file"].to_list() == ["train/3.jpg", "train/7.jpg"]
    assert data_set.summary()[-1] == "left out, a label whose picture is not there: 1"
    with pytest.raises(BadInput, match=r"labels\.csv column file: 'train/3.jpg' is not permitted"):
        fairface.load(labels, files=["fairface/train/3.jpg"])


def test_a_label_file_of_windows_names_the_same_pictures(labels: Path) -> None:
    labels.write_text(labels.read_text().replace("train/", "train\\"))
    pictures = fairface.load(labels).pictures
    assert pictures["file"].to_list() == ["train/3.jpg", "train/5.jpg", "train/7.jpg"]
    assert pictures["part"].unique().to_list() == ["train"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,age,gender\n", r"labels\.csv row 1: missing column race"),
        (HEADER + "train/3.jpg,0-2,Female\n", r"labels\.csv row 2: 3 values where the header has 5 columns"),
        (HEADER + 'train/3.jpg,"0-2,Female,Black,x\n', r"labels\.csv row 2: not readable as CSV"),
    ],
)
def test_a_bad_label_file_is_named_by_row(labels: Path, text: str, message: str) -> None:
    labels.write_text(text)
    with pytest.raises(BadInput, match=message):
        fairface.load(labels)


def test_the_roster_it_writes_is_one_the_crawl_reads(labels: Path, tmp_path: Path, sample_params: Params) -> None:
    data_set = fairface.load(labels)
    with (tmp_path / "roster.csv").open("w", newline="") as file:
        csv.writer(file).writerows(project_files.roster_table(data_set))
    raw = sample_params.model_dump(mode="json")
    raw["tasks"] = {
        name: {"column": name, "labels": names, "per_identity": False} for name, names in fairface.ATTRIBUTES.items()
    }
    raw["train"]["tasks"] = raw["multitask"]["tasks"] = ["race", "gender", "age"]
    people = roster_file.load(tmp_path / "roster.csv", typed.parse(raw))
    assert people["identity"].to_list() == ["fairface-train-3", "fairface-train-5", "fairface-train-7"]
    assert people["files"].to_list() == ["train/3.jpg", "train/5.jpg", "train/7.jpg"]
    assert people["age"].to_list() == ["3-9", "20-29", "10-19"]
