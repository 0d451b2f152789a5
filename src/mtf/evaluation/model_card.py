"""Model card of a trained network (after Mitchell et al. 2019): details, training data, figures by group, limits."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from jinja2 import Environment, PackageLoader, StrictUndefined

from mtf import schemas
from mtf.config import IDENTITY, Recipe
from mtf.core import markdown_tables
from mtf.core.errors import listed
from mtf.datasets import labelled
from mtf.faces.model_files import ModelFile
from mtf.rights.licenses import catalogue
from mtf.training.checkpoint import CheckpointInfo

# Labels that a card lists; of a network that recognises hundreds of identities it names only the first ones.
SHOWN_LABELS = 12


@dataclass(frozen=True)
class ModelDetails:
    """Details of a network.

    - `network`: its architecture;
    - `tasks`: task → labels;
    - `input_px`: side of its input pictures in pixels;
    - `recipe`, `settings`: name and values of the recipe;
    - `seed`: seed of the training;
    - `best_epoch`, `epochs`: epoch whose weights are kept, and number of epochs, None if unknown;
    - `weights`, `weights_sha256`: file of initial weights, None if they are random.
    """

    network: str
    tasks: Mapping[str, Sequence[str]]
    input_px: int
    recipe: str
    settings: Mapping[str, Any]
    seed: int
    best_epoch: int
    epochs: int | None = None
    weights: str | None = None
    weights_sha256: str | None = None

    @classmethod
    def of(cls, card: CheckpointInfo, recipe: Recipe | None) -> ModelDetails:
        """Details of a network for one task; `recipe` is None if params.yaml no longer has its recipe."""
        return cls(
            network=card.model,
            tasks={card.task: card.labels},
            input_px=card.input_px,
            recipe=card.recipe,
            settings=settings(recipe),
            seed=card.seed,
            best_epoch=card.best_epoch,
            epochs=card.epochs,
            weights=card.weights,
            weights_sha256=card.weights_sha256,
        )


@dataclass(frozen=True)
class TrainingData:
    """Data set that a network was trained on.

    - `sha256`: digest of the splits table;
    - `splits`: split → number of faces, and of identities (None for a data set without names);
    - `licenses`: license → number of training faces;
    - `decided_by`: reviewer or rule → number of faces it decided.
    """

    sha256: str
    splits: Mapping[str, tuple[int, int | None]]
    licenses: Mapping[str, int]
    decided_by: Mapping[str, int]

    @classmethod
    def of(cls, splits: pl.DataFrame, file: Path) -> TrainingData:
        """Training data of a table `splits` that was read from `file`, whose digest names the data set's version."""
        parts = {name: splits.filter(split=name) for name in schemas.SPLITS}
        named = labelled.identities_are_people(splits)
        return cls(
            sha256=hashlib.sha256(file.read_bytes()).hexdigest(),
            splits={name: (part.height, part[IDENTITY].n_unique() if named else None) for name, part in parts.items()},
            licenses=_counts(parts["train"]["license"]),
            decided_by=_counts(splits["decided_by"]),
        )


@dataclass(frozen=True)
class QuantitativeAnalysis:
    """Figures on the test split.

    - `images`: number of test images;
    - `columns`: names of the figures;
    - `rows`: model, baseline or task → a figure, 0 to 1, for each column, None where it is not defined;
    - `by_group`: figures by group as Markdown (`rate_reports.markdown`), None if there are none;
    - `undetected`: sentence on the test pictures without a detected face, None if nothing is known of them.
    """

    images: int
    columns: Sequence[str]
    rows: Mapping[str, Sequence[float | None]]
    by_group: str | None = None
    undetected: str | None = None


def markdown(
    about: ModelDetails,
    pictures: TrainingData,
    *,
    release: str | None = None,
    measured: QuantitativeAnalysis | None = None,
    weights: Sequence[ModelFile] = (),
) -> str:
    """Model card as Markdown.

    - `release`: title and version of the data set, None if unknown;
    - `weights`: files of trained weights that touched the pictures or the network (`weight_files.of_network`).
    """
    template = _templates().get_template("MODEL.md.jinja")
    return template.render(about=about, pictures=pictures, release=release, measured=measured, weights=weights)


def settings(recipe: Recipe | None) -> dict[str, Any]:
    """Values of a recipe, without those that are off or empty."""
    values = recipe.model_dump(mode="json") if recipe is not None else {}
    return {name: value for name, value in values.items() if value not in (None, False, [], {}, 0.0)}


def _counts(column: pl.Series) -> dict[str, int]:
    counted = column.drop_nulls().value_counts().sort(["count", column.name], descending=[True, False])
    return dict(counted.iter_rows())


def _terms(license: str) -> str:
    """Conditions of a license, in words."""
    record = catalogue.get(license)
    if record is None:
        return "what its text says"
    asked = {
        "credit": record.requires_attribution,
        "the same license": record.share_alike,
        "no commercial use": not record.allows_commercial,
        "no changes": not record.allows_modification,
    }
    return ", ".join(name for name, is_asked in asked.items() if is_asked) or "nothing"


def _templates() -> Environment:
    environment = Environment(  # noqa: S701 (Markdown is no HTML)
        loader=PackageLoader("mtf.evaluation"),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
    environment.filters["shown"] = lambda labels: listed(labels, SHOWN_LABELS)
    environment.filters["terms"] = _terms
    environment.filters["cell"] = lambda value: "–" if value is None else markdown_tables.cell(str(value))
    return environment
