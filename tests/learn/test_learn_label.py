"""The label classifier of EFRS: its sizes, its protocol, its commands; calibration; balance."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import polars as pl
import pytest
import torch
import yaml
from learn_project import drawn, write_project
from sklearn.linear_model import LogisticRegression
from typer.testing import CliRunner

from mtf.cli import label as cli
from mtf.errors import BadInput
from mtf.learn import balance, calibration, efrs, label, models
from mtf.params import Params


@pytest.mark.parametrize(("name", "parameters"), [("cnn1", 728_194), ("cnn2", 5_375_746), ("cnn3", 744_706)])
def test_trainable_parameters_are_those_of_table_2(name: str, parameters: int) -> None:
    network = efrs.network(name, 2)
    assert models.parameter_count(network) == parameters
    assert network(torch.zeros(1, 1, 48, 48)).shape == (1, 2)
    # The report's "total" is this and the two slots of Adam for each parameter, and two numbers of its own.
    assert 3 * parameters + 2 in (2_184_584, 16_127_240, 2_234_120)


def shapes(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Grey pictures of bright squares (0) or discs (1) on noise."""
    random = np.random.default_rng(seed)
    pictures = random.integers(0, 60, (count, 48, 48), dtype=np.uint8)
    targets = random.integers(0, 2, count)
    for picture, target in zip(pictures, targets, strict=True):
        x, y = (int(value) for value in random.integers(18, 30, 2))
        if target:
            cv2.circle(picture, (x, y), 14, 220, -1)
        else:
            cv2.rectangle(picture, (x - 7, y - 7), (x + 7, y + 7), 220, -1)
    return pictures, targets


def test_logistic_regression_is_scikit_learns_with_its_defaults() -> None:
    train, test = shapes(120, 1), shapes(30, 2)
    ours = efrs.fit("logistic", train, test, labels=2, seed=0).probabilities(test[0])
    theirs = LogisticRegression().fit(train[0].reshape(120, -1) / 255.0, train[1])
    np.testing.assert_allclose(ours, theirs.predict_proba(test[0].reshape(30, -1) / 255.0), atol=1e-6)


def test_a_cnn_is_refitted_for_the_epochs_of_least_validation_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[bool, int]] = []
    train_once = efrs._trained

    def watched(name: str, train: tuple, val: tuple | None, **options: int) -> efrs.Cnn:
        asked.append((val is not None, options["epochs"]))
        return train_once(name, train, val, **options)

    monkeypatch.setattr(efrs, "_trained", watched)
    train, val = shapes(96, 1), shapes(40, 2)
    fitted = efrs.fit("cnn1", train, val, labels=2, seed=3, epochs=3)
    least = int(np.argmin([epoch["val_loss"] for epoch in fitted.history])) + 1
    assert asked == [(True, 3), (False, least)]
    assert (fitted.probabilities(val[0]).argmax(axis=1) == val[1]).mean() > 0.9


def test_an_unknown_classifier_is_answered_with_the_known_ones() -> None:
    with pytest.raises(BadInput, match="'cnn4' is not permitted; permitted: logistic, cnn1, cnn2, cnn3"):
        efrs.fit("cnn4", shapes(4, 1), shapes(4, 2), labels=2, seed=0)


def test_the_temperature_makes_overconfident_probabilities_honest() -> None:
    random = np.random.default_rng(5)
    honest = random.dirichlet([1, 1, 1], 6000)
    targets = np.array([random.choice(3, p=row) for row in honest])
    sharp = calibration.softened(honest, 0.4)
    assert calibration.expected_error(sharp, targets) > 0.1
    found = calibration.temperature(sharp[:3000], targets[:3000])
    assert found == pytest.approx(2.5, rel=0.1)
    assert calibration.expected_error(calibration.softened(sharp, found)[3000:], targets[3000:]) < 0.03


def test_figures_of_one_class_leave_out_what_is_undefined() -> None:
    chances = np.array([[0.9, 0.1], [0.2, 0.8]])
    found = label.figures(np.array([0, 0]), chances)
    assert found == {"accuracy": 0.5, "balanced_accuracy": None, "roc_auc": None, "f1": 0.0}


