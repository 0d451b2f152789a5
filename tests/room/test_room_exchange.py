"""Decisions travel to other tools and back, and none of them is written twice."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from mtf import params
from mtf.errors import BadInput
from mtf.review import ledger
from mtf.room import exchange, terminal
from mtf.room.opening import desk_of, material_of
from mtf.workspace import Workspace


def with_some_decisions(project: Callable[..., Workspace]) -> tuple[Workspace, params.Params]:
    workspace = project({"ada": 4})
    loaded = params.load(workspace.params)
    material, _ = material_of(workspace, loaded)
    desk = desk_of(workspace, material, "anna", joint=False)
    desk.accept(desk.page().faces[:2])
    desk.reject(desk.page().faces[:1], "partial_face")
    desk.close()
    return workspace, loaded


@pytest.mark.parametrize("format", ["csv", "coco", "fiftyone"])
def test_what_was_written_comes_back_once(project: Callable[..., Workspace], tmp_path: Path, format: str) -> None:
    workspace, loaded = with_some_decisions(project)
    before = ledger.read(workspace.review).decisions
    exchange.write(workspace, loaded, tmp_path / "out", format=format)
    assert exchange.read(workspace, loaded, tmp_path / "out", format=format, reviewer=None).startswith("0 decisions")
    for sitting in workspace.review.rglob("*.jsonl"):
        sitting.unlink()
    assert exchange.read(workspace, loaded, tmp_path / "out", format=format, reviewer=None).startswith("3 decisions")
    after = ledger.read(workspace.review).decisions
    columns = ["identity", "image_id", "step", "verdict", "reason", "reviewer"]
    assert sorted(after.select(columns).rows(), key=str) == sorted(before.select(columns).rows(), key=str)


def test_the_boxes_of_another_tool_may_be_drawn_a_little_otherwise(
    project: Callable[..., Workspace], tmp_path: Path
) -> None:
    workspace, loaded = with_some_decisions(project)
    exchange.write(workspace, loaded, tmp_path / "out", format="coco")
    labels = json.loads((tmp_path / "out" / "labels.json").read_text())
    for annotation in labels["annotations"]:
        annotation["bbox"][0] += 3
        annotation["decisions"] = ["ben face accept"]
    (tmp_path / "out" / "labels.json").write_text(json.dumps(labels))
    assert exchange.read(workspace, loaded, tmp_path / "out", format="coco", reviewer=None).startswith("4 decisions")


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("verdict", "maybe", r"in.csv row 2: verdict Input should be 'accept', 'reject'"),
        ("step", "looks", r"in.csv row 2: step Input should be"),
        ("reason", "ugly", r"in.csv row 2: reason"),
        ("x", "left", r"in.csv row 2: box: .* is not permitted; permitted: four numbers"),
        ("x", "900", r"in.csv row 2: meets no face \(1 such decisions\)"),
        ("reviewer", "../anna", r"reviewer: '../anna' is not permitted"),
    ],
)
def test_a_bad_decision_is_named_and_nothing_is_written(
    project: Callable[..., Workspace], tmp_path: Path, column: str, value: str, message: str
) -> None:
    workspace, loaded = with_some_decisions(project)
    exchange.write(workspace, loaded, tmp_path / "out.csv", format="csv")
    rows = list(csv.DictReader((tmp_path / "out.csv").open()))
    rejected = next(row for row in rows if row["verdict"] == "reject") | {"reviewer": "ben", column: value}
    with (tmp_path / "in.csv").open("w") as file:
        writer = csv.DictWriter(file, list(rejected))
        writer.writeheader()
        writer.writerow(rejected)
    before = len(ledger.read(workspace.review).decisions)
    with pytest.raises(BadInput, match=message):
        exchange.read(workspace, loaded, tmp_path / "in.csv", format="csv", reviewer=None)
    assert len(ledger.read(workspace.review).decisions) == before


def test_a_terminal_is_enough_to_review(project: Callable[..., Workspace], capsys: pytest.CaptureFixture[str]) -> None:
    workspace = project({"ada": 3})
    material, _ = material_of(workspace, params.load(workspace.params))
    desk = desk_of(workspace, material, "anna", joint=False)
    shown = []
    terminal.sit(desk, material, answers=iter(["a", "x blurred", "x partial_face", "u", "A", "q"]), show=shown.append)
    said = capsys.readouterr().out
    assert "not done: reason at the step face: 'blurred' is not permitted" in said
    assert "identity (step 2 of 5): Ada" in said
    verdicts = ledger.read(workspace.review).decisions["verdict"].to_list()
    assert verdicts == ["accept", "reject", "undo", "accept", "accept"]
    assert len(shown) == 6
