"""Results at intersections, as Das et al. show them: one matrix for all tasks, pictures that fit, tables 1 to 5."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from mtf import schemas
from mtf.cli import app
from mtf.config import Params, Task
from mtf.core import atomic_files
from mtf.core.errors import BadInput
from mtf.evaluation import intersections
from mtf.papers import das_tables
from mtf.pipeline import evaluate, multitask, multitask_results, train
from training_project import write_project

LABELS = {"x": ["a", "b"], "y": ["c", "d"]}


def answered(rows: list[tuple[str, str, str, str]]) -> pl.DataFrame:
    """Rows of face, task, label and prediction."""
    return pl.DataFrame(rows, schema=["face_id", "task", "label", "predicted"], orient="row").with_columns(
        identity=pl.lit("i")
    )


TWO_FACES = answered([("1", "x", "a", "a"), ("1", "y", "c", "d"), ("2", "y", "c", "c"), ("2", "x", "b", "b")])


def test_all_attributes_at_once_are_right_only_where_each_is() -> None:
    assert intersections.accuracies(TWO_FACES) == {"x": 1.0, "y": 0.5, "all": 0.5}


def test_the_joint_matrix_has_a_row_for_each_combination_of_labels() -> None:
    jointly = intersections.jointly(TWO_FACES, LABELS)
    assert jointly is not None
    assert jointly["labels"] == ["a × c", "a × d", "b × c", "b × d"]
    [group] = jointly["groups"]
    assert group["n"] == 2
    expected = np.zeros((4, 4), int)
    expected[0, 1] = 1  # a × c, taken for a × d
    expected[2, 2] = 1
    np.testing.assert_array_equal(group["matrix"], expected)


def test_das_et_al_have_56_combinations_and_more_than_fit_are_refused() -> None:
    paper = {
        "age": ["Baby", "Child", "Teenager", "Young", "Adult", "Middle", "Senior"],
        "gender": ["Male", "Female"],
        "race": ["White", "Black", "Asian", "Indian"],
    }
    one = answered([("1", task, labels[0], labels[-1]) for task, labels in paper.items()])
    jointly = intersections.jointly(one, paper)
    assert jointly is not None
    assert len(jointly["labels"]) == 56
    assert intersections.jointly(one, paper | {"age": [str(number) for number in range(240)]}) is None


def test_two_attributes_may_share_a_label_without_hiding_each_other() -> None:
    rows = answered([("1", "x", "a", "a"), ("2", "x", "a", "b")]).with_columns(
        race=pl.Series(["Others", "White"]), gender=pl.Series(["Males", "Others"])
    )
    attributes = {"race": ["White", "Others"], "gender": ["Males", "Others"]}
    found = intersections.by_attribute(rows, {"x": ["x"]}, attributes, seed=1)["x"]
    assert found["race"]["Others"]["accuracy"] == 1.0
    assert found["gender"]["Others"]["accuracy"] == 0.0


def drawn(labels: int, groups: int) -> np.ndarray | None:
    matrix = np.eye(labels, dtype=int).tolist()
    found: dict[str, Any] = {
        "labels": [f"label {number}" for number in range(labels)],
        "groups": [{"group": {"g": str(number)}, "n": labels, "matrix": matrix} for number in range(groups)],
    }
    encoded = intersections.confusion_picture(found, title="task")
    return None if encoded is None else cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR)


@pytest.mark.parametrize(("labels", "groups"), [(2, 1), (2, 14), (7, 8), (56, 1), (240, 16)])
def test_a_picture_of_matrices_fits_whatever_it_shows(labels: int, groups: int) -> None:
    picture = drawn(labels, groups)
    assert picture is not None
    assert max(picture.shape) <= intersections.MAX_SIDE_PX


def test_the_diagonal_is_dark_and_the_rest_white() -> None:
    picture = drawn(240, 1)
    assert picture is not None
    cell = (intersections.MAX_SIDE_PX - 2 * intersections.MARGIN_PX - 72) // 240
    tile = picture[2 * intersections.MARGIN_PX :, 72 + 4 :]  # below both heads, beside the names
    centres = np.arange(240) * cell + cell // 2
    assert (tile[centres, centres, 2] == 0).all()
    assert (tile[centres[1:], centres[:-1]] == 255).all()


def test_where_no_picture_fits_there_is_none() -> None:
    assert drawn(1500, 1) is None


TASKS = {
    "race": Task(column="race", labels=["A", "B"]),
    "gender": Task(column="gender", labels=["M", "F"]),
}
MEASURED = {
    "ours": (
        {
            "race": {"accuracy": 0.9, "n": 40, "low": 0.8, "high": 0.96},
            "gender": {"accuracy": 0.8},
            "all": {"accuracy": 0.7},
        },
        {"race": {"gender": {"M": {"accuracy": 0.95, "n": 20, "people": 4}, "F": {"n": 0}}}, "gender": {}},
    ),
    "theirs": ({"race": {"accuracy": 0.5}}, {}),
}


def test_the_papers_tables_hold_what_was_measured() -> None:
    first, race, gender, at_once = das_tables.tables(MEASURED, TASKS, undetected="None is left out.")
    assert (first["table"], first["columns"]) == (1, ["race", "gender"])
    assert [(row["name"], row["shares"]) for row in first["rows"]] == [("ours", [0.9, 0.8]), ("theirs", [0.5, None])]
    assert first["rows"][0]["figures"][0] == {"accuracy": 0.9, "n": 40, "low": 0.8, "high": 0.96}
    assert (race["table"], race["columns"]) == (2, ["ours", "theirs"])
    assert [(row["name"], row["shares"]) for row in race["rows"]] == [
        ("gender: M", [0.95, None]), ("gender: F", [None, None]),
    ]  # fmt: skip
    assert race["rows"][0]["figures"] == [{"accuracy": 0.95, "n": 20}, None]
    assert (gender["table"], gender["rows"]) == (4, [])
    assert (at_once["table"], at_once["rows"][0]["shares"]) == (None, [0.7, 0.9, 0.8])
    shown = das_tables.markdown([first])
    assert shown.endswith("|\n\nNone is left out.\n")
    assert "**Mean accuracy** (Das et al., Table 1)" in shown
    assert "| ours | 90.00% (n 40; 80.0 to 96.0) | 80.00% |" in shown
    assert "| theirs | 50.00% | – |" in shown


SHORT = {"learning_rate": 0.01, "max_epochs": 1, "batch": 16}


@pytest.mark.train
def test_the_command_shows_the_tables_of_what_was_trained(
    tmp_path: Path, sample_params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, params = write_project(
        tmp_path,
        sample_params,
        tasks=["race"],
        recipe="short",
        recipes={"short": SHORT},
        multitask={"recipe": "short", "weightings": ["equal"]},
    )
    workspace.params.write_text(json.dumps(params.model_dump(mode="json")))  # JSON is YAML
    monkeypatch.chdir(tmp_path)
    early = CliRunner().invoke(app, ["multitask", "--paper-tables"])
    assert isinstance(early.exception, BadInput)
    assert str(early.exception) == "metrics/multitask/equal.json: no such figures; `dvc repro` makes them"

    train.run(workspace, params, model="small_cnn", task="race")
    evaluate.run(workspace, params)
    multitask.run(workspace, params, weighting="equal")
    multitask_results.run(workspace, params, weighting="equal")
    shown = CliRunner().invoke(app, ["multitask", "--paper-tables", "--json"])
    assert shown.exit_code == 0
    found = json.loads(shown.stdout)
    assert [table["table"] for table in found] == [1, 2, 4, 3, None]
    own = json.loads(workspace.metrics("multitask/equal").read_text())
    alone = json.loads(workspace.metrics("evaluate").read_text())["race"]["small_cnn"]["accuracy"]
    assert [(row["name"], row["shares"]) for row in found[0]["rows"]] == [
        ("small_cnn", [alone, None, None]),
        ("multitask, equal", [own["accuracy"][task] for task in ("race", "gender", "age")]),
    ]
    assert {each["n"] for row in found[0]["rows"] + found[4]["rows"] for each in row["figures"] if each} == {18}
    assert [row["name"] for row in found[1]["rows"]] == ["gender: Males", "gender: Females", "age: Young", "age: Old"]
    assert found[1]["rows"][0]["shares"][1] == own["by_group"]["race"]["gender"]["Males"]["accuracy"]
    said = CliRunner().invoke(app, ["multitask", "--paper-tables"]).stdout
    assert said.count("Test pictures without a detected face: 0 of 18; they are left out.") == 5
    assert said.endswith(
        "Table 5 is not made yet: `mtf evaluate --on OTHER` measures the networks on another labelled set.\n"
    )
    # Das et al.'s protocol runs no `mtf evaluate`, which writes these figures: the split has the pictures, too.
    workspace.metrics("undetected").unlink()
    missed = [{"identity": "ada", "image_id": "0" * 64, "race": "Amber", "gender": "Females", "age": "Young"}]
    schemas.write(schemas.undetected(params), missed, workspace.table("split", "undetected"))
    said = CliRunner().invoke(app, ["multitask", "--paper-tables"]).stdout
    assert said.count("Test pictures without a detected face: 1 of 19; they are left out.") == 5
    on = {
        "set": {"name": "befa", "statement": "Test pictures without a detected face: 1 of 3; they count as errors."},
        "networks": {
            "multitask-equal": {
                "tasks": {"race": {"accuracy": 0.5, "n": 3}, "gender": {"accuracy": 0.75, "n": 3}},
                "all": {"accuracy": 0.25, "n": 3},
                # Nobody there is Old, so that no category has this label; Green women are possible.
                "categories": [
                    {
                        "race": race,
                        "gender": gender,
                        "age": age,
                        "n": int(age == "Young" and (race, gender) != ("Green", "Females")),
                    }
                    for race, gender, age in itertools.product(
                        ("Amber", "Green", "Blue"), ("Males", "Females"), ("Young", "Old")
                    )
                ],
            }
        },
    }
    atomic_files.write_json(workspace.metrics("on/befa"), on)
    said = CliRunner().invoke(app, ["multitask", "--paper-tables"]).stdout
    assert "**Mean accuracy on befa, all attributes at once first, 6 categories** (Das et al., Table 5)" in said
    assert "| multitask-equal | 25.00% (n 3) | 50.00% (n 3) | 75.00% (n 3) | – |" in said
    assert "1 of 3; they count as errors." in said


def test_without_a_weighting_the_command_says_what_it_wants(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["multitask"])
    assert isinstance(done.exception, BadInput)
    assert str(done.exception).startswith("--weighting: missing; permitted: a weighting of params.yaml's")
