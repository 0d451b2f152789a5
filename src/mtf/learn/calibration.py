"""Confidence that means what it says: temperature scaling, and how far off it is (Guo et al. 2017)."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize_scalar

BINS = 15


def temperature(probabilities: np.ndarray, targets: np.ndarray) -> float:
    """The temperature that gives the least cross-entropy on validation data, between 1/20 and 20."""

    def loss(logarithm: float) -> float:
        scaled = softened(probabilities, float(np.exp(logarithm)))
        return float(-np.log(scaled[np.arange(len(targets)), targets].clip(1e-12)).mean())

    found = minimize_scalar(loss, bounds=(-np.log(20), np.log(20)), method="bounded")
    return float(np.exp(found.x))


def softened(probabilities: np.ndarray, at: float) -> np.ndarray:
    """Probabilities (n, labels) at another temperature: above 1 less sure, below 1 more."""
    scores = np.log(probabilities.clip(1e-12)) / at
    raised = np.exp(scores - scores.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


def expected_error(probabilities: np.ndarray, targets: np.ndarray, *, bins: int = BINS) -> float:
    """Mean distance between confidence and accuracy over bins of equal width, weighted by their pictures."""
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == targets
    numbers = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [
        abs(confidence[numbers == number].mean() - right[numbers == number].mean()) * (numbers == number).mean()
        for number in np.unique(numbers)
    ]
    return float(sum(gaps))
