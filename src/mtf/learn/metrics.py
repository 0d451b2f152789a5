"""Accuracy, macro precision, macro recall and macro F1 of a classifier, by scikit-learn (MTF, section 5.1).

MTF's script reports micro averages, by which all four figures are the same number; its tables, and these, are macro.
"""

from __future__ import annotations

import numpy as np
from sklearn.metrics import accuracy_score, precision_recall_fscore_support

FIGURES = ("accuracy", "precision", "recall", "f1")
DIGITS = 4
RANDOM_GUESS_DRAWS = 200


def scores(targets: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Accuracy, precision, recall and F1, each from 0 to 1, rounded to `DIGITS`.

    `targets` and `predicted` have the shape (n,) and hold label numbers. Macro averages are over the labels that occur
    in either; a label that is never predicted has precision 0.
    """
    precision, recall, f1, _ = precision_recall_fscore_support(targets, predicted, average="macro", zero_division=0)
    figures = (accuracy_score(targets, predicted), precision, recall, f1)
    return dict(zip(FIGURES, (round(float(figure), DIGITS) for figure in figures), strict=True))


def random_guess(targets: np.ndarray, *, labels: int, seed: int) -> dict[str, float]:
    """Scores of uniform random guessing: the mean of `RANDOM_GUESS_DRAWS` seeded draws (MTF, Tables 5 to 8)."""
    generator = np.random.default_rng(seed)
    draws = [scores(targets, generator.integers(0, labels, len(targets))) for _ in range(RANDOM_GUESS_DRAWS)]
    return {name: round(float(np.mean([draw[name] for draw in draws])), DIGITS) for name in FIGURES}


def majority(targets: np.ndarray, trained_on: np.ndarray, *, labels: int) -> dict[str, float]:
    """Scores of always predicting the most frequent training label. `trained_on` has the shape (m,)."""
    most_frequent = np.bincount(trained_on, minlength=labels).argmax()
    return scores(targets, np.full_like(targets, most_frequent))
