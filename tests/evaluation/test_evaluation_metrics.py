"""The four figures are macro averages over the labels that occur, counted here label by label."""

from __future__ import annotations

import numpy as np
import pytest

from mtf.evaluation import metrics


def counted(targets: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Precision, recall and F1 of each label that occurs, 0 where there is nothing to divide by, and their means."""
    rows = []
    for label in np.union1d(targets, predicted):
        hits = int(((targets == label) & (predicted == label)).sum())
        called, borne = int((predicted == label).sum()), int((targets == label).sum())
        rows.append((hits / max(called, 1), hits / max(borne, 1), 2 * hits / (called + borne)))
    precision, recall, f1 = np.mean(rows, axis=0)
    return {"accuracy": float((targets == predicted).mean()), "precision": precision, "recall": recall, "f1": f1}


def drawn(labels: int, *, images: int, seed: int, right: float) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    targets = random.integers(0, labels, images)
    guesses = random.integers(0, labels, images)
    return targets, np.where(random.random(images) < right, targets, guesses)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("labels", "images"), [(2, 40), (4, 300), (40, 60)])
def test_the_four_figures_are_those_counted_label_by_label(labels: int, images: int, seed: int) -> None:
    # 60 images of 40 labels: some labels occur in neither, some in one only.
    targets, predicted = drawn(labels, images=images, seed=seed, right=0.6)
    expected = counted(targets, predicted)
    assert metrics.scores(targets, predicted) == pytest.approx(expected, abs=5.1e-5)


def test_one_label_for_everything_gives_the_papers_degenerate_row() -> None:
    """MTF, Table 6, MobileNet from scratch: recall 25.00 % and precision a quarter of the accuracy."""
    targets = np.repeat([0, 1, 2, 3], [4097, 3238, 1563, 1102])
    figures = metrics.scores(targets, np.zeros_like(targets))
    assert figures["accuracy"] == pytest.approx(0.4097)
    assert figures["precision"] == pytest.approx(0.1024, abs=1e-4)
    assert figures["recall"] == pytest.approx(0.25)
    assert figures["f1"] == pytest.approx(0.1453, abs=1e-4)


def test_random_guessing_is_seeded_and_comes_to_one_in_the_number_of_labels() -> None:
    targets, _ = drawn(4, images=2000, seed=3, right=1)
    once, again = (metrics.uniform_guess(targets, labels=4, seed=9) for _ in range(2))
    assert once == again
    assert once["accuracy"] == pytest.approx(0.25, abs=0.01)
    assert once != metrics.uniform_guess(targets, labels=4, seed=10)


def test_the_majority_row_takes_its_label_from_training() -> None:
    targets, trained_on = np.array([0, 0, 0, 1]), np.array([1, 1, 0])
    assert metrics.majority(targets, trained_on, labels=2)["accuracy"] == 0.25
