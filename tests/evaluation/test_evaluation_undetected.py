"""Test pictures without a detected face: listed by curate, shared out by split, counted or left out by evaluate."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from mtf import schemas
from mtf.config import Evaluation, Params
from mtf.core.project_paths import ProjectPaths
from mtf.evaluation import metrics, undetected_pictures
from mtf.evaluation.undetected_pictures import UndetectedPictures
from mtf.pipeline import curate, evaluate, split, train
from mtf.schemas import DetectionOutcome
from training_project import PEOPLE, write_project

sys.path.insert(0, str(Path(__file__).parents[1] / "curation"))
from made_faces import Face, project
from made_faces import params as curation_params


def picture(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def counting(params: Params, counted_as: str) -> Params:
    return params.model_copy(update={"evaluation": Evaluation(undetected=counted_as)})


def without_face(workspace: ProjectPaths, params: Params, *identities: str) -> None:
    """Write the test pictures in which nobody was found, two of each of these people."""
    rows = [
        {"identity": identity, "image_id": picture(f"{identity} {number}")}
        | dict(zip(("race", "gender", "age"), PEOPLE[identity], strict=True))
        for identity in identities
        for number in range(2)
    ]
    schemas.write(schemas.undetected(params), rows, workspace.table("split", "undetected"))


def test_images_without_a_face_are_listed_with_labels_if_they_may_be_used(tmp_path: Path) -> None:
    params = curation_params(curate={"mode": "non_curated", "min_images_per_identity": 1})
    licensed = [Face(f"{number}") for number in range(8)]
    refused = Face("refused", evidence={"license": "CC-BY-NC-4.0"})
    removed = Face("removed", url="https://pictures.example/removed.jpg")
    request = "2026-01-01,picture,https://pictures.example/removed.jpg,asked,owner,R-1\n"
    workspace = project(tmp_path, [*licensed, refused, removed], takedowns=request)
    # Of the first two, of the refused and of the removed image, the detector found nothing.
    blank = {face.image_id for face in (*licensed[:2], refused, removed)}
    for stage, table in (("crop", schemas.FACES), ("screen", schemas.SCREENING)):
        path = workspace.table(stage, table.name)
        schemas.write(table, schemas.read(table, path).filter(~pl.col("image_id").is_in(blank)), path)
    rows = [
        {"identity": face.identity, "image_id": face.image_id, "outcome": str(outcome), "faces": int(not missed)}
        for face in (*licensed, refused, removed)
        for missed in [face.image_id in blank]
        for outcome in [DetectionOutcome.NO_FACE if missed else DetectionOutcome.CROPPED]
    ]
    schemas.write(schemas.DETECTIONS, rows, workspace.table("crop", "detections"))
    curate.run(workspace, params)
    found = schemas.read(schemas.undetected(params), workspace.table("curate", "undetected"))
    assert set(found["image_id"]) == {face.image_id for face in licensed[:2]}
    assert found.select("race", "gender", "age").unique().rows() == [("Blue", "Females", "Young")]


def test_the_test_part_has_its_share_of_the_images_without_a_face(tmp_path: Path) -> None:
    params = curation_params(curate={"mode": "non_curated", "min_images_per_identity": 1})
    workspace = project(tmp_path, [Face(f"{number}") for number in range(12)])
    curate.run(workspace, params)
    labels = {"race": "Blue", "gender": "Females", "age": "Young"}
    rows = [{"identity": "ada", "image_id": picture(f"{number}")} | labels for number in range(2000)]
    rows.append({"identity": "eve", "image_id": picture("0")} | labels)
    table = schemas.undetected(params)
    schemas.write(table, rows, workspace.table("curate", "undetected"))
    split.run(workspace, params)
    chosen = schemas.read(table, workspace.table("split", "undetected"))
    assert set(chosen["identity"]) == {"ada"}, "nobody who is not in the data set"
    assert chosen.height / 2000 == pytest.approx(0.3 * 0.8, abs=0.03)
    split.run(workspace, params)
    assert schemas.read(table, workspace.table("split", "undetected")).equals(chosen)


@pytest.mark.train
def test_they_count_as_errors_or_are_left_out_and_every_table_says_which(
    tmp_path: Path, sample_params: Params, capsys: pytest.CaptureFixture[str]
) -> None:
    short = {"learning_rate": 0.01, "max_epochs": 2, "patience": 2, "batch": 16, "optimizer": "adamw"}
    workspace, params = write_project(
        tmp_path, sample_params, tasks=["gender"], recipe="short", recipes={"short": short}
    )
    train.run(workspace, params, model="small_cnn", task="gender")
    without_face(workspace, params, "ada", "cleo", "eve")
    measured: dict[str, dict[str, Any]] = {}
    for counted_as, words in (("leave_out", "they are left out"), ("error", "they count as errors")):
        evaluate.run(workspace, counting(params, counted_as))
        measured[counted_as] = json.loads(workspace.metrics("evaluate").read_text())["gender"]["small_cnn"]
        said = f"Test pictures without a detected face: 6 of 24; {words}."
        assert undetected_pictures.statement(workspace) == said
        assert said in capsys.readouterr().out
        assert said in (workspace.stage("evaluate") / "cards/small_cnn/gender.md").read_text()
        groups = json.loads(workspace.metrics("fairness/models/small_cnn/gender").read_text())["gender"]["groups"]
        assert groups["Females"]["n"] == 9 + 6 * (counted_as == "error")
        assert groups["Males"]["n"] == 9
    right = measured["leave_out"]["accuracy"] * 18
    assert measured["error"]["accuracy"] == pytest.approx(right / 24, abs=1e-3)
    predictions = schemas.read(schemas.PREDICTIONS, workspace.table("evaluate", "predictions"))
    assert predictions.height == 18, "the table of predictions has faces alone"


def test_no_answer_is_wrong_for_its_label_and_no_label_of_its_own() -> None:
    targets, predicted = pl.Series([0, 0, 1, 1]).to_numpy(), pl.Series([0, -1, 1, 1]).to_numpy()
    assert metrics.scores(targets, predicted) == {"accuracy": 0.75, "precision": 1.0, "recall": 0.75, "f1": 0.8333}


def test_a_split_of_an_older_version_has_none(tmp_path: Path, sample_params: Params) -> None:
    workspace, params = write_project(tmp_path, sample_params)
    splits = schemas.read(schemas.splits(params), workspace.table("split", "splits"))
    found = UndetectedPictures.read(workspace, counting(params, "error"), splits)
    assert found.targets(["race"], ["Amber"]).tolist() == []
    assert found.statement == "Test pictures without a detected face: 0 of 18; they count as errors."
    assert undetected_pictures.statement(workspace) is None
