"""Distribution of identities and faces over labels and pairs of labels: MTF, Tables 1 to 3.

MTF's Table 1 gives 478 pictures for Black and 514 for Old; its Tables 2 and 3 and its total give 578 and 564. Here all
tables are counted from the same rows, so that they agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import TypedDict

import polars as pl

from mtf.config import IDENTITY, Params
from mtf.core.markdown_tables import table


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
    rows = [("identity", "all", counts["total"])]
    rows += [(column, label, n) for column, labels in counts["tasks"].items() for label, n in labels.items()]
    cells = [(column, label, f"{n['identities']:,}", f"{n['images']:,}") for column, label, n in rows]
    one_by_one = table(["Task", "Label", "Identities", "Faces"], cells, figures_from=2)
    crossed = [_pair(name, crossed) for name, crossed in counts["pairs"].items()]
    return "\n\n".join(text.rstrip("\n") for text in (one_by_one, *crossed))


def _pair(name: str, crossed: Crossed) -> str:
    columns = list(next(iter(crossed.values())))
    rows = [
        [label, *(f"{count['identities']:,}/{count['images']:,}" for count in row.values())]
        for label, row in crossed.items()
    ]
    return table([name.replace("_by_", " × "), *columns], rows, figures_from=1)
