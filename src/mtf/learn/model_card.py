"""The card of a trained network: what it is, what it was made from, how good it is for whom, and what it is not for."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from jinja2 import Environment, PackageLoader, StrictUndefined

from mtf import markdown_tables, tables
from mtf.datasets import buckets
from mtf.errors import listed
from mtf.learn.saved import Card
from mtf.licenses import catalogue
from mtf.params import IDENTITY, Recipe

# As many labels as fit a sentence; a network that knows hundreds of people names a few of them.
SHOWN_LABELS = 12


@dataclass(frozen=True)
class About:
    """The network. `tasks`: task → labels; `settings` are the recipe's values; `weights` is what it began with."""

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
    def of(cls, card: Card, recipe: Recipe | None) -> About:
        """Of a network for one task; `recipe` is null where params.yaml no longer has the one it was trained by."""
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
class Pictures:
    """The split that a network was made from. `splits`: split → its faces and people; None where nobody is named."""

    sha256: str
    splits: Mapping[str, tuple[int, int | None]]
    licenses: Mapping[str, int]
    decided_by: Mapping[str, int]

    @classmethod
    def of(cls, splits: pl.DataFrame, file: Path) -> Pictures:
        """`splits` as read from `file`, whose digest names the version of the data set."""
        parts = {name: splits.filter(split=name) for name in tables.SPLITS}
        named = buckets.are_identities(splits)
        return cls(
            sha256=hashlib.sha256(file.read_bytes()).hexdigest(),
            splits={name: (part.height, part[IDENTITY].n_unique() if named else None) for name, part in parts.items()},
            licenses=_counts(parts["train"]["license"]),
            decided_by=_counts(splits["decided_by"]),
        )


@dataclass(frozen=True)
class Measured:
    """Figures on the test split. `rows`: who answered → a share for each of `columns`; `groups`: task, grouping and
    the summary that `fairness.report` has of it.
    """

    images: int
    columns: Sequence[str]
    rows: Mapping[str, Sequence[float]]
    groups: Sequence[tuple[str, str, Mapping[str, Any]]]
    min_n: int

    @staticmethod
    def summaries(task: str, report: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, str, Mapping[str, Any]]]:
        return [(task, by, part["summary"]) for by, part in report.items()]


def markdown(about: About, pictures: Pictures, *, release: str | None = None, measured: Measured | None = None) -> str:
    """`release` names the data set and its version, where they are known."""
    template = _templates().get_template("MODEL.md.jinja")
    return template.render(about=about, pictures=pictures, release=release, measured=measured)


def settings(recipe: Recipe | None) -> dict[str, Any]:
    """The values of a recipe that are not its defaults' emptiness: what is off or empty is left out."""
    values = recipe.model_dump(mode="json") if recipe is not None else {}
    return {name: value for name, value in values.items() if value not in (None, False, [], {}, 0.0)}


def _counts(column: pl.Series) -> dict[str, int]:
    counted = column.drop_nulls().value_counts().sort(["count", column.name], descending=[True, False])
    return dict(counted.iter_rows())


def _terms(license: str) -> str:
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
        loader=PackageLoader("mtf.learn"),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
    environment.filters["shown"] = lambda labels: listed(labels, SHOWN_LABELS)
    environment.filters["terms"] = _terms
    environment.filters["cell"] = lambda value: "–" if value is None else markdown_tables.cell(str(value))
    environment.filters["figure"] = lambda share: "–" if share is None else f"{share:.4f}"
    return environment
