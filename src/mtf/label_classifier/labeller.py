"""Label classifier of `mtf label`: one classifier per attribute, for pictures that nobody has labelled."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict, Field

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
        """Calibrated probabilities (n, labels) of pictures as `classifier.takes` says."""
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
    state: Path | None = None,
) -> AttributeClassifier:
    """Classifier `name` trained on the split `train`, with its epochs chosen and its calibration done on `val`.

    - `pictures`: (n, 48, 48) uint8 grey;
    - `targets`: (n,) label numbers;
    - `split`: (n,) names of splits;
    - `state`: file of `networks.fit`.

    Raises BadInput if a split has no picture, or `train` has only one label.
    """
    parts = {part: (pictures[split == part], targets[split == part]) for part in ("train", "val")}
    for part, (_, present) in parts.items():
        if not len(present):
            raise BadInput(f"label {attribute}: no {part} pictures to fit on")
    classifier = networks.fit(
        name, parts["train"], parts["val"], labels=len(labels), seed=seed, epochs=epochs, state=state
    )
    return calibrated(attribute, labels, classifier, *parts["val"])


def calibrated(
    attribute: str,
    labels: Sequence[str],
    classifier: networks.LabelClassifier,
    pictures: np.ndarray,
    targets: np.ndarray,
) -> AttributeClassifier:
    """Classifier of an attribute, calibrated on the `pictures` and label numbers (n,) of the split `val`."""
    temperature = metrics.temperature(classifier.probabilities(pictures), targets)
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
            # Names as one object each: pickle would write a repeated name as often as it has copies.
            "history": [
                {sys.intern(name): value for name, value in epoch.items()} for epoch in labeller.classifier.history
            ],
            "epochs": labeller.classifier.epochs,
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


class FileEntry(BaseModel):
    """Entry of a classifier's file, checked before anything is made of it. Older versions lack the last five."""

    model_config = ConfigDict(arbitrary_types_allowed=True, strict=True)

    attribute: str
    labels: Annotated[list[str], Field(min_length=1, max_length=100_000)]
    name: str
    temperature: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    state: dict[str, Any]
    history: list[dict[str, float]] = []
    epochs: int | None = None
    people: list[str] | None = None
    images: list[str] | None = None
    split_sha256: str | None = None

    def classifier(self) -> AttributeClassifier:
        """Classifier of the entry. Raises nearly anything for a foreign state."""
        made = restored(self.name, self.state, len(self.labels))
        made.history, made.epochs = self.history, self.epochs
        return AttributeClassifier(self.attribute, self.labels, made, self.temperature, self._fitted_on())

    def _fitted_on(self) -> TrainingProvenance | None:
        if self.people is None or self.images is None or self.split_sha256 is None:
            return None
        return TrainingProvenance(frozenset(self.people), frozenset(self.images), self.split_sha256)


def restored(name: str, state: dict[str, Any], labels: int) -> networks.LabelClassifier:
    """Classifier of EFRS or network of the registry, from its `state`. Raises as `networks.restored`."""
    if name in networks.NAMES:
        return networks.restored(name, state, labels)
    from mtf.label_classifier import registered_networks

    return registered_networks.restored(name, state, labels)


def load(path: Path) -> list[AttributeClassifier]:
    """Classifiers in a file that `save` wrote. Raises BadInput if there is no such file or it cannot be read."""
    if not path.is_file():
        raise BadInput(f"{path}: no label classifier here; make one with `mtf label fit`")
    wanted = "a label classifier"
    content = torch_files.read(path, wanted=wanted)
    try:
        return [FileEntry.model_validate(entry).classifier() for entry in content["labellers"]]
    except Exception:  # a file from outside may hold anything, and torch's words are for programmers
        raise BadInput(
            f"{path}: not {wanted}: a torch file of something else, or of another version; "
            "make one with `mtf label fit`"
        ) from None


def predict(
    labellers: Sequence[AttributeClassifier], pictures: Mapping[networks.InputPictures, np.ndarray]
) -> pl.DataFrame:
    """Predictions for pictures: the columns ATTRIBUTE and ATTRIBUTE_confidence (0 to 1).

    `pictures`: the same ones in each form that a classifier takes.
    """
    columns: dict[str, pl.Series] = {}
    for labeller in labellers:
        probabilities = labeller.probabilities(pictures[labeller.classifier.takes])
        columns[labeller.attribute] = pl.Series(labeller.labels)[probabilities.argmax(axis=1)]
        columns[f"{labeller.attribute}_confidence"] = pl.Series(
            probabilities.max(axis=1).round(DIGITS), dtype=pl.Float32
        )
    return pl.DataFrame(columns)
