"""`mtf label`: one classifier per attribute, together the label classifier for pictures that nobody has labelled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import torch

from mtf import atomic
from mtf.errors import BadInput
from mtf.learn import calibration, efrs

DIGITS = 4


@dataclass(frozen=True)
class Labeller:
    """A fitted classifier of one attribute, its labels, and the temperature that calibrates it.

    `fitted_on` are the people whose labels it was shown, for training or validation: of them it has no opinion of its
    own, in no picture. `split_sha256` is of the table that it was fitted by.
    """

    attribute: str
    labels: list[str]
    classifier: efrs.LabelClassifier
    temperature: float
    fitted_on: frozenset[str] = frozenset()
    split_sha256: str = ""

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
    people: Sequence[str] = (),
    split_sha256: str = "",
) -> Labeller:
    """Train the classifier `name` on `train`, choose its epochs and calibrate it on `val`.

    `pictures` (n, 48, 48) uint8 grey, `targets` (n,) numbers of labels, `split` (n,) names; `people`, where given, the
    n identities. Raises BadInput where a part has no picture, or train has one label only.
    """
    parts = {part: (pictures[split == part], targets[split == part]) for part in ("train", "val")}
    for part, (_, present) in parts.items():
        if not len(present):
            raise BadInput(f"label {attribute}: no {part} pictures to fit on")
    classifier = efrs.fit(name, parts["train"], parts["val"], labels=len(labels), seed=seed, epochs=epochs)
    heat = calibration.temperature(classifier.probabilities(parts["val"][0]), parts["val"][1])
    shown = (who for who, part in zip(people, split, strict=True) if part in parts) if people else ()
    return Labeller(attribute, list(labels), classifier, heat, frozenset(shown), split_sha256)


def save(path: Path, labellers: Sequence[Labeller]) -> None:
    """All labellers in one file: together they are the label classifier."""
    content = [
        {
            "attribute": labeller.attribute,
            "labels": labeller.labels,
            "name": labeller.classifier.name,
            "temperature": labeller.temperature,
            "people": sorted(labeller.fitted_on),
            "split_sha256": labeller.split_sha256,
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
                frozenset(entry["people"]),
                entry["split_sha256"],
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
