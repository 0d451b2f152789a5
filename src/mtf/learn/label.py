"""`mtf label`: one classifier per attribute, together the label classifier for pictures that nobody has labelled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from mtf import atomic
from mtf.errors import BadInput
from mtf.learn import calibration, efrs

DIGITS = 4


@dataclass(frozen=True)
class FittedOn:
    """What a classifier was shown the labels of, for training or validation: of it, it has no opinion of its own.

    `people` are identities, `images` image_ids: another project may call the same person otherwise, and a data set
    that names nobody has buckets for people. `split_sha256` is of the table that it was fitted by.
    """

    people: frozenset[str]
    images: frozenset[str]
    split_sha256: str

    @classmethod
    def of(cls, splits: pl.DataFrame, split_sha256: str) -> FittedOn:
        shown = splits.filter(pl.col("split").is_in(["train", "val"]))
        return cls(frozenset(shown["identity"]), frozenset(shown["image_id"]), split_sha256)


@dataclass(frozen=True)
class Labeller:
    """A fitted classifier of one attribute, its labels, and the temperature that calibrates it.

    `fitted_on` is None where that is not known: versions before kept less of it.
    """

    attribute: str
    labels: list[str]
    classifier: efrs.LabelClassifier
    temperature: float
    fitted_on: FittedOn | None = None

    def probabilities(self, pictures: np.ndarray) -> np.ndarray:
        """Calibrated, (n, labels), of grey pictures (n, 48, 48) uint8."""
        return calibration.softened(self.classifier.probabilities(pictures), self.temperature)


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

    `pictures` (n, 48, 48) uint8 grey, `targets` (n,) numbers of labels, `split` (n,) names. Raises
    BadInput where a part has no picture, or train has one label only.
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
            **_kept_of(labeller.fitted_on),
        }
        for labeller in labellers
    ]
    atomic.write_bytes(path, efrs.to_bytes({"labellers": content}))


def _kept_of(fitted_on: FittedOn | None) -> dict[str, Any]:
    if fitted_on is None:
        return {}
    return {
        "people": sorted(fitted_on.people),
        "images": sorted(fitted_on.images),
        "split_sha256": fitted_on.split_sha256,
    }


def _fitted_on(entry: Mapping[str, Any]) -> FittedOn | None:
    """Files of versions before lack some of it; they still label pictures that nobody has labelled."""
    if not {"people", "images", "split_sha256"} <= entry.keys():
        return None
    return FittedOn(frozenset(entry["people"]), frozenset(entry["images"]), entry["split_sha256"])


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
                _fitted_on(entry),
            )
            for entry in content
        ]
    except (RuntimeError, KeyError, ValueError, TypeError, EOFError, OSError) as error:
        raise BadInput(f"{path}: not a label classifier: {' '.join(str(error).split())[:200]}") from None


def predict(labellers: Sequence[Labeller], pictures: np.ndarray) -> pl.DataFrame:
    """Per attribute the columns ATTRIBUTE and ATTRIBUTE_confidence, a row per grey picture (n, 48, 48) uint8."""
    columns: dict[str, pl.Series] = {}
    for labeller in labellers:
        probabilities = labeller.probabilities(pictures)
        columns[labeller.attribute] = pl.Series(labeller.labels)[probabilities.argmax(axis=1)]
        columns[f"{labeller.attribute}_confidence"] = pl.Series(
            probabilities.max(axis=1).round(DIGITS), dtype=pl.Float32
        )
    return pl.DataFrame(columns)
