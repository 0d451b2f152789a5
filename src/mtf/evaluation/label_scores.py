"""Metrics of a label classifier by scikit-learn: EFRS's four, over all pictures, by subgroup and by label."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.metrics import (
    accuracy_score,
    f1_score,
    precision_recall_fscore_support,
    recall_score,
    roc_auc_score,
    roc_curve,
)

from mtf.evaluation import fairness

METRICS = ("accuracy", "balanced_accuracy", "roc_auc", "f1")
OWN_LABEL_METRICS = ("precision", "recall", "f1")
DIGITS = 4


def figures(targets: np.ndarray, probabilities: np.ndarray) -> dict[str, float | None]:
    """Accuracy, balanced accuracy, ROC AUC and F1, each from 0 to 1, rounded to `DIGITS`.

    `targets` (n,) holds label numbers, `probabilities` has the shape (n, labels).

    - F1 is that of the second label if there are two, otherwise the macro average.
    - ROC AUC is one against the rest, None if a label has no picture.
    - Balanced accuracy is the mean recall of the labels that occur, as in scikit-learn: for pictures of one label it
      is the accuracy. So EFRS's decade with a single picture counts in its Table 4. (`balanced_accuracy_score` itself
      warns of every label that is predicted and does not occur.)
    """
    predicted = probabilities.argmax(axis=1)
    present = np.unique(targets)
    two = probabilities.shape[1] == 2
    auc = None
    if len(present) == probabilities.shape[1]:
        auc = roc_auc_score(targets, probabilities[:, 1] if two else probabilities, multi_class="ovr")
    found = {
        "accuracy": accuracy_score(targets, predicted),
        "balanced_accuracy": recall_score(targets, predicted, labels=present, average="macro", zero_division=0),
        "roc_auc": auc,
        "f1": f1_score(targets, predicted, average="binary" if two else "macro", zero_division=0),
    }
    return {name: None if value is None else round(float(value), DIGITS) for name, value in found.items()}


def by_subgroup(
    targets: np.ndarray, probabilities: np.ndarray, groups: Sequence[str], order: Sequence[str]
) -> dict[str, Any]:
    """Scores by subgroup: the four metrics of each that has a picture, as `groups`, and their `statistics`.

    As in Tables 3 to 5 and Figure 7 of EFRS. `groups` names the subgroup of each picture, `order` their order.
    """
    names = np.asarray(groups)
    measured = {
        group: {"n": int((names == group).sum()), **figures(targets[names == group], probabilities[names == group])}
        for group in order
        if (names == group).any()
    }
    return {"groups": measured, "statistics": statistics(measured.values())}


def statistics(rows: Any) -> dict[str, dict[str, float | None]]:
    """Metric → mean, standard deviation and spread over the rows of subgroups."""
    measured = list(rows)
    return {metric: fairness.spread([row[metric] for row in measured]) for metric in METRICS}


def by_own_label(targets: np.ndarray, probabilities: np.ndarray, labels: Sequence[str]) -> dict[str, Any]:
    """Precision, recall and F1 per label (Table 6): within one label the ROC AUC is undefined."""
    numbers = range(len(labels))
    precision, recall, f1, n = precision_recall_fscore_support(
        targets, probabilities.argmax(axis=1), labels=numbers, zero_division=0
    )
    columns = dict(zip(OWN_LABEL_METRICS, (precision, recall, f1), strict=True))
    return {
        label: {"n": int(n[number])} | {name: round(float(values[number]), DIGITS) for name, values in columns.items()}
        for number, label in enumerate(labels)
    }


def relative_difference(figures: Sequence[float]) -> float | None:
    """Relative gap (maximum - minimum) / maximum, as in Table 6; None if all figures are 0."""
    return round((max(figures) - min(figures)) / max(figures), DIGITS) if max(figures) else None


def roc(targets: np.ndarray, probabilities: np.ndarray) -> list[dict[str, float]]:
    """Points of the ROC curve (Figure 5): of the second label if there are two, otherwise the micro average."""
    two = probabilities.shape[1] == 2
    is_label = targets if two else np.eye(probabilities.shape[1], dtype=int)[targets].ravel()
    false_positive, true_positive, _ = roc_curve(is_label, probabilities[:, 1] if two else probabilities.ravel())
    pairs = zip(false_positive, true_positive, strict=True)
    return [{"false_positive_rate": round(float(x), 6), "true_positive_rate": round(float(y), 6)} for x, y in pairs]
