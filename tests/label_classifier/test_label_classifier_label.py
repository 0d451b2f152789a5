"""The label classifier of EFRS: its sizes, its protocol, its figures, its calibration."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score

from mtf.core.errors import BadInput
from mtf.evaluation import label_scores, metrics
from mtf.label_classifier import networks
from mtf.training.networks import registry


@pytest.mark.parametrize(("name", "parameters"), [("cnn1", 728_194), ("cnn2", 5_375_746), ("cnn3", 744_706)])
def test_trainable_parameters_are_those_of_table_2(name: str, parameters: int) -> None:
    network = networks.network(name, 2)
    assert registry.parameter_count(network) == parameters
    assert network(torch.zeros(1, 1, 48, 48)).shape == (1, 2)
    totals = {"cnn1": 2_184_584, "cnn2": 16_127_240, "cnn3": 2_234_120}
    assert networks.parameters(name, 2) == (parameters, totals[name])


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
    ours = networks.fit("logistic", train, test, labels=2, seed=0).probabilities(test[0])
    theirs = LogisticRegression().fit(train[0].reshape(120, -1) / 255.0, train[1])
    np.testing.assert_allclose(ours, theirs.predict_proba(test[0].reshape(30, -1) / 255.0), atol=1e-6)


def test_a_cnn_is_refitted_for_the_epochs_of_least_validation_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[bool, int]] = []
    train_once = networks._trained

    def watched(name: str, train: tuple, val: tuple | None, **options: int) -> networks.Cnn:
        asked.append((val is not None, options["epochs"]))
        return train_once(name, train, val, **options)

    monkeypatch.setattr(networks, "_trained", watched)
    train, val = shapes(96, 1), shapes(40, 2)
    fitted = networks.fit("cnn1", train, val, labels=2, seed=3, epochs=3)
    least = int(np.argmin([epoch["val_loss"] for epoch in fitted.history])) + 1
    assert asked == [(True, 3), (False, least)]
    assert (fitted.probabilities(val[0]).argmax(axis=1) == val[1]).mean() > 0.9


def test_an_unknown_classifier_is_answered_with_the_known_ones() -> None:
    with pytest.raises(BadInput, match="'cnn4' is not permitted; permitted: logistic, cnn1, cnn2, cnn3"):
        networks.fit("cnn4", shapes(4, 1), shapes(4, 2), labels=2, seed=0)


def test_the_temperature_makes_overconfident_probabilities_honest() -> None:
    random = np.random.default_rng(5)
    honest = random.dirichlet([1, 1, 1], 6000)
    targets = np.array([random.choice(3, p=row) for row in honest])
    sharp = metrics.softened(honest, 0.4)
    assert metrics.expected_calibration_error(sharp, targets) > 0.1
    found = metrics.temperature(sharp[:3000], targets[:3000])
    assert found == pytest.approx(2.5, rel=0.1)
    assert metrics.expected_calibration_error(metrics.softened(sharp, found)[3000:], targets[3000:]) < 0.03


def test_the_balanced_accuracy_of_one_class_is_scikit_learns_and_its_roc_auc_is_undefined() -> None:
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8]])
    found = label_scores.figures(np.array([0, 0]), probabilities)
    with pytest.warns(UserWarning, match="y_pred contains classes not in y_true"):
        theirs = balanced_accuracy_score([0, 0], probabilities.argmax(axis=1))
    assert found == {"accuracy": 0.5, "balanced_accuracy": theirs, "roc_auc": None, "f1": 0.0}


def test_a_decade_with_one_picture_counts_in_the_spread() -> None:
    targets, probabilities = np.array([0, 1, 1]), np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9]])
    found = label_scores.by_subgroup(
        targets, probabilities, ["90-99", "90-99", "100-109"], ["90-99", "100-109", "110-119"]
    )
    assert found["groups"]["100-109"] == {"n": 1, "accuracy": 1.0, "balanced_accuracy": 1.0, "roc_auc": None, "f1": 1.0}
    assert list(found["groups"]) == ["90-99", "100-109"]
    assert found["statistics"]["balanced_accuracy"] == {"mean": 0.75, "std": 0.3536, "spread": 0.5}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(("name", "labels", "absent"), [("logistic", 3, 0), ("logistic", 4, 1), ("cnn1", 3, 0)])
def test_a_label_absent_from_training_keeps_its_column_and_moves_no_other(name: str, labels: int, absent: int) -> None:
    pictures, shape = shapes(90, 1)
    present = [number for number in range(labels) if number != absent]
    targets = np.array(present)[(shape + (np.arange(90) % 2 if labels == 4 else 0))]
    fitted = networks.fit(name, (pictures, targets), (pictures, targets), labels=labels, seed=0, epochs=4)
    probabilities = fitted.probabilities(pictures)
    assert probabilities.shape == (90, labels)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert probabilities[:, absent].max() < 0.1
    assert (probabilities.argmax(axis=1) == targets).mean() > 0.9
    if name == "logistic":
        theirs = LogisticRegression().fit(pictures.reshape(90, -1) / 255.0, targets)
        np.testing.assert_allclose(
            probabilities[:, present], theirs.predict_proba(pictures.reshape(90, -1) / 255.0), atol=1e-6
        )


def test_pictures_of_one_label_leave_nothing_to_learn() -> None:
    pictures, _ = shapes(8, 1)
    with pytest.raises(BadInput, match="have only one label"):
        networks.fit("logistic", (pictures, np.zeros(8, int)), (pictures, np.zeros(8, int)), labels=2, seed=0)


def test_figures_by_hand() -> None:
    # Scores of the second label: 0.9, 0.4 for the true ones, 0.6, 0.1 for the others: three of four pairs in order.
    probabilities = np.array([[0.1, 0.9], [0.6, 0.4], [0.4, 0.6], [0.9, 0.1]])
    found = label_scores.figures(np.array([1, 1, 0, 0]), probabilities)
    assert found == {"accuracy": 0.5, "balanced_accuracy": 0.5, "roc_auc": 0.75, "f1": 0.5}
