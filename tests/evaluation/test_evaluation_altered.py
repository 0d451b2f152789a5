"""Alterations hide what they say, and networks are measured on the altered copies."""

from __future__ import annotations

import json

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from mtf.cli import app
from mtf.comparison import altered
from mtf.config import Params
from mtf.core.errors import BadInput
from mtf.evaluation.alterations import ALTERATIONS
from mtf.pipeline import evaluate, multitask, multitask_results, train
from training_project import write_project

EYES = np.array([(20.0, 24.0), (44.0, 24.0)])


def picture() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)


@pytest.mark.parametrize("name", ["blur", "pixelate", "mask_eyes", "noise"])
def test_an_alteration_changes_a_copy_and_is_the_same_each_time(name: str) -> None:
    before = picture()
    once, again = (ALTERATIONS.get(name)()(before, EYES, np.random.default_rng(7)) for _ in range(2))
    assert (once.shape, once.dtype) == (before.shape, np.uint8)
    assert np.array_equal(once, again)
    assert not np.array_equal(once, before)
    assert np.array_equal(before, picture())


def test_the_bar_covers_both_eyes_turned_with_them_and_nothing_below() -> None:
    white = np.full((64, 64, 3), 255, np.uint8)
    for eyes in (EYES, np.array([(20.0, 20.0), (40.0, 32.0)])):
        masked = ALTERATIONS.get("mask_eyes")()(white, eyes, np.random.default_rng(0))
        for x, y in eyes.astype(int):
            assert masked[y, x].max() == 0
        assert masked[50:].min() == 255
    turned = masked
    assert turned[32, 14].min() == 255


def test_pixels_are_as_coarse_as_said() -> None:
    coarse = ALTERATIONS.get("pixelate")()(picture(), EYES, np.random.default_rng(0))
    assert len(np.unique(coarse.reshape(-1, 3), axis=0)) <= 144


@pytest.mark.train
def test_networks_are_measured_on_altered_copies_beside_the_unaltered(
    tmp_path, sample_params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = {"learning_rate": 0.01, "max_epochs": 2, "batch": 16}
    workspace, params = write_project(
        tmp_path,
        sample_params,
        **{"tasks": ["gender"], "recipe": "short", "recipes": {"short": short}},
        multitask={"recipe": "short", "weightings": ["equal", "dwa"]},
    )
    train.run(workspace, params, model="small_cnn", task="gender")
    evaluate.run(workspace, params)
    for stage in (multitask, multitask_results):
        stage.run(workspace, params, weighting="equal")
    workspace.params.write_text(yaml.safe_dump(params.model_dump(mode="json", exclude_none=True)))
    monkeypatch.chdir(workspace.root)
    result = CliRunner().invoke(app, ["evaluate", "--altered", "--json"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.output)
    rows = found["models"]["small_cnn"]["gender"]
    assert list(rows) == ["none", "blur", "pixelate", "mask_eyes", "noise"]
    evaluated = json.loads(workspace.metrics("evaluate").read_text())["gender"]["small_cnn"]["accuracy"]
    assert rows["none"]["accuracy"] == evaluated
    shared = json.loads(workspace.metrics("multitask/equal").read_text())["accuracy"]
    measured = found["models"]["multitask-equal"]
    assert {task: each["none"]["accuracy"] for task, each in measured.items()} == {
        task: shared[task] for task in measured
    }
    assert all(list(each) == list(rows) for each in measured.values())
    assert found["left_out"] == ["build/multitask/dwa/model.pt"]
    assert found == json.loads(workspace.metrics("compare/altered").read_text())
    headline = json.loads((workspace.metrics_folder / "compare/headline/altered.json").read_text())
    assert headline["other_tasks_none"] == evaluated
    printed = CliRunner().invoke(app, ["evaluate", "--altered"]).stdout
    assert "multitask-equal: accuracy on 18 test pictures" in printed
    assert printed.splitlines()[-4:] == [
        "Test pictures without a detected face: 0 of 18; they are left out.",
        "Not trained, and not measured: build/multitask/dwa/model.pt.",
        "  figures: metrics/compare/altered.json",
        "  (low to high): interval of 95 %, by person where it is known who is who; – where there are too few",
    ]
    assert "% (–)" in printed
    unknown = params.model_copy(update={"evaluation": params.evaluation.model_copy(update={"alterations": ["glow"]})})
    with pytest.raises(BadInput, match=r"evaluation\.alterations: 'glow' is not permitted; permitted: blur, mask_eyes"):
        altered.run(workspace, unknown)