def test_figures_by_hand() -> None:
    # Scores of the second label: 0.9, 0.4 for the true ones, 0.6, 0.1 for the others: three of four pairs in order.
    chances = np.array([[0.1, 0.9], [0.6, 0.4], [0.4, 0.6], [0.9, 0.1]])
    found = label.figures(np.array([1, 1, 0, 0]), chances)
    assert found == {"accuracy": 0.5, "balanced_accuracy": 0.5, "roc_auc": 0.75, "f1": 0.5}


@pytest.fixture
def in_project(tmp_path: Path, sample_params: Params, monkeypatch: pytest.MonkeyPatch) -> Path:
    _, params = write_project(tmp_path, sample_params)
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params.model_dump(mode="json")))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> str:
    result = CliRunner().invoke(cli.app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_fit_and_predict_label_pictures_nobody_has_labelled(in_project: Path) -> None:
    run("fit", "--model", "cnn1", "--attribute", "gender", "--epochs", "5")
    measured = json.loads((in_project / "metrics" / "label.json").read_text())
    assert measured["gender"]["test"]["accuracy"] > 0.9
    assert set(measured["gender"]["by_subgroup"]) == {"race", "age"}
    assert measured["gender"]["by_subgroup"]["race"]["statistics"]["accuracy"]["spread"] is not None
    assert (in_project / "plots/label/roc-gender.csv").read_text().startswith("false_positive_rate,")

    new = in_project / "new"
    new.mkdir()
    for identity, number in [("ada", 90), ("ben", 91), ("cleo", 92)]:
        cv2.imwrite(str(new / f"{identity}.png"), drawn(identity, number))
    cv2.imwrite(str(new / "=cmd.png"), drawn("dan", 93))
    (new / "broken.jpg").write_bytes(b"nothing")
    said = run("predict", str(new), "--to", "labels.csv")
    assert "4 pictures labelled" in said
    assert "not readable: broken.jpg" in said
    table = pl.read_csv(in_project / "labels.csv")
    assert table["file"].to_list() == ["'=cmd.png", "ada.png", "ben.png", "cleo.png"]
    assert table["gender"].to_list() == ["Males", "Females", "Males", "Females"]
    assert table["gender_confidence"].is_between(0.5, 1).all()


def test_predictions_that_contradict_the_roster_become_hints() -> None:
    predicted = pl.DataFrame({"age": ["Old", "Old", "Young"], "age_confidence": [0.99, 0.6, 0.99]})
    roster = pl.DataFrame({"face_id": ["1", "2", "3"], "age": ["Young", "Young", "Young"]})
    found = label.contradictions(predicted, roster, ["age"], sure=0.9)
    assert found.rows() == [("1", "age", "Young", "Old", 0.99)]


def test_predicting_without_a_classifier_says_how_to_make_one(in_project: Path) -> None:
    with pytest.raises(BadInput, match="make one with `mtf label fit`"):
        run("predict", str(in_project))


COUNTS = {("a", "x"): 60, ("a", "y"): 20, ("b", "x"): 20, ("b", "y"): 0}


@pytest.fixture
def uneven() -> pl.DataFrame:
    rows = [{"one": one, "two": two} for (one, two), count in COUNTS.items() for _ in range(count)]
    return pl.DataFrame(rows)


def test_balance_counts_every_cell_and_says_what_to_collect_or_drop(uneven: pl.DataFrame) -> None:
    found = balance.report(uneven, {"one": ["a", "b"], "two": ["x", "y"]}, ratio=0.5)
    assert list(found) == ["one", "two", "one × two"]
    cells = found["one × two"]["cells"]
    assert [(cell["n"], cell["collect"], cell["drop"]) for cell in cells] == [
        (60, 0, 20),
        (20, 10, 0),
        (20, 10, 0),
        (0, 30, 0),
    ]
    assert found["one × two"]["summary"] == {"least": 0, "greatest": 60, "ratio": 0.0, "evenness": 0.6855, "empty": 1}
    single = found["one"]["cells"][1]
    # Wilson's interval of 20 in 100.
    assert (single["share"], single["low"], single["high"]) == (0.2, 0.1334, 0.2888)


def test_the_plan_meets_its_target(uneven: pl.DataFrame) -> None:
    counts = [60, 20, 35]
    for ratio in (0.3, 0.5, 0.77, 1.0):
        grown = np.add(counts, balance.to_collect(counts, ratio=ratio))
        shrunk = np.subtract(counts, balance.to_drop(counts, ratio=ratio))
        assert grown.min() / grown.max() >= ratio
        assert shrunk.min() / shrunk.max() >= ratio
