"""Rates of a group equal scikit-learn's and fairlearn's, and undefined ones are left out."""

from __future__ import annotations

import numpy as np
import pytest
from fairlearn.metrics import (
    MetricFrame,
    demographic_parity_difference,
    equalized_odds_difference,
    false_negative_rate,
    false_positive_rate,
)
from sklearn.metrics import mean_absolute_error, precision_score, recall_score, roc_auc_score

from mtf.evaluation.group_rates import Answers, differences, rates


def drawn(n: int, labels: int, *, seed: int = 3, ordered: bool = False) -> Answers:
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, labels, n)
    scores = rng.random((n, labels)) + 0.7 * np.eye(labels)[targets]
    probabilities = scores / scores.sum(axis=1, keepdims=True)
    return Answers(
        targets, probabilities.argmax(axis=1), labels, probabilities.max(axis=1), probabilities, ordered=ordered
    )


def test_two_labels_have_fairlearns_rates_and_differences() -> None:
    answers = drawn(400, 2)
    group = np.random.default_rng(1).integers(0, 3, 400)
    frame = MetricFrame(
        metrics={"false_positive_rate": false_positive_rate, "false_negative_rate": false_negative_rate},
        y_true=answers.targets, y_pred=answers.predicted, sensitive_features=group,
    ).by_group  # fmt: skip
    parts = [answers.of(group == number) for number in range(3)]
    for number, part in enumerate(parts):
        found = rates(part)
        # The mean over two labels: what is a false positive of one is a false negative of the other.
        both = frame.loc[number].mean()
        assert (found["false_positive_rate"], found["false_negative_rate"]) == pytest.approx((both, both), abs=1e-4)
    found = differences(parts)
    asked = {"y_true": answers.targets, "y_pred": answers.predicted, "sensitive_features": group}
    assert found["demographic_parity_difference"] == pytest.approx(demographic_parity_difference(**asked), abs=1e-4)
    assert found["equalized_odds_difference"] == pytest.approx(equalized_odds_difference(**asked), abs=1e-4)


def test_four_labels_have_scikit_learns_macro_averages_and_fairlearns_differences_of_the_worst_label() -> None:
    answers = drawn(600, 4, ordered=True)
    found = rates(answers)
    asked = (answers.targets, answers.predicted)
    assert found["precision"] == pytest.approx(precision_score(*asked, average="macro"), abs=1e-4)
    assert found["recall"] == pytest.approx(recall_score(*asked, average="macro"), abs=1e-4)
    auc = roc_auc_score(answers.targets, answers.probabilities, multi_class="ovr")
    assert found["roc_auc"] == pytest.approx(auc, abs=1e-4)
    assert found["mean_absolute_error"] == pytest.approx(mean_absolute_error(*asked), abs=1e-4)
    assert found["one_off"] == pytest.approx(np.mean(np.abs(answers.targets - answers.predicted) <= 1), abs=1e-4)
    group = np.random.default_rng(1).integers(0, 2, 600)
    expected = max(
        equalized_odds_difference(answers.targets == label, answers.predicted == label, sensitive_features=group)
        for label in range(4)
    )
    found = differences([answers.of(group == number) for number in range(2)])
    assert found["equalized_odds_difference"] == pytest.approx(expected, abs=1e-4)


def test_a_picture_without_an_answer_counts_as_wrong_where_wrong_can_be_said() -> None:
    whole = drawn(50, 3, ordered=True)
    targets, predicted = np.append(whole.targets, 1), np.append(whole.predicted, -1)
    none = np.full((1, 3), np.nan)
    found = rates(
        Answers(
            targets, predicted, 3, np.append(whole.confidence, np.nan), np.vstack([whole.probabilities, none]), True
        )
    )
    before = rates(whole)
    for same in ("precision", "roc_auc", "calibration_error", "mean_absolute_error"):
        assert found[same] == before[same]
    assert found["recall"] < before["recall"]
    assert found["one_off"] == pytest.approx(before["one_off"] * 50 / 51, abs=1e-4)


def test_where_a_group_is_a_label_only_its_recall_is_defined() -> None:
    answers = drawn(90, 3)
    parts = [answers.of(answers.targets == label) for label in range(3)]
    found = rates(parts[0])
    assert found["recall"] == pytest.approx(np.mean(parts[0].predicted == 0), abs=1e-4)
    assert [found[name] for name in ("precision", "false_positive_rate", "roc_auc")] == [None] * 3
    assert set(differences(parts).values()) == {None}
