"""Trained networks on another labelled set: another project, a folder of categories, a table of labels."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import yaml
from sklearn.metrics import accuracy_score, f1_score
from typer.testing import CliRunner

from mtf import config as typed
from mtf import schemas
from mtf.cli import app
from mtf.comparison import other_set_results
from mtf.config import Params
from mtf.core import clustered_share
from mtf.core.errors import BadInput
from mtf.core.project_paths import ProjectPaths
from mtf.datasets import labelled_folder
from mtf.evaluation import intersections
from mtf.pipeline import multitask, train
from mtf.training import input_cache, trained_network
from training_project import GROUNDS, PEOPLE, drawn, encoded, write_project

QUICK = {"optimizer": "adamw", "learning_rate": 0.01, "max_epochs": 6, "patience": 6, "batch": 16}
ETHNICITIES = {"Amber": "sand", "Blue": "sky", "Green": "leaf", "Violet": "rose"}
MAP = {"race": {"column": "ethnicity", "labels": {"sand": "Amber", "sky": "Blue", "leaf": "Green", "rose": None}}}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, sample_params: Params) -> tuple[ProjectPaths, Params]:
    """A project with a network for gender and one for race, gender and age."""
    root = tmp_path_factory.mktemp("trained")
    workspace, params = write_project(
        root, sample_params, recipe="quick", recipes={"quick": QUICK}, tasks=["gender"], multitask={"recipe": "quick"}
    )
    workspace.params.write_text(yaml.safe_dump(params.model_dump(mode="json")))
    train.run(workspace, params, model="small_cnn", task="gender")
    multitask.run(workspace, params, weighting="equal")
    return workspace, params


@pytest.fixture
def here(trained: tuple[ProjectPaths, Params], monkeypatch: pytest.MonkeyPatch) -> ProjectPaths:
    monkeypatch.chdir(trained[0].root)
    return trained[0]


def asked(*arguments: str) -> dict[str, Any]:
    result = CliRunner().invoke(app, ["evaluate", *arguments, "--json"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def other_project(root: Path, params: Params) -> ProjectPaths:
    """A project with the same pictures under other names of labels, and with pictures of its own."""
    raw = params.model_dump(mode="json")
    raw["tasks"] = {
        "ethnicity": {"column": "ethnicity", "labels": [*ETHNICITIES.values()]},
        "gender": {"column": "gender", "labels": ["Males", "Females"]},
    }
    raw["train"]["tasks"], raw["multitask"]["tasks"] = ["gender"], ["gender"]
    raw["project"]["name"] = "others"
    theirs = typed.parse(raw)
    workspace, _ = write_project(root, params)
    workspace.params.write_text(yaml.safe_dump(theirs.model_dump(mode="json")))
    path = workspace.table("split", "splits")
    ours = schemas.read(schemas.splits(params), path)
    # Other bytes would have another image_id: these are to be pictures that the networks have not seen.
    renamed = ours.with_columns(
        ethnicity=pl.col("race").replace(ETHNICITIES), image_id=pl.col("image_id").str.reverse()
    ).drop("race", "age")
    schemas.write(schemas.splits(theirs), renamed.select(*schemas.splits(theirs).dtypes), path)
    return workspace


@pytest.mark.train
def test_another_project_is_measured_as_scikit_learn_does(
    here: ProjectPaths, trained: tuple[ProjectPaths, Params], tmp_path: Path
) -> None:
    other = other_project(tmp_path / "others", trained[1])
    (here.root / "map.yaml").write_text(yaml.safe_dump(MAP))
    found = asked("--on", str(other.root), "--labels-map", "map.yaml")

    splits = pl.read_parquet(other.table("split", "splits"))
    network = trained_network.load(here.stage("multitask") / "equal" / "model.pt")
    pictures = input_cache.prepare(splits, other.shards("crop"), tmp_path / "cache", size_px=32)
    answers = network.probabilities(pictures)
    back = {theirs: ours for ours, theirs in ETHNICITIES.items() if theirs != "rose"}
    race = splits["ethnicity"].replace_strict(back, default=None)
    known = race.is_not_null().to_numpy()
    predicted = np.array(network.labels["race"])[answers["race"].argmax(axis=1)][known]
    actual = race.drop_nulls().to_numpy()
    measured = found["networks"]["multitask-equal"]["tasks"]
    assert list(measured) == ["race", "gender"]
    assert measured["race"]["n"] == known.sum() == 65
    assert measured["race"]["accuracy"] == round(accuracy_score(actual, predicted), 4)
    assert measured["race"]["f1"] == round(f1_score(actual, predicted, average="macro"), 4)
    genders = np.array(network.labels["gender"])[answers["gender"].argmax(axis=1)]
    by_race = measured["gender"]["by_group"]["race"]["groups"]
    blue = (race == "Blue").fill_null(value=False).to_numpy()
    assert by_race["Blue"]["accuracy"] == round(accuracy_score(splits["gender"].filter(blue), genders[blue]), 4)
    # All attributes at once, over the pictures that have every label.
    both = (predicted == actual) & (genders == splits["gender"].to_numpy())[known]
    assert found["networks"]["multitask-equal"]["all"]["accuracy"] == round(float(both.mean()), 4)
    assert found["networks"]["small_cnn/gender"]["tasks"]["gender"]["n"] == 78
    assert set(found["set"]["left_out"]) > {
        *("race: left out, no label here: rose (13)", "race: no picture of Violet"),
        "age: the other set has no column age",
    }
    assert any("multitask-equal: not measured" in line and line.endswith("age") for line in found["set"]["left_out"])
    assert (here.plots("on") / "others" / "multitask-equal" / "confusion" / "race.json").is_file()


@pytest.mark.train
def test_pictures_that_this_project_learnt_from_are_left_out(
    here: ProjectPaths, trained: tuple[ProjectPaths, Params]
) -> None:
    found = asked("--on", str(here.root))
    assert found["set"]["pictures"] == 18
    assert "left out, learnt from in this project: 60 pictures" in found["set"]["left_out"]
    raw = trained[1].model_dump(mode="json")
    raw["fairness"]["min_people"] = 6
    (here.root / "params.yaml").write_text(yaml.safe_dump(raw))
    gender = asked("--on", str(here.root))["networks"]["small_cnn/gender"]["tasks"]["gender"]
    (here.root / "params.yaml").write_text(yaml.safe_dump(trained[1].model_dump(mode="json")))
    # Three test pictures of each of six people: the interval counts people.
    splits = pl.read_parquet(here.table("split", "splits")).filter(split="test")
    network = trained_network.load(here.stage("models") / "small_cnn" / "gender" / "model.pt")
    pictures = input_cache.prepare(splits, here.shards("crop"), here.root / "cache", size_px=32)
    right = (
        np.array(network.labels["gender"])[network.probabilities(pictures)["gender"].argmax(axis=1)]
        == splits["gender"].to_numpy()
    )
    hits = [int(right[(splits["identity"] == person).to_numpy()].sum()) for person in PEOPLE]
    low, high = clustered_share.interval(hits, [3] * 6, min_clusters=6)
    assert (gender["low"], gender["high"]) == (round(low, 4), round(high, 4))


def categories(folder: Path) -> Path:
    """A folder for each category, such as `Blue/Males_Young`, with two pictures; one folder says nothing."""
    for number, identity in enumerate(PEOPLE):
        race, gender, age = PEOPLE[identity]
        path = folder / race.lower() / f"{gender}_{age}" / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(drawn(identity, 100 + number)))
        path.with_name(f"{number}b.jpg").write_bytes(encoded(drawn(identity, 200 + number)))
    (folder / "extra").mkdir()
    (folder / "extra" / "1.jpg").write_bytes(encoded(drawn("ada", 300)))
    return folder


@pytest.mark.train
def test_a_folder_of_categories_is_measured_for_all_attributes_together(here: ProjectPaths, tmp_path: Path) -> None:
    folder = categories(tmp_path / "befa")
    found = asked("--on", str(folder), "--no-crop")
    assert found["set"]["pictures"] == 12
    assert "left out, no label in the names of its folders: 1" in found["set"]["left_out"]
    network = found["networks"]["multitask-equal"]
    assert {task: figures["n"] for task, figures in network["tasks"].items()} == {"race": 12, "gender": 12, "age": 12}
    shown = CliRunner().invoke(app, ["evaluate", "--on", str(folder), "--no-crop"], env={"COLUMNS": "200"}).output
    # Nobody knows who is who: each picture counts as a person.
    assert shown.count("(cannot be said: 18 more people)") >= 4
    rows = network["categories"]
    assert len(rows) == 4 * 2 * 2
    assert sum(row["n"] for row in rows) == network["all"]["n"] == 12
    assert sum(row["accuracy"] * row["n"] for row in rows if row["n"]) == pytest.approx(12 * network["all"]["accuracy"])
    matrix = json.loads((here.plots("on") / "befa" / "multitask-equal" / "confusion" / "all.json").read_text())
    assert len(matrix["labels"]) == 16
    assert np.trace(matrix["groups"][0]["matrix"]) == round(12 * network["all"]["accuracy"])
    # Nothing is laid out twice; a changed picture is.
    record = here.stage("on") / "befa" / "build" / "crop" / "labelled.digest"
    before = record.stat().st_mtime_ns
    asked("--on", str(folder), "--no-crop")
    assert record.stat().st_mtime_ns == before
    next(folder.rglob("*.jpg")).write_bytes(encoded(drawn("ben", 400)))
    asked("--on", str(folder), "--no-crop")
    assert record.stat().st_mtime_ns > before


def test_labels_are_words_in_the_names_of_folders_the_longest_first() -> None:
    labels = {
        "race": ["Asian", "East Asian", "Latino_Hispanic"],
        "gender": ["Male", "Female"],
        "age": ["20-29", "more than 70"],
    }
    files = ["a/FEMALE/more than 70 east-asian/1.jpg", "b/Male_Latino_Hispanic_20-29/2.png", "c/asian/3.jpg", "d/4.jpg"]
    found = labelled_folder.by_folder_names(files, labels)
    assert found.pictures.select("race", "gender", "age").rows() == [
        ("East Asian", "Female", "more than 70"),
        ("Latino_Hispanic", "Male", "20-29"),
        ("Asian", None, None),
    ]
    assert found.skipped == [("d/4.jpg", "no label in the names of its folders")]
    with pytest.raises(BadInput, match=r"two labels of gender: Male and Female"):
        labelled_folder.by_folder_names(["male/female/1.jpg"], labels)


@pytest.mark.train
def test_a_label_that_the_other_set_lacks_makes_no_category(here: ProjectPaths, tmp_path: Path) -> None:
    folder = categories(tmp_path / "befa")
    for path in [*folder.glob("violet"), *folder.glob("green")]:
        shutil.rmtree(path)
    network = asked("--on", str(folder), "--no-crop")["networks"]["multitask-equal"]
    assert {row["race"] for row in network["categories"]} == {"Amber", "Blue"}
    assert len(network["categories"]) == 2 * 2 * 2
    matrix = json.loads((here.plots("on") / "befa" / "multitask-equal" / "confusion" / "all.json").read_text())
    counts = np.array(matrix["groups"][0]["matrix"])
    # Each picture counts, also where the network answers Violet or Green.
    assert counts.sum() == network["all"]["n"] == 8
    assert matrix["labels"][8:] in ([], ["another category"])
    assert len(matrix["labels"]) == len(counts)
    assert np.trace(counts) == round(8 * network["all"]["accuracy"])


def test_answers_with_a_label_that_the_set_lacks_are_the_last_column() -> None:
    rows = [("1", "x", "a", "a"), ("1", "y", "c", "c"), ("2", "x", "a", "b"), ("2", "y", "d", "d")]
    whole = pl.DataFrame(rows, schema=["face_id", "task", "label", "predicted"], orient="row").with_columns(
        identity=pl.lit("i")
    )
    labels = {"x": ["a", "b"], "y": ["c", "d"]}
    jointly = intersections.jointly(whole, labels)
    assert jointly is not None
    found = other_set_results._of_occurring(jointly, whole, labels)
    assert found["labels"] == ["a × c", "a × d", "another category"]
    assert found["groups"] == [{"group": {}, "n": 2, "matrix": [[1, 0, 0], [0, 0, 1], [0, 0, 0]]}]


@pytest.mark.train
def test_pictures_without_a_face_count_as_errors_if_the_parameters_say_so(
    here: ProjectPaths, trained: tuple[ProjectPaths, Params], tmp_path: Path
) -> None:
    from mtf.sample import people, photograph

    random = np.random.default_rng(3)
    folder = tmp_path / "faces"
    folder.mkdir()
    person = people.Person("p", "P", "Amber", "Males", "Young")
    taken = photograph.portrait(person.traits(), person.identity, random)
    (folder / "face.jpg").write_bytes(encoded(taken.pixels))
    (folder / "ground.jpg").write_bytes(encoded(np.full((200, 200, 3), GROUNDS["Blue"], np.uint8)))
    (tmp_path / "labels.csv").write_text("file,gender\nface.jpg,Males\nground.jpg,Males\ngone.jpg,Males\n")
    arguments = ("--on", str(folder), "--labels", str(tmp_path / "labels.csv"))
    left_out = asked(*arguments)
    assert left_out["networks"]["small_cnn/gender"]["tasks"]["gender"]["n"] == 1
    assert left_out["set"]["statement"].endswith("1 of 2; they are left out.")
    assert "left out, a label whose picture is not there: 1" in left_out["set"]["left_out"]
    raw = trained[1].model_dump(mode="json")
    raw["evaluation"]["undetected"] = "error"
    (here.root / "params.yaml").write_text(yaml.safe_dump(raw))
    gender = asked(*arguments)["networks"]["small_cnn/gender"]["tasks"]["gender"]
    (here.root / "params.yaml").write_text(yaml.safe_dump(trained[1].model_dump(mode="json")))
    assert gender["n"] == 2
    assert gender["accuracy"] == left_out["networks"]["small_cnn/gender"]["tasks"]["gender"]["accuracy"] / 2


@pytest.mark.train
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--part", "test"], "need --on, the set to measure on"),
        (["--on", "bad.yaml"], r"bad\.yaml: not an uncompressed tar: .*; name a folder or a tar"),
        (["--on", "nowhere"], r"--on: nowhere: no such folder or tar"),
        (["--on", ".", "--part", "dev"], r"--part: 'dev' is not permitted; permitted: all, train, val, test"),
        (["--on", ".", "--no-crop"], "a project has its labels and its crops"),
        (["--on", "data", "--part", "test"], "a folder of pictures has no parts"),
        (["--on", "data"], "no picture below a folder with a label in its name; permitted: folders named"),
        (["--on", ".", "--labels-map", "bad.yaml"], r"bad\.yaml: race: labels: sand: 'Sand' is not permitted"),
        (["--on", ".", "--network", "none.pt"], r"none\.pt: no such model"),
    ],
)
def test_what_cannot_be_measured_is_refused(here: ProjectPaths, arguments: list[str], message: str) -> None:
    (here.root / "data").mkdir(exist_ok=True)
    (here.root / "data" / "x.jpg").write_bytes(encoded(drawn("ada", 1)))
    (here.root / "bad.yaml").write_text("race: {labels: {sand: Sand}}\n")
    with pytest.raises(BadInput, match=message):
        CliRunner().invoke(app, ["evaluate", *arguments], catch_exceptions=False)
