"""Metrics of a classifier: accuracy, macro precision, recall and F1 (MTF, section 5.1), and calibration.

- MTF's script reports micro averages, which make all four figures the same number. Its tables, and these, are macro.
- Calibration is by temperature scaling and the expected calibration error (Guo et al. 2017).
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from sklearn.metrics import accuracy_score, precision_recall_fscore_support

FIGURES = ("accuracy", "precision", "recall", "f1")
BASELINES = ("untrained", "uniform_guess", "majority")
DIGITS = 4
UNIFORM_GUESS_DRAWS = 200
BINS = 15
MAX_TEMPERATURE = 20
# torchmetrics puts a confidence of exactly 1 into a bin of its own; just below 1 it belongs to the last bin.
MAX_CONFIDENCE = 1 - 1e-6


def scores(targets: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Accuracy, precision, recall and F1, each from 0 to 1, rounded to `DIGITS`.

    `targets` and `predicted` have the shape (n,) and hold label numbers; -1 is no answer. Macro averages are over the
    labels that occur in either; a label that is never predicted has precision 0.
    """
    occurring = np.unique(np.concatenate([targets, predicted[predicted >= 0]]))
    precision, recall, f1, _ = precision_recall_fscore_support(
        targets, predicted, labels=occurring, average="macro", zero_division=0
    )
    figures = (accuracy_score(targets, predicted), precision, recall, f1)
    return dict(zip(FIGURES, (round(float(figure), DIGITS) for figure in figures), strict=True))


def uniform_guess(targets: np.ndarray, *, labels: int, seed: int) -> dict[str, float]:
    """Scores of guessing each label as often: the mean of `UNIFORM_GUESS_DRAWS` seeded draws."""
    generator = np.random.default_rng(seed)
    draws = [scores(targets, generator.integers(0, labels, len(targets))) for _ in range(UNIFORM_GUESS_DRAWS)]
    return {name: round(float(np.mean([draw[name] for draw in draws])), DIGITS) for name in FIGURES}


def majority(targets: np.ndarray, trained_on: np.ndarray, *, labels: int) -> dict[str, float]:
    """Scores of always predicting the most frequent training label. `trained_on` has the shape (m,)."""
    most_frequent = np.bincount(trained_on, minlength=labels).argmax()
    return scores(targets, np.full_like(targets, most_frequent))


def temperature(probabilities: np.ndarray, targets: np.ndarray) -> float:
    """Temperature with the least cross-entropy on validation data, from 1/20 to 20.

    `probabilities` has the shape (n, labels), `targets` (n,) holds label numbers.
    """

    def loss(logarithm: float) -> float:
        scaled = softened(probabilities, float(np.exp(logarithm)))
        return float(-np.log(scaled[np.arange(len(targets)), targets].clip(1e-12)).mean())

    bound = np.log(MAX_TEMPERATURE)
    return float(np.exp(minimize_scalar(loss, bounds=(-bound, bound), method="bounded").x))


def softened(probabilities: np.ndarray, at: float) -> np.ndarray:
    """Probabilities (n, labels) at the temperature `at`: above 1 they become less confident, below 1 more."""
    scores = np.log(probabilities.clip(1e-12)) / at
    raised = np.exp(scores - scores.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


def expected_calibration_error(probabilities: np.ndarray, targets: np.ndarray, *, bins: int = BINS) -> float:
    """Expected calibration error, from 0 to 1, over `bins` bins of equal width, by torchmetrics.

    It is the mean distance between confidence and accuracy in a bin, weighted by the pictures in it. `probabilities`
    has the shape (n, labels), `targets` (n,) holds label numbers.
    """
    return calibration_error_of(probabilities.max(axis=1), probabilities.argmax(axis=1) == targets, bins=bins)


def calibration_error_of(confidence: np.ndarray, right: np.ndarray, *, bins: int = BINS) -> float:
    """Expected calibration error of answers: `confidence` (n,), 0 to 1, and whether each is `right`, (n,)."""
    # torchmetrics takes two seconds to import, and predicting labels does not need it.
    from torchmetrics.functional.classification import binary_calibration_error

    below_one = torch.from_numpy(np.asarray(confidence, np.float64)).clamp(max=MAX_CONFIDENCE)
    return float(binary_calibration_error(below_one, torch.from_numpy(np.asarray(right, np.int64)), n_bins=bins))
