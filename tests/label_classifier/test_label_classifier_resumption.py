"""A label classifier whose fit is killed: it continues after its last epoch; a comparison keeps what is finished."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import cv2
import polars as pl
import pytest
import yaml
from scipy.stats import ttest_1samp
from typer.testing import CliRunner

from mtf import schemas
from mtf.cli import label as cli
from mtf.config import Params
from mtf.label_classifier import labeller, networks, repeats
from mtf.training.networks import registry
from torch_forks import Forked
from training_project import drawn, write_project

pytestmark = pytest.mark.lengthy(30)


def project(root: Path, sample_params: Params) -> Path:
    once = {"max_epochs": 1, "batch": 16}
    _, params = write_project(root, sample_params, recipe="once", recipes={"once": once})
    (root / "params.yaml").write_text(yaml.safe_dump(params.model_dump(mode="json"), sort_keys=False))
    return root


def kill(root: Path, epoch: int, *arguments: str) -> None:
    process = Forked(label_until_killed, epoch, arguments, cwd=root)
    _, errors = process.communicate()
    assert process.returncode == -signal.SIGKILL, errors


def label_until_killed(epoch: int, arguments: tuple[str, ...]) -> None:
    """Run `mtf label …`, and kill this process as the state of the given epoch, of all models, is to be written."""
    own, epochs = networks.EpochState.keep, []

    def kept(state: networks.EpochState, **latest: Any) -> None:
        epochs.append(1)
        if len(epochs) == epoch:
            os.kill(os.getpid(), signal.SIGKILL)
        own(state, **latest)

    networks.EpochState.keep = kept
    cli.app(arguments)


def run(root: Path, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> tuple[str, str]:
    """Run to the end in this process; returns what it said on stdout and stderr."""
    monkeypatch.chdir(root)
    result = CliRunner().invoke(cli.app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout, result.stderr


@pytest.mark.train
def test_a_killed_fit_ends_with_the_classifier_of_an_undisturbed_one(
    tmp_path: Path, sample_params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ("fit", "--attribute", "gender", "--model", "cnn1", "--epochs", "4")
    killed, undisturbed = (project(tmp_path / name, sample_params) for name in ("killed", "undisturbed"))
    run(undisturbed, monkeypatch, *command)
    kill(killed, 3, *command)
    assert len(list((killed / "build/label/unfinished").glob("gender-cnn1-42-*.unfinished"))) == 1
    run(killed, monkeypatch, *command)
    first, second = (root / "build/label/classifier.pt" for root in (killed, undisturbed))
    assert first.read_bytes() == second.read_bytes()
    assert len(labeller.load(first)[0].classifier.history) == 4
    assert not (killed / "build/label/unfinished").exists()


@pytest.mark.train
def test_a_killed_comparison_keeps_its_finished_models_and_ends_as_if_undisturbed(
    tmp_path: Path, sample_params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = "small_cnn"
    command = ("compare", "gender", "--epochs", "2", "--seeds", "2", "--network", network)
    killed, undisturbed = (project(tmp_path / name, sample_params) for name in ("killed", "undisturbed"))
    # The first model has no epochs; 2 + 1 or 2 + 2 of the second are over by then.
    kill(killed, 6, *command)
    _, said = run(killed, monkeypatch, *command)
    assert "label gender-logistic-42: kept from before" in said
    assert "label gender-cnn1-42: kept from before" in said
    assert "gender-cnn3-43: kept" not in said
    shown, _ = run(undisturbed, monkeypatch, *command)
    first, second = (
        json.loads((root / "metrics/label/compare-gender.json").read_text()) for root in (killed, undisturbed)
    )
    assert first == second
    _, again = run(killed, monkeypatch, *command)
    assert again.count("kept from before") == 2 * 5

    assert first["seeds"] == [42, 43]
    assert list(first["table_1"]) == ["logistic", "cnn1", "cnn2", "cnn3", network]
    assert first["table_2"][network]["trainable"] == registry.size(network, 2)
    accuracy = first["table_1"]["cnn1"]["accuracy"]["test"]
    by_seed = json.loads((killed / "build/label/compare-gender.json").read_text())["by_seed"]
    single = [models["cnn1"]["test"]["accuracy"] for models in by_seed]
    assert accuracy["mean"] == pytest.approx(sum(single) / 2, abs=1e-4)
    assert f"{accuracy['mean']:.3f} ({accuracy['low']:.3f} to {accuracy['high']:.3f})" in shown
    bars = pl.read_csv(killed / "plots/label/compare-gender/figure-6-models.csv").filter(
        model="cnn1", metric="accuracy"
    )
    assert bars.select("value", "low", "high").row(0) == (accuracy["mean"], accuracy["low"], accuracy["high"])

    # A kept model labels pictures, in the form that it takes.
    new = tmp_path / "new"
    new.mkdir()
    cv2.imwrite(str(new / "one.png"), drawn("ada", 90))
    kept = next((killed / "build/label/compare-gender").glob(f"gender-{network}-42-*.pt"))
    shown, _ = run(tmp_path, monkeypatch, "predict", str(new), "--classifier", str(kept))
    assert "1 picture labelled" in shown


def test_an_interval_over_seeds_is_students() -> None:
    values = [0.81, 0.84, 0.79]
    found = repeats.mean_and_interval([*values, None])
    theirs = ttest_1samp(values, 0).confidence_interval(0.95)
    assert (found["low"], found["high"]) == pytest.approx((theirs.low, theirs.high), abs=1e-4)
    assert found["seeds"] == 3


def test_each_seed_divides_the_same_faces_anew_by_the_same_shares(tmp_path: Path, sample_params: Params) -> None:
    workspace, params = write_project(tmp_path, sample_params)
    splits = schemas.read(schemas.splits(params), workspace.table("split", "splits"))
    first, second = (repeats.divided(splits, "gender", seed=seed) for seed in (43, 44))
    assert first.to_list() != second.to_list()
    for drawn_split in (first, second):
        assert dict(drawn_split.value_counts().iter_rows()) == dict(splits["split"].value_counts().iter_rows())
