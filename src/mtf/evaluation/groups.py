"""Groups of test pictures by attributes, with the answers of a classifier about each, counted by person."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from mtf.config import WITH
from mtf.core.errors import BadInput
from mtf.evaluation.group_rates import Answers
from mtf.evaluation.group_tests import HitsAndCases

PERSON = "identity"
"""Column of the predictions that tells the people apart."""


@dataclass(frozen=True)
class Question:
    """Question to a classifier: its labels, and its probabilities where they are known.

    labels: its labels, in their order.
    ordered: the labels are steps of an order, such as age groups.
    probabilities: (n, labels), of each row of the predictions; rows without an answer are NaN. None if not known.
    """

    labels: Sequence[str]
    ordered: bool = False
    probabilities: np.ndarray | None = None

    def answers(self, predictions: pl.DataFrame) -> Answers:
        """The predictions as label numbers. A label that is none of `labels` is no answer."""
        numbers = {label: number for number, label in enumerate(self.labels)}
        targets, predicted = (
            predictions[column].replace_strict(numbers, default=-1, return_dtype=pl.Int64).to_numpy()
            for column in ("label", "predicted")
        )
        confidence = predictions["confidence"].to_numpy() if "confidence" in predictions.columns else None
        return Answers(targets, predicted, len(self.labels), confidence, self.probabilities, self.ordered)


@dataclass(frozen=True)
class Group:
    """Answers about the pictures of one group.

    labels: its label of each attribute.
    rows: (n,), rows of the predictions.
    right, pictures: (people,), number of right answers and of pictures of each person in the group.
    people: (n,), person in each picture, by name or number.
    """

    labels: tuple[str, ...]
    rows: np.ndarray
    right: np.ndarray
    pictures: np.ndarray
    people: np.ndarray

    @property
    def name(self) -> str:
        """`Blue × Males`."""
        return WITH.join(self.labels)

    @property
    def n(self) -> int:
        """Number of pictures."""
        return len(self.rows)

    @property
    def counts(self) -> HitsAndCases:
        """Right answers and pictures of each person."""
        return self.right, self.pictures


def groups_of(predictions: pl.DataFrame, attributes: Mapping[str, Sequence[str]]) -> list[Group]:
    """Groups for every combination of the attributes' labels, empty ones included.

    `predictions` has the columns `label`, `predicted` and one per attribute; `attributes` gives their labels in order.
    The column PERSON tells the people apart; without it, each picture counts as a person of its own.

    Raises BadInput if an attribute has no column.
    """
    if missing := set(attributes) - set(predictions.columns):
        raise BadInput(f"no column {sorted(missing)} to group by; the columns are {predictions.columns}")
    table = _answers_of_people(predictions, [*attributes])
    found = {}
    for values, part in table.group_by(list(attributes), maintain_order=True):
        names = tuple(map(str, values))
        found[names] = _group(names, part)
    none = np.zeros(0, np.int64)
    return [found.get(names, Group(names, none, none, none, none)) for names in itertools.product(*attributes.values())]


def everybody(predictions: pl.DataFrame) -> Group:
    """Group of all predictions."""
    return _group((), _answers_of_people(predictions, []))


def _answers_of_people(predictions: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    """Person, `row` of the predictions, and `right` (true for a right answer) of each picture, with other columns."""
    person = pl.col(PERSON) if PERSON in predictions.columns else pl.int_range(pl.len())
    return predictions.select(
        *columns,
        person.alias(PERSON),
        row=pl.int_range(pl.len()),
        right=pl.col("label") == pl.col("predicted"),
    )


def _group(labels: tuple[str, ...], part: pl.DataFrame) -> Group:
    people = part.group_by(PERSON, maintain_order=True).agg(pl.col("right").sum(), pictures=pl.len())
    return Group(
        labels,
        rows=part["row"].to_numpy(),
        right=people["right"].to_numpy(),
        pictures=people["pictures"].to_numpy(),
        people=part[PERSON].to_numpy(),
    )
