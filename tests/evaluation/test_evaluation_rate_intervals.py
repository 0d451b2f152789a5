"""Intervals of the rates by group equal a bootstrap of people with scikit-learn's rates, and cover the truth."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, mean_absolute_error, precision_score, recall_score, roc_auc_score

from mtf.evaluation.group_rates import Answers, rates
from mtf.evaluation.rate_intervals import NAMES, intervals, without_each_person


def drawn(people: int, *, labels: int = 3, each: int = 6, seed: int = 3) -> tuple[Answers, np.ndarray]:
    """Answers about people with 1 to `each` pictures, and the person in each picture. Some people are harder."""
    rng = np.random.default_rng(seed)
    numbers = np.repeat(np.arange(people), rng.integers(1, each + 1, people))
    targets = rng.integers(0, labels, people)[numbers]
    strength = rng.normal(0.9, 0.7, people)[numbers]
    scores = rng.normal(size=(len(numbers), labels)) + strength[:, None] * np.eye(labels)[targets]
    probabilities = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    # Too sure everywhere: in a bin without an error, the calibration error has no slope.
    predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1) ** 0.3
    return Answers(targets, predicted, labels, confidence, probabilities, ordered=True), numbers


def by_scikit_learn(answers: Answers) -> dict[str, float]:
    asked = (answers.targets, answers.predicted)
    matrix = confusion_matrix(*asked, labels=range(answers.labels))
    false = matrix.sum(axis=0) - np.diag(matrix)
    bins = np.minimum((answers.confidence * 15).astype(int), 14)
    distance = np.bincount(bins, answers.confidence - (asked[0] == asked[1]), minlength=15)
    recall = recall_score(*asked, average="macro")
    return {
        "recall": recall,
        "false_negative_rate": 1 - recall,
        "precision": precision_score(*asked, average="macro"),
        "false_positive_rate": np.mean(false / (matrix.sum() - matrix.sum(axis=1))),
        "roc_auc": roc_auc_score(answers.targets, answers.probabilities, multi_class="ovr"),
        "calibration_error": np.abs(distance).sum() / len(bins),
        "mean_absolute_error": mean_absolute_error(*asked),
        "one_off": np.mean(np.abs(asked[0] - asked[1]) <= 1),
    }


def test_the_rates_without_each_person_equal_scikit_learns_of_the_other_pictures() -> None:
    answers, people = drawn(40)
    # A person with pictures of two labels, as where somebody has grown older.
    own = np.flatnonzero(people == np.argmax(np.bincount(people)))
    answers.targets[own[: len(own) // 2]] = (answers.targets[own[0]] + 1) % 3
    found = without_each_person(answers, people)
    assert set(found) == set(NAMES)
    for person in range(40):
        expected = by_scikit_learn(answers.of(np.flatnonzero(people != person)))
        for name in NAMES:
            assert found[name][person] == pytest.approx(expected[name], abs=1e-12), name


def test_few_people_with_most_pictures_make_wider_intervals() -> None:
    answers, people = drawn(60, each=1, labels=2)
    rows = np.concatenate([np.flatnonzero(people >= 4), np.repeat(np.flatnonzero(people < 4), 25)])
    ends = intervals(answers.of(rows), people[rows], rates(answers.of(rows)))
    alike = intervals(answers, people, rates(answers))
    assert ends["precision_high"] - ends["precision_low"] > 1.5 * (alike["precision_high"] - alike["precision_low"])


def test_each_interval_is_as_wide_as_that_of_a_bootstrap_of_people_with_scikit_learns_rates() -> None:
    answers, people = drawn(300)
    found = rates(answers)
    ends = intervals(answers, people, found)
    expected = by_scikit_learn(answers)
    rng, rows, draws = np.random.default_rng(5), [np.flatnonzero(people == each) for each in range(300)], []
    for _ in range(250):
        chosen = np.concatenate([rows[each] for each in rng.integers(0, 300, 300)])
        draws.append(by_scikit_learn(answers.of(chosen)))
    for name in NAMES:
        assert found[name] == pytest.approx(expected[name], abs=1e-4), name
        deviation = np.std([draw[name] for draw in draws])
        assert (ends[f"{name}_high"] - ends[f"{name}_low"]) / (2 * 1.96 * deviation) == pytest.approx(1, abs=0.17), name
        assert ends[f"{name}_low"] < found[name] < ends[f"{name}_high"]


def test_intervals_of_thirty_people_cover_the_truth_about_19_times_in_20() -> None:
    names = [name for name in NAMES if name != "calibration_error"]
    truth, found = rates(drawn(20_000, labels=2, seed=99)[0]), []
    for seed in range(150):
        answers, people = drawn(30, labels=2, seed=seed)
        found.append(intervals(answers, people, rates(answers)))
    for name in names:
        covered = sum(ends[f"{name}_low"] <= truth[name] <= ends[f"{name}_high"] for ends in found)
        assert covered >= 135, name


def test_a_label_of_too_few_people_leaves_means_over_labels_without_an_interval() -> None:
    answers, people = drawn(60)
    rows = (answers.targets != 2) | (people < 8)
    assert len(np.unique(people[rows & (answers.targets == 2)])) < 5
    ends = intervals(answers.of(rows), people[rows], rates(answers.of(rows)))
    assert {name.rsplit("_", 1)[0] for name in ends} == {"calibration_error", "mean_absolute_error", "one_off"}


def test_where_every_answer_is_right_the_interval_is_no_point() -> None:
    targets = np.arange(40) % 2
    answers = Answers(targets, targets, 2, np.full(40, 0.9), np.eye(2)[targets] * 0.8 + 0.1)
    ends = intervals(answers, np.arange(40), rates(answers))
    assert ends["recall_high"] == 1 and ends["recall_low"] == pytest.approx(20 / (20 + 2.093**2), abs=1e-3)


def test_pictures_without_an_answer_do_not_stop_the_intervals() -> None:
    answers, people = drawn(80)
    none = np.isin(np.arange(len(people)), [3, 5, 8])
    gone = Answers(
        answers.targets,
        np.where(none, -1, answers.predicted),
        3,
        np.where(none, np.nan, answers.confidence),
        np.where(none[:, None], np.nan, answers.probabilities),
        ordered=True,
    )
    found = rates(gone)
    ends = intervals(gone, people, found)
    assert all(ends[f"{name}_low"] <= found[name] <= ends[f"{name}_high"] for name in NAMES)


@pytest.mark.filterwarnings("error")
def test_a_group_without_any_answer_has_intervals_of_what_counts_it_as_wrong_alone() -> None:
    answers, people = drawn(40)
    n = len(people)
    none = Answers(answers.targets, np.full(n, -1), 3, np.full(n, np.nan), np.full((n, 3), np.nan), ordered=True)
    ends = intervals(none, people, rates(none))
    assert ends["recall_low"] == 0 and ends["one_off_low"] == 0
    assert not {"roc_auc_low", "calibration_error_low", "mean_absolute_error_low"} & set(ends)
