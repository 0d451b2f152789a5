"""Sections on the composition of the data set and its splits. The page draws and filters their charts."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

import polars as pl

from mtf.params import Params
from mtf.report.parts import Section, Table, number, percent
from mtf.tables import SPLITS


def composition(data: pl.DataFrame, params: Params) -> Section:
    """Section with the faces by labels against the target, and the faces per identity, by split and label.

    The page receives one row per identity, split and labels with its number of faces, and each label's target share.
    """
    columns = list(params.attributes)
    keys = ["identity", "split", *columns]
    cube = data.group_by(keys).agg(images=pl.len()).sort(keys)
    targets = {column: _target(column, params) for column in columns}
    filters = {
        "columns": columns,
        "labels": {column: list(task.labels) for column, task in params.attributes.items()},
        "splits": list(SPLITS),
        "targets": targets,
        "rows": [list(row) for row in cube.select(*keys, "images").iter_rows()],
    }
    says = [
        f"{number(data.height)} faces of {number(data['identity'].n_unique())} people.",
        f"The line is the target: {_in_words(targets, params)}.",
    ]
    return Section("composition", "Composition", says if columns else says[:1], filters=filters)


def _target(column: str, params: Params) -> dict[str, float]:
    """Label → target share of the faces, 0 to 1; equal shares unless `report.target` names others."""
    labels = params.attributes[column].labels
    wanted = {params.tasks[task].column: shares for task, shares in params.report.target.items()}.get(column)
    return {label: 1 / len(labels) if wanted is None else wanted.get(label, 0.0) for label in labels}


def _in_words(targets: Mapping[str, Mapping[str, float]], params: Params) -> str:
    named = {params.tasks[task].column for task in params.report.target}
    if not named:
        return (
            f"an equal share of the faces for each of the {prod(map(len, targets.values())):,} combinations of labels"
        )
    shares = "; ".join(
        f"{column} {', '.join(f'{label} {percent(share)}' for label, share in targets[column].items())}"
        if column in named
        else f"{column} in equal shares"
        for column in targets
    )
    return f"{shares}, independent of each other"


def splits(data: pl.DataFrame, params: Params) -> Section:
    """Section with the size of each split, and the faces of each label in it."""
    counts = [
        [split, number(n := data.filter(pl.col("split") == split).height), percent(n / max(1, data.height))]
        for split in SPLITS
    ]
    labels = [
        [
            column,
            label,
            *(number(data.filter((pl.col(column) == label) & (pl.col("split") == s)).height) for s in SPLITS),
        ]
        for column, task in params.attributes.items()
        for label in task.labels
    ]
    tables = [("Faces by split", Table(["Split", "Faces", "Share"], counts, numeric=2))]
    if labels:
        tables.append(("Faces by label and split", Table(["Task", "Label", *SPLITS], labels, numeric=3)))
    says = ["No original and no group of duplicates lies in two splits."]
    return Section("splits", "Splits", says, tables=tables)
