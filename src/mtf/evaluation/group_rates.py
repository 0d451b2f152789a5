"""Rates of a classifier within one group, and how far they differ between groups.

Each label is measured against the rest. A rate of a group is the mean over the labels that occur in it. A difference
between groups is the largest over the labels. With two labels, the differences equal those of fairlearn, which supports
no more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import roc_auc_score

DIGITS = 4
RATES = ("precision", "recall", "false_positive_rate", "false_negative_rate", "roc_auc", "calibration_error")
ORDERED = ("mean_absolute_error", "one_off")
DIFFERENCES = ("demographic_parity_difference", "equalized_odds_difference")
BINS = 15

Rates = dict[str, float | None]


@dataclass(frozen=True)
class Answers:
    """Answers of a classifier about n pictures.

    targets: (n,), number of the true label.
    predicted: (n,), number of the predicted label; -1 is no answer.
    labels: number of labels.
    confidence: (n,), probability of the predicted label, 0 to 1; NaN where there is no answer. None if not known.
    probabilities: (n, labels), each row sums to 1, or is NaN where there is no answer. None if not known.
    ordered: the numbers of the labels are steps of an order, such as age groups.
    """

    targets: np.ndarray
    predicted: np.ndarray
    labels: int
    confidence: np.ndarray | None = None
    probabilities: np.ndarray | None = None
    ordered: bool = False

    def of(self, rows: np.ndarray) -> Answers:
        """The answers about the pictures `rows`."""
        return Answers(
            self.targets[rows],
            self.predicted[rows],
            self.labels,
            None if self.confidence is None else self.confidence[rows],
            None if self.probabilities is None else self.probabilities[rows],
            self.ordered,
        )

    @property
    def answered(self) -> np.ndarray:
        """(n,), true where there is an answer."""
        return self.predicted >= 0


@dataclass(frozen=True)
class _OneAgainstRest:
    """Rates of each label, (labels,); NaN where a label has no picture, or every picture."""

    selected: np.ndarray
    true_positive: np.ndarray
    false_positive: np.ndarray
    precision: np.ndarray

    @classmethod
    def of(cls, answers: Answers) -> _OneAgainstRest:
        n, labels = len(answers.targets), answers.labels
        predicted = answers.predicted[answers.answered]
        right = answers.targets[answers.answered] == predicted
        positives = np.bincount(answers.targets, minlength=labels).astype(float)
        chosen = np.bincount(predicted, minlength=labels).astype(float)
        hits = np.bincount(predicted[right], minlength=labels).astype(float)
        with np.errstate(divide="ignore", invalid="ignore"):
            return cls(
                selected=chosen / n,
                true_positive=hits / positives,
                false_positive=(chosen - hits) / (n - positives),
                precision=np.where(chosen > 0, hits / chosen, 0.0),
            )


def rates(answers: Answers) -> Rates:
    """Rates of one group: RATES, and ORDERED if the labels are ordered; each 0 to 1, None where it is not defined.

    - precision, recall, false_positive_rate, false_negative_rate, roc_auc: means over the labels that occur, one
      against the rest. With a single label that occurs, only recall and false_negative_rate are defined.
    - calibration_error: expected calibration error of the confidences (Guo et al. 2017), over BINS bins.
    - mean_absolute_error: mean distance between predicted and true label, in steps of the order (above 1 is possible).
    - one_off: share of the pictures whose predicted label is the true one or next to it.

    A picture without an answer counts as wrong, and is left out of roc_auc, calibration_error and mean_absolute_error.
    """
    each = _OneAgainstRest.of(answers)
    occurs = np.unique(answers.targets)
    found: Rates = dict.fromkeys(RATES)
    if len(occurs):
        found["recall"] = float(each.true_positive[occurs].mean())
        found["false_negative_rate"] = 1 - found["recall"]
        found["calibration_error"] = _calibration_error(answers)
    if len(occurs) > 1:
        found["precision"] = float(each.precision[occurs].mean())
        found["false_positive_rate"] = float(each.false_positive[occurs].mean())
        found["roc_auc"] = _roc_auc(answers)
    if answers.ordered and len(occurs):
        steps = np.abs(answers.predicted - answers.targets)
        found["mean_absolute_error"] = float(steps[answers.answered].mean()) if answers.answered.any() else None
        found["one_off"] = float((answers.answered & (steps <= 1)).mean())
    return {name: None if value is None else round(value, DIGITS) for name, value in found.items()}


def differences(answers: Sequence[Answers]) -> Rates:
    """Differences between groups (the `answers` about each), 0 to 1: DIFFERENCES; None with fewer than two groups.

    - demographic_parity_difference: between the shares of pictures that are given a label.
    - equalized_odds_difference: between true positive rates, or false positive rates, whichever differ more.

    Both are None if each group has one true label alone, as where the groups are the labels.
    """
    if len(answers) < 2 or all(len(np.unique(each.targets)) < 2 for each in answers):
        return dict.fromkeys(DIFFERENCES)
    each = [_OneAgainstRest.of(group) for group in answers]
    odds = [_largest([one.true_positive for one in each]), _largest([one.false_positive for one in each])]
    return {
        "demographic_parity_difference": _rounded(_largest([one.selected for one in each])),
        "equalized_odds_difference": _rounded(max((gap for gap in odds if gap is not None), default=None)),
    }


def _largest(values: Sequence[np.ndarray]) -> float | None:
    """Largest difference between groups over the labels, of those groups that have the rate."""
    table = np.stack(values)
    defined = (~np.isnan(table)).sum(axis=0) > 1
    if not defined.any():
        return None
    return float((np.nanmax(table[:, defined], axis=0) - np.nanmin(table[:, defined], axis=0)).max())


def _roc_auc(answers: Answers) -> float | None:
    if answers.probabilities is None:
        return None
    rows = answers.answered
    targets, probabilities = answers.targets[rows], answers.probabilities[rows]
    occurs = np.unique(targets)
    if len(occurs) < 2:
        return None
    return float(np.mean([roc_auc_score(targets == label, probabilities[:, label]) for label in occurs]))


def _calibration_error(answers: Answers) -> float | None:
    if answers.confidence is None or not answers.answered.any():
        return None
    from mtf.evaluation import metrics

    rows = answers.answered
    return metrics.calibration_error_of(answers.confidence[rows], answers.targets[rows] == answers.predicted[rows])


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, DIGITS)
