"""A task that combines attributes: its labels, what may be combined, and a network that learns it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from sklearn.metrics import accuracy_score

from mtf import config as typed
from mtf import schemas
from mtf.config import Params
from mtf.core.errors import BadInput
from mtf.pipeline import evaluate, multitask, multitask_results, split, train
from mtf.training import data
from training_project import PEOPLE, write_project

SHORT = {"optimizer": "adamw", "learning_rate": 0.01, "max_epochs": 15, "patience": 15, "batch": 16}
COMBINED = {"race_gender": {"combines": ["race", "gender"]}}


def with_tasks(sample_params: Params, tasks: dict[str, Any]) -> Params:
    raw = sample_params.model_dump(mode="json")
    raw["tasks"] |= tasks
    return typed.parse(raw)


def test_the_labels_of_a_combination_are_the_product_of_its_parts(sample_params: Params) -> None:
    params = with_tasks(sample_params, {"gender_age": {"combines": ["gender", "age"]}})
    task = params.tasks["gender_age"]
    assert task.labels == ["Males × Young", "Males × Old", "Females × Young", "Females × Old"]
    assert task.columns == ["gender", "age"]
    assert params.tasks["race"].columns == ["race"]


def test_a_combination_is_no_column_of_any_table(sample_params: Params) -> None:
    params = with_tasks(sample_params, COMBINED)
    assert list(params.attributes) == ["race", "gender", "age"]
    assert list(params.columns) == ["identity", "race", "gender", "age"]
    assert schemas.splits(params).dtypes == schemas.splits(sample_params).dtypes
    assert schemas.roster(params).dtypes == schemas.roster(sample_params).dtypes


def test_what_follows_from_the_parts_is_not_written_back(sample_params: Params) -> None:
    params = with_tasks(sample_params, COMBINED)
    assert params.model_dump(mode="json")["tasks"]["race_gender"] == {"combines": ["race", "gender"]}
    assert typed.parse(params.model_dump(mode="json")) == params


@pytest.mark.parametrize(
    ("task", "says"),
    [
        ({"combines": ["race", "hair"]}, "combines: 'hair' is no task of labels; permitted: ['race', 'gender', 'age'"),
        ({"combines": ["race", "recognition"]}, "combines: 'recognition' is no task of labels"),
        ({"combines": ["race", "first"]}, "combines: 'first' is no task of labels"),
        ({"combines": ["race"]}, "combines ['race']: at least two tasks are needed, each once"),
        ({"combines": ["race", "race"]}, "combines ['race', 'race']: at least two tasks are needed, each once"),
        ({"combines": ["race", "same"]}, "two of them ask about one column (race, race)"),
        ({"combines": ["race", "age"], "labels": ["a", "b"]}, "labels: follows from the parts"),
        ({"combines": ["race", "age"], "column": "race_age"}, "column: follows from the parts"),
        ({"combines": []}, "column: missing"),
        ({"labels": ["a", "b"]}, "column: missing"),
        ({"combines": "race"}, "tasks.mixed.combines: 'race' is not permitted"),
    ],
)
def test_what_cannot_be_combined_is_named_in_one_line(sample_params: Params, task: dict[str, Any], says: str) -> None:
    others = {"first": COMBINED["race_gender"], "same": {"column": "race", "labels": ["Amber", "Blue"]}}
    with pytest.raises(BadInput) as caught:
        with_tasks(sample_params, {**others, "mixed": task})
    message = str(caught.value)
    assert message.startswith("params.yaml: tasks.mixed")
    assert says in message
    assert "\n" not in message


def test_faces_get_the_label_that_their_parts_spell(sample_params: Params) -> None:
    params = with_tasks(sample_params, COMBINED)
    faces = pl.DataFrame({"race": ["Blue", "Amber"], "gender": ["Females", "Males"]})
    found = data.with_combined_columns(faces, params.tasks)
    assert found["race × gender"].to_list() == ["Blue × Females", "Amber × Males"]
    assert data.with_combined_columns(faces, sample_params.tasks).equals(faces)


@pytest.mark.train
def test_a_network_learns_a_combination_from_the_split_to_the_figures(tmp_path: Path, sample_params: Params) -> None:
    params = with_tasks(sample_params, COMBINED)
    workspace, params = write_project(tmp_path, params, tasks=["race_gender"], recipe="short", recipes={"short": SHORT})
    train.run(workspace, params, model="small_cnn", task="race_gender")
    evaluate.run(workspace, params)

    predicted = schemas.read(schemas.PREDICTIONS, workspace.table("evaluate", "predictions"))
    expected = {identity: f"{race} × {gender}" for identity, (race, gender, _) in PEOPLE.items()}
    assert predicted["label"].to_list() == [expected[identity] for identity in predicted["identity"]]
    measured = json.loads(workspace.metrics("evaluate").read_text())["race_gender"]["small_cnn"]
    assert measured["accuracy"] == pytest.approx(accuracy_score(predicted["label"], predicted["predicted"]), abs=1e-4)
    assert measured["accuracy"] >= 0.8  # by guessing one of eight: 0.125

    fairness = json.loads(workspace.metrics("fairness/models/small_cnn/race_gender").read_text())
    assert {name: group["n"] for name, group in fairness["age"]["groups"].items()} == {"Young": 9, "Old": 9}


@pytest.mark.train
def test_a_shared_network_has_a_head_for_a_combination(tmp_path: Path, sample_params: Params) -> None:
    params = with_tasks(sample_params, COMBINED)
    asked = {"tasks": ["age", "race_gender"], "weightings": ["equal"], "recipe": "short"}
    workspace, params = write_project(tmp_path, params, multitask=asked, recipes={"short": SHORT | {"max_epochs": 2}})
    multitask.run(workspace, params, weighting="equal")
    multitask_results.run(workspace, params, weighting="equal")
    measured = json.loads(workspace.metrics("multitask/equal").read_text())
    assert list(measured["accuracy"]) == ["age", "race_gender", "all"]
    matrices = json.loads((workspace.plots("multitask") / "equal/confusion/race_gender.json").read_text())
    assert matrices["labels"] == params.tasks["race_gender"].labels
    assert [group["group"] for group in matrices["groups"]] == [{"age": "Young"}, {"age": "Old"}]


def test_the_split_asks_nothing_of_a_combination(tmp_path: Path, sample_params: Params) -> None:
    """Most of race × gender has one person here: least numbers per combination could not be met."""
    workspace, params = write_project(tmp_path, with_tasks(sample_params, COMBINED))
    path = workspace.table("split", "splits")
    curated = pl.read_parquet(path).drop("split")
    schemas.write(schemas.curated(params), curated, workspace.table("curate", "curated"))
    split.run(workspace, params)
    with_combination = pl.read_parquet(path)
    split.run(workspace, sample_params)
    assert pl.read_parquet(path).equals(with_combination)
