"""The paper's tables for one's own data."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from click.testing import Result
from typer.testing import CliRunner

from mtf import config as typed
from mtf.cli import app, paper_tables
from mtf.config import OF_TORCHVISION, Params
from mtf.core import atomic_files, markdown_tables
from mtf.core.errors import BadInput
from mtf.core.project_paths import ProjectPaths
from mtf.papers import mtf_tables
from mtf.pipeline import train

EVALUATED = {
    "race": {
        "uniform_guess": {"accuracy": 0.25, "precision": 0.2, "recall": 0.25, "f1": 0.2},
        "resnet50": {"accuracy": 0.6006, "precision": 0.4424, "recall": 0.4546, "f1": 0.4339},
        "resnet50-pretrained": {"accuracy": 0.9018, "precision": 0.8895, "recall": 0.8716, "f1": 0.8798},
    }
}
TRAINED = {
    ("resnet50", "race"): {"epochs": 74, "train_minutes": 106.8},
    ("resnet50-pretrained", "race"): {"epochs": 71, "train_minutes": 103.1},
}


def test_a_task_becomes_the_papers_table_with_the_best_figures_bold(sample_params: Params) -> None:
    found = mtf_tables.tables(EVALUATED, TRAINED, sample_params.tasks)
    assert mtf_tables.markdown(found).splitlines() == [
        "**race** (MTF, Table 6)",
        "",
        "| Model | Training | Accuracy | Precision | Recall | F1 score | Epochs | Minutes |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
        "| Uniform guess | N/A | 25.00% | 20.00% | 25.00% | 20.00% | N/A | N/A |",
        "| resnet50 | From scratch | 60.06% | 44.24% | 45.46% | 43.39% | 74 | 106.8 |",
        "| resnet50 | Pre-trained | **90.18%** | **88.95%** | **87.16%** | **87.98%** | 71 | 103.1 |",
    ]


def test_the_data_behind_the_tables_keeps_shares_and_numbers(sample_params: Params) -> None:
    (table,) = mtf_tables.tables(EVALUATED, TRAINED, sample_params.tasks)
    assert table["table"] == 6
    assert table["rows"][2] == {
        "model": "resnet50",
        "training": "Pre-trained",
        **EVALUATED["race"]["resnet50-pretrained"],
        "epochs": 71,
        "minutes": 103.1,
    }


def test_a_combined_task_has_no_number_of_the_papers(sample_params: Params) -> None:
    raw = sample_params.model_dump(mode="json")
    raw["tasks"]["race_gender"] = {"combines": ["race", "gender"]}
    (table,) = mtf_tables.tables({"race_gender": EVALUATED["race"]}, {}, typed.parse(raw).tasks)
    assert table["table"] is None
    assert mtf_tables.markdown([table]).startswith("**race_gender**\n\n| Model |")


@pytest.fixture
def measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sample_params: Params) -> ProjectPaths:
    """A project with figures of two tasks and two models, and nothing compared."""
    raw = sample_params.model_dump(mode="json")
    raw["train"] |= {"models": ["resnet50", "resnet50-pretrained"], "tasks": ["race", "gender"]}
    workspace = ProjectPaths(tmp_path)
    workspace.params.write_text(yaml.safe_dump(raw))
    atomic_files.write_json(workspace.metrics("evaluate"), {"race": EVALUATED["race"], "gender": EVALUATED["race"]})
    for (model, _), figures in TRAINED.items():
        for task in ("race", "gender"):
            atomic_files.write_json(train.training_figures(workspace, model, task), figures)
    monkeypatch.chdir(tmp_path)
    return workspace


def asked(*arguments: str) -> Result:
    result = CliRunner().invoke(app, ["evaluate", "--paper-tables", *arguments], catch_exceptions=False)
    assert result.exit_code == 0
    return result


FIGURES = ("accuracy", "precision", "recall", "f1", "epochs", "minutes")
PART = {"images": {"train": 40}} | {
    test: {name: {"mean": 0.5, "std": None} for name in FIGURES} for test in ("own", "common")
}
COMPARED = {
    **{"model": "resnet50", "recipe": "mtf", "seeds": 1},
    "tasks": {"race": {"non_curated": PART, "screened": PART, "curated": PART}},
    "runs": {},
}


def test_the_command_prints_every_table_and_says_how_the_missing_one_is_made(measured: ProjectPaths) -> None:
    lines = asked().stdout.splitlines()
    assert [line for line in lines if line.startswith("**")] == [
        *("**Trainable parameters (MTF, Table 4)**", "**race** (MTF, Table 6)", "**gender** (MTF, Table 7)")
    ]
    assert lines[-2:] == ["", "Table 9 is not made yet: `mtf compare curation` trains what it compares."]
    # Each table stands between empty lines, as Markdown wants it.
    assert lines[lines.index("**gender** (MTF, Table 7)") - 1] == ""

    atomic_files.write_json(measured.metrics("compare/curation"), COMPARED)
    lines = asked().stdout.splitlines()
    assert "**resnet50, recipe mtf, 1 seed each (MTF, Table 9)**" in lines
    assert lines[-1] == "| race | Curated | 40 | the curated part | 50.00% | 50.00% | 50.00% | 50.00% | 0.5 | 0.5 |"


def test_the_command_gives_the_same_as_json(measured: ProjectPaths) -> None:
    result = asked("--json")
    assert [table["table"] for table in json.loads(result.stdout)] == [4, 6, 7]
    assert "`mtf compare curation`" in result.stderr
    atomic_files.write_json(measured.metrics("compare/curation"), COMPARED)
    result = asked("--json")
    assert [table["table"] for table in json.loads(result.stdout)] == [4, 6, 7, 9]
    assert result.stderr == ""


def test_the_sizes_of_the_networks_need_no_training(measured: ProjectPaths, capsys: pytest.CaptureFixture[str]) -> None:
    measured.metrics("evaluate").unlink()
    with pytest.raises(BadInput, match=r"metrics/evaluate\.json: no such figures"):
        paper_tables.show_mtf_tables(as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert lines[:4] == [
        "**Trainable parameters (MTF, Table 4)**",
        "",
        "| Model | race, 4 labels | gender, 2 labels |",
        "| --- | ---: | ---: |",
    ]
    # ResNet-50's body, and a last layer from 2,048 features.
    body = 23_999_792 - 240 * 2049
    assert f"| resnet50 | {body + 4 * 2049:,} | {body + 2 * 2049:,} |" in lines
    assert [line.split(" ")[1] for line in lines[4:9]] == [*OF_TORCHVISION]


def test_a_label_with_a_bar_stays_in_its_cell() -> None:
    assert markdown_tables.table(["a", "b|c"], [["1|2", "3"]]) == "| a | b\\|c |\n| --- | --- |\n| 1\\|2 | 3 |\n"


def test_a_comparison_that_is_not_finished_is_no_table(measured: ProjectPaths) -> None:
    atomic_files.write_json(measured.metrics("compare/curation"), {"runs": {"a": {"digest": "0"}}})
    assert asked().stdout.endswith("`mtf compare curation` trains what it compares.\n")


def test_a_model_without_figures_is_named(measured: ProjectPaths) -> None:
    train.training_figures(measured, "resnet50", "gender").unlink()
    with pytest.raises(BadInput, match=r"build/train/resnet50/gender\.json: no such figures; `dvc repro` makes them"):
        paper_tables.show_mtf_tables(as_json=False)
