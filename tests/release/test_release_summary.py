"""Output of `mtf summary` at the end of a run."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import pytest
from made_project import made_params
from rich.console import Console

from mtf.cli import summary
from mtf.core.errors import BadInput
from mtf.core.project_paths import ProjectPaths
from mtf.crawl.fetch_results import RETRY_COMMAND
from mtf.pipeline import report

SCORES = {
    "uniform_guess": {"accuracy": 0.25, "macro_f1": 0.24},
    "small_cnn": {"accuracy": 0.875, "macro_f1": 0.8},
}


def shown(workspace: ProjectPaths) -> str:
    out = StringIO()
    console = Console(file=out, width=80)
    for part in summary.parts(workspace):
        console.print(part)
    return out.getvalue()


def put(workspace: ProjectPaths, name: str, figures: object) -> None:
    workspace.metrics(name).parent.mkdir(parents=True, exist_ok=True)
    workspace.metrics(name).write_text(json.dumps(figures))


def test_the_summary_shows_release_and_models_with_the_uniform_guess_in_eighty_columns(project: ProjectPaths):
    put(project, "release", {"multi_task": {"identities": 3, "files": 1500, "bytes": 2_500_000}})
    put(project, "evaluate", {"race": SCORES})
    text = shown(project)
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= 80
    assert [line.split() for line in text.splitlines() if line.strip().startswith(("uniform", "small", "multi"))] == [
        ["uniform", "guess", "25.0", "24.0"],
        ["small", "cnn", "87.5", "80.0"],
        ["multi", "task", "3", "1,500", "2.5"],
    ]


def test_the_summary_shows_the_funnel_with_reasons_and_the_splits_as_the_stages_left_them(project: ProjectPaths):
    outcomes = {"stored": 18, "http_error": 2}
    put(project, "crawl", {"identities": 3, "addresses": 20, "images": 18, "outcomes": outcomes})
    by_split = {"train": 9, "val": 3, "test": 3}
    labels = {"age": {"Old": by_split, "Young": by_split}}
    put(project, "split", {"faces": by_split, "shares": by_split, "identities": by_split, "labels": labels})
    text = shown(project)
    assert max(map(len, text.splitlines())) <= 80
    assert "wrong person 3" in text
    assert [line.split() for line in text.splitlines() if "http error" in line] == [["http", "error", "2"]]
    assert "Splits" in text and "Young" in text


def test_the_summary_says_how_to_ask_again_for_retriable_failures(project: ProjectPaths):
    crawled = {"identities": 3, "addresses": 20, "images": 18, "outcomes": {"stored": 18, "http_error": 2}}
    for retriable in ({}, {"retriable": {"addresses": 0, "searches": 0}}):
        put(project, "crawl", crawled | retriable)
        assert RETRY_COMMAND not in shown(project)
    put(project, "crawl", crawled | {"retriable": {"addresses": 2, "searches": 1}})
    words = "2 addresses have retriable failures and 1 searches were not completed: "
    assert f"{words}`{RETRY_COMMAND}`, then `dvc repro`, requests them again" in " ".join(shown(project).split())


def test_the_summary_says_where_to_look_further(data_set: ProjectPaths):
    assert "build/release" in shown(data_set)
    assert "dvc metrics show" in shown(data_set)


def test_the_summary_names_the_report_once_there_is_one(project: ProjectPaths):
    assert "the report: open it in a browser" not in shown(project)
    report.run(project, made_params(report={"thumbnails": False}))
    assert "build/report/index.html   the report: open it in a browser" in shown(project)


def test_the_summary_shows_the_networks_for_several_tasks_beside_those_of_one(project: ProjectPaths):
    put(project, "evaluate", {"race": SCORES})
    put(project, "multitask/equal", {"accuracy": {"race": 0.75, "gender": 0.5, "all": 0.4}})
    lines = [line.split() for line in shown(project).splitlines()]
    assert ["multitask-equal", "75.0"] in lines and ["multitask-equal", "50.0"] in lines
    assert any("Test results: gender" in line for line in shown(project).splitlines())


def test_before_any_run_the_summary_says_how_to_make_one(tmp_path: Path):
    with pytest.raises(BadInput, match="no figures yet; run the pipeline"):
        shown(ProjectPaths(tmp_path))
