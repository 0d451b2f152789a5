"""Distribution of identities and faces over labels and pairs of labels: MTF, Tables 1 to 3.

MTF's Table 1 gives 478 pictures for Black and 514 for Old; its Tables 2 and 3 and its total give 578 and 564. Here all
tables are counted from the same rows, so that they agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import TypedDict

import polars as pl

from mtf.params import IDENTITY, Params


class Count(TypedDict):
    """Numbers of identities and faces.

    - `identities`: distinct identities;
    - `images`: faces, under the name of the paper's tables.
    """

    identities: int
    images: int


Crossed = dict[str, dict[str, Count]]


class Distribution(TypedDict):
    """Distribution of a data set.

    - `total`: count of all rows;
    - `tasks`: column → label → count (Table 1);
    - `pairs`: `COLUMN_by_COLUMN` → label → label → count (Tables 2 and 3).
    """

    total: Count
    tasks: dict[str, dict[str, Count]]
    pairs: dict[str, Crossed]


def distribution(data: pl.DataFrame, params: Params) -> Distribution:
    """Distribution of the rows of a data set (`identity` and the label columns).

    Permitted labels without a face count 0. An identity counts once under each label that one of its faces has.
    """
    labels = {column: task.labels for column, task in params.attributes.items()}
    return {
        "total": count(data),
        "tasks": {column: _by(data, column, labels[column]) for column in labels},
        "pairs": {f"{row}_by_{column}": _crossed(data, row, column, labels) for row, column in combinations(labels, 2)},
    }


def count(data: pl.DataFrame) -> Count:
    """Count of the rows of `data`."""
    return {"identities": data[IDENTITY].n_unique(), "images": data.height}


def _crossed(data: pl.DataFrame, row: str, column: str, labels: dict[str, list[str]]) -> Crossed:
    return {label: _by(data.filter(pl.col(row) == label), column, labels[column]) for label in labels[row]}


def _by(data: pl.DataFrame, column: str, labels: Sequence[str]) -> dict[str, Count]:
    return {label: count(data.filter(pl.col(column) == label)) for label in labels}


def markdown(counts: Distribution) -> str:
    """Tables in Markdown, laid out as in the paper; the cells of a crossed table are `identities/faces`."""
    total = counts["total"]
    head = ["| Task | Label | Identities | Faces |", "| --- | --- | ---: | ---: |"]
    rows = [f"| identity | all | {total['identities']:,} | {total['images']:,} |"]
    for column, labels in counts["tasks"].items():
        rows += [
            f"| {column} | {_cell(label)} | {n['identities']:,} | {n['images']:,} |" for label, n in labels.items()
        ]
    return "\n\n".join(["\n".join(head + rows), *(_pair(name, table) for name, table in counts["pairs"].items())])


def _pair(name: str, table: Crossed) -> str:
    columns = list(next(iter(table.values())))
    lines = [
        f"| {name.replace('_by_', ' × ')} | {' | '.join(map(_cell, columns))} |",
        f"| --- |{' ---: |' * len(columns)}",
    ]
    for label, row in table.items():
        cells = [f"{count['identities']:,}/{count['images']:,}" for count in row.values()]
        lines.append(f"| {_cell(label)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(text: str) -> str:
    return text.replace("|", r"\|")
