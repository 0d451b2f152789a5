"""How right a classifier is: accuracy, and precision, recall and F1 as means over the labels (MTF, section 5.1).

MTF's script reports micro averages, by which all four are the same number; its tables and these are macro.
"""

from __future__ import annotations

import numpy as np
import torch
from torchmetrics.functional.classification import multiclass_confusion_matrix, multiclass_stat_scores

FIGURES = ("accuracy", "precision", "recall", "f1")
DIGITS = 4
GUESSES = 200


def scores(targets: np.ndarray, predicted: np.ndarray, *, labels: int) -> dict[str, float]:
    """The four figures, 0 to 1. `targets`, `predicted`: (n,) numbers of labels below `labels`.

    Means are over the labels that occur in either; a label never predicted has precision 0, as in scikit-learn
    with `zero_division=0`.
    """
    counts = multiclass_stat_scores(
        torch.from_numpy(predicted), torch.from_numpy(targets), num_classes=labels, average=None
    ).numpy()
    hit, false_alarm, _, missed, _ = counts.astype(float).T
    occurs = (hit + false_alarm + missed) > 0
    figures = (
        hit.sum() / len(targets),
        _ratio(hit, hit + false_alarm)[occurs].mean(),
        _ratio(hit, hit + missed)[occurs].mean(),
        _ratio(2 * hit, 2 * hit + false_alarm + missed)[occurs].mean(),
    )
    return dict(zip(FIGURES, (round(float(figure), DIGITS) for figure in figures), strict=True))


def random_guess(targets: np.ndarray, *, labels: int, seed: int) -> dict[str, float]:
    """What guessing each label alike gives: the mean of `GUESSES` seeded draws (MTF, Tables 5 to 8)."""
    generator = np.random.default_rng(seed)
    draws = [scores(targets, generator.integers(0, labels, len(targets)), labels=labels) for _ in range(GUESSES)]
    return {name: round(float(np.mean([draw[name] for draw in draws])), DIGITS) for name in FIGURES}


def majority(targets: np.ndarray, trained_on: np.ndarray, *, labels: int) -> dict[str, float]:
    """What always saying the commonest training label gives."""
    commonest = np.bincount(trained_on, minlength=labels).argmax()
    return scores(targets, np.full_like(targets, commonest), labels=labels)


def confusion(targets: np.ndarray, predicted: np.ndarray, *, labels: int) -> np.ndarray:
    """(labels, labels): row the true label, column the predicted one."""
    return multiclass_confusion_matrix(
        torch.from_numpy(predicted), torch.from_numpy(targets), num_classes=labels
    ).numpy()


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)
