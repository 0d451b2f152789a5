"""Label classifier of `mtf label`: one classifier per attribute, for pictures that nobody has labelled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from mtf.core import atomic_files, torch_files
from mtf.core.errors import BadInput
from mtf.evaluation import metrics
from mtf.label_classifier import networks

DIGITS = 4


@dataclass(frozen=True)
class TrainingProvenance:
    """Training and validation data of a classifier, on which its predictions are not independent.

    - `people`: identities;
    - `images`: image_ids, as another project may have another slug for the same person, and a data set without names
      has buckets for identities;
    - `split_sha256`: digest of the splits table that it was fitted by.
    """

    people: frozenset[str]
    images: frozenset[str]
    split_sha256: str

    @classmethod
    def of(cls, splits: pl.DataFrame, split_sha256: str) -> TrainingProvenance:
        """Training and validation data of a splits table."""
        fitted = splits.filter(pl.col("split").is_in(["train", "val"]))
        return cls(frozenset(fitted["identity"]), frozenset(fitted["image_id"]), split_sha256)


@dataclass(frozen=True)
class AttributeClassifier:
    """Fitted classifier of one attribute.

    - `attribute`: name of the column;
    - `labels`: in the order of the outputs;
    - `classifier`: the classifier itself;
    - `temperature`: temperature that calibrates it;
    - `fitted_on`: its training data, None if unknown (files of older versions).
    """

    attribute: str
    labels: list[str]
    classifier: networks.LabelClassifier
    temperature: float
    fitted_on: TrainingProvenance | None = None

    def probabilities(self, pictures: np.ndarray) -> np.ndarray:
        """Calibrated probabilities (n, labels) of grey pictures (n, 48, 48) uint8."""
        return metrics.softened(self.classifier.probabilities(pictures), self.temperature)


def fit(
    attribute: str,
    labels: Sequence[str],
    pictures: np.ndarray,
    targets: np.ndarray,
    split: np.ndarray,
    *,
    name: str,
    seed: int,
    epochs: int = networks.EPOCHS,
) -> AttributeClassifier:
    """Classifier `name` trained on the split `train`, with its epochs chosen and its calibration done on `val`.

    - `pictures`: (n, 48, 48) uint8 grey;
    - `targets`: (n,) label numbers;
    - `split`: (n,) names of splits.

    Raises BadInput if a split has no picture, or `train` has only one label.
    """
    parts = {part: (pictures[split == part], targets[split == part]) for part in ("train", "val")}
    for part, (_, present) in parts.items():
        if not len(present):
            raise BadInput(f"label {attribute}: no {part} pictures to fit on")
    classifier = networks.fit(name, parts["train"], parts["val"], labels=len(labels), seed=seed, epochs=epochs)
    temperature = metrics.temperature(classifier.probabilities(parts["val"][0]), parts["val"][1])
    return AttributeClassifier(attribute, list(labels), classifier, temperature)


def save(path: Path, labellers: Sequence[AttributeClassifier]) -> None:
    """Write all `labellers` to one file; together they are the label classifier."""
    content = [
        {
            "attribute": labeller.attribute,
            "labels": labeller.labels,
            "name": labeller.classifier.name,
            "temperature": labeller.temperature,
            "state": labeller.classifier.state(),
            **_provenance_entry(labeller.fitted_on),
        }
        for labeller in labellers
    ]
    atomic_files.write_bytes(path, networks.to_bytes({"labellers": content}))


def _provenance_entry(fitted_on: TrainingProvenance | None) -> dict[str, Any]:
    if fitted_on is None:
        return {}
    return {
        "people": sorted(fitted_on.people),
        "images": sorted(fitted_on.images),
        "split_sha256": fitted_on.split_sha256,
    }


def _fitted_on(entry: Mapping[str, Any]) -> TrainingProvenance | None:
    """Training data in a file's entry, None in files of older versions, which lack a part of it."""
    if not {"people", "images", "split_sha256"} <= entry.keys():
        return None
    return TrainingProvenance(frozenset(entry["people"]), frozenset(entry["images"]), entry["split_sha256"])


def load(path: Path) -> list[AttributeClassifier]:
    """Classifiers in a file that `save` wrote. Raises BadInput if there is no such file or it cannot be read."""
    if not path.is_file():
        raise BadInput(f"{path}: no label classifier here; make one with `mtf label fit`")
    wanted = "a label classifier"
    content = torch_files.read(path, wanted=wanted)
    try:
        return [
            AttributeClassifier(
                entry["attribute"],
                entry["labels"],
                networks.restored(entry["name"], entry["state"], len(entry["labels"])),
                entry["temperature"],
                _fitted_on(entry),
            )
            for entry in content["labellers"]
        ]
    except Exception as error:  # a file from outside may hold anything
        raise torch_files.not_wanted(path, wanted, error) from None


def predict(labellers: Sequence[AttributeClassifier], pictures: np.ndarray) -> pl.DataFrame:
    """Predictions for grey pictures (n, 48, 48) uint8: the columns ATTRIBUTE and ATTRIBUTE_confidence (0 to 1)."""
    columns: dict[str, pl.Series] = {}
    for labeller in labellers:
        probabilities = labeller.probabilities(pictures)
        columns[labeller.attribute] = pl.Series(labeller.labels)[probabilities.argmax(axis=1)]
        columns[f"{labeller.attribute}_confidence"] = pl.Series(
            probabilities.max(axis=1).round(DIGITS), dtype=pl.Float32
        )
    return pl.DataFrame(columns)
