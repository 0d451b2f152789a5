"""`mtf label`: one classifier per attribute, together the label classifier for pictures that nobody has labelled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    f1_score,
    precision_recall_fscore_support,
    roc_auc_score,
    roc_curve,
)

from mtf import atomic
from mtf.errors import BadInput
from mtf.learn import calibration, efrs, fairness

DIGITS = 4


@dataclass(frozen=True)
class Labeller:
    """A fitted classifier of one attribute, its labels, and the temperature that calibrates it."""

    attribute: str
    labels: list[str]
    classifier: efrs.LabelClassifier
    temperature: float

    def probabilities(self, pictures: np.ndarray) -> np.ndarray:
        """Calibrated, (n, labels), of grey pictures (n, 48, 48) uint8."""
        return calibration.softened(self.classifier.probabilities(pictures), self.temperature)


def figures(targets: np.ndarray, probabilities: np.ndarray) -> dict[str, float | None]:
    """EFRS's four metrics. F1 is of the second label where there are two, else the mean over labels; ROC AUC is
    one against the rest; None where a metric is undefined (one class only).
    """
    predicted = probabilities.argmax(axis=1)
    present = np.unique(targets)
    two = probabilities.shape[1] == 2
    auc = None
    if len(present) == probabilities.shape[1]:
        auc = roc_auc_score(targets, probabilities[:, 1] if two else probabilities, multi_class="ovr")
    found = {
        "accuracy": accuracy_score(targets, predicted),
        "balanced_accuracy": balanced_accuracy_score(targets, predicted) if len(present) > 1 else None,
        "roc_auc": auc,
        "f1": f1_score(targets, predicted, average="binary" if two else "macro", zero_division=0),
    }
    return {name: None if value is None else round(float(value), DIGITS) for name, value in found.items()}


def by_subgroup(
    targets: np.ndarray, probabilities: np.ndarray, groups: Sequence[str], order: Sequence[str]
) -> dict[str, Any]:
    """The four metrics in each subgroup, and their mean, std and spread (Tables 3 to 5, Figure 7)."""
    names = np.asarray(groups)
    measured = {
        group: {"n": int((names == group).sum()), **figures(targets[names == group], probabilities[names == group])}
        for group in order
        if (names == group).any()
    }
    metrics = ("accuracy", "balanced_accuracy", "roc_auc", "f1")
    statistics = {metric: fairness.spread([row[metric] for row in measured.values()]) for metric in metrics}
    return {"groups": measured, "statistics": statistics}


def by_own_label(targets: np.ndarray, probabilities: np.ndarray, labels: Sequence[str]) -> dict[str, Any]:
    """Precision, recall and F1 per label (Table 6): within one label the ROC AUC is undefined."""
    numbers = range(len(labels))
    precision, recall, f1, n = precision_recall_fscore_support(
        targets, probabilities.argmax(axis=1), labels=numbers, zero_division=0
    )
    columns = {"precision": precision, "recall": recall, "f1": f1}
    return {
        label: {"n": int(n[number])} | {name: round(float(values[number]), DIGITS) for name, values in columns.items()}
        for number, label in enumerate(labels)
    }


def roc(targets: np.ndarray, probabilities: np.ndarray) -> list[dict[str, float]]:
    """The ROC curve of the second of two labels (Figure 5)."""
    false_positive, true_positive, _ = roc_curve(targets, probabilities[:, 1])
    pairs = zip(false_positive, true_positive, strict=True)
    return [{"false_positive_rate": round(float(x), 6), "true_positive_rate": round(float(y), 6)} for x, y in pairs]


def fit(
    attribute: str,
    labels: Sequence[str],
    pictures: np.ndarray,
    targets: np.ndarray,
    split: np.ndarray,
    *,
    name: str,
    seed: int,
    epochs: int = efrs.EPOCHS,
) -> Labeller:
    """Train the classifier `name` on `train`, choose its epochs and calibrate it on `val`.

    `pictures` (n, 48, 48) uint8 grey, `targets` (n,) numbers of labels, `split` (n,) names.
    """
    parts = {part: (pictures[split == part], targets[split == part]) for part in ("train", "val")}
    for part, (_, present) in parts.items():
        if not len(present):
            raise BadInput(f"label {attribute}: no {part} pictures to fit on")
    classifier = efrs.fit(name, parts["train"], parts["val"], labels=len(labels), seed=seed, epochs=epochs)
    heat = calibration.temperature(classifier.probabilities(parts["val"][0]), parts["val"][1])
    return Labeller(attribute, list(labels), classifier, heat)


def save(path: Path, labellers: Sequence[Labeller]) -> None:
    """All labellers in one file: together they are the label classifier."""
    content = [
        {
            "attribute": labeller.attribute,
            "labels": labeller.labels,
            "name": labeller.classifier.name,
            "temperature": labeller.temperature,
            "state": labeller.classifier.state(),
        }
        for labeller in labellers
    ]
    atomic.write_bytes(path, efrs.to_bytes({"labellers": content}))


def load(path: Path) -> list[Labeller]:
    """Raises BadInput where the file is none of `save`'s."""
    if not path.is_file():
        raise BadInput(f"{path}: no label classifier here; make one with `mtf label fit`")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)["labellers"]
        return [
            Labeller(
                entry["attribute"],
                entry["labels"],
                efrs.restored(entry["name"], entry["state"], len(entry["labels"])),
                entry["temperature"],
            )
            for entry in content
        ]
    except (RuntimeError, KeyError, ValueError, TypeError, EOFError, OSError) as error:
        raise BadInput(f"{path}: not a label classifier: {' '.join(str(error).split())[:200]}") from None


def predict(labellers: Sequence[Labeller], pictures: np.ndarray) -> pl.DataFrame:
    """Per attribute the columns ATTRIBUTE and ATTRIBUTE_confidence, a row per grey picture (n, 48, 48) uint8."""
    columns: dict[str, pl.Series] = {}
    for labeller in labellers:
        chances = labeller.probabilities(pictures)
        columns[labeller.attribute] = pl.Series(labeller.labels)[chances.argmax(axis=1)]
        columns[f"{labeller.attribute}_confidence"] = pl.Series(chances.max(axis=1).round(DIGITS), dtype=pl.Float32)
    return pl.DataFrame(columns)


def contradictions(
    predicted: pl.DataFrame, roster: pl.DataFrame, attributes: Sequence[str], *, sure: float
) -> pl.DataFrame:
    """Where a prediction of at least `sure` differs from the roster: hints for reviewers, never verdicts.

    `predicted` as `predict` gives it, `roster` the same rows with `face_id` and their labels. Gives face_id, attribute,
    roster, predicted, confidence.
    """
    hints = []
    for name in attributes:
        both = roster.select("face_id", roster=name).with_columns(
            predicted=predicted[name], confidence=predicted[f"{name}_confidence"]
        )
        differing = both.filter((pl.col("roster") != pl.col("predicted")) & (pl.col("confidence") >= sure))
        hints.append(differing.select("face_id", pl.lit(name).alias("attribute"), "roster", "predicted", "confidence"))
    return pl.concat(hints)
