"""Sections on what is in the data set. Their charts are drawn on the page, which filters them."""

from __future__ import annotations

import polars as pl

from mtf.params import Params
from mtf.report.parts import Section, Table, number, percent
from mtf.tables import SPLITS


def composition(data: pl.DataFrame, params: Params) -> Section:
    """Images by all labels at once against equal shares, and images per identity, by split and label.

    The page gets one row per identity, split and labels, with the number of images.
    """
    columns = list(params.attributes)
    keys = ["identity", "split", *columns]
    cube = data.group_by(keys).agg(images=pl.len()).sort(keys)
    cells = 1
    for task in params.attributes.values():
        cells *= len(task.labels)
    filters = {
        "columns": columns,
        "labels": {column: list(task.labels) for column, task in params.attributes.items()},
        "splits": list(SPLITS),
        "rows": [list(row) for row in cube.select(*keys, "images").iter_rows()],
    }
    says = [
        f"{number(data.height)} images of {number(data['identity'].n_unique())} people.",
        f"The line is the target: an equal share of the images for each of the {number(cells)} combinations of labels.",
    ]
    return Section("composition", "What is in it", says if columns else says[:1], filters=filters)


def splits(data: pl.DataFrame, params: Params) -> Section:
    """How large each split is, and whether every label is in it."""
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
    tables = [("Images by split", Table(["Split", "Images", "Share"], counts, numeric=2))]
    if labels:
        tables.append(("Images by label and split", Table(["Task", "Label", *SPLITS], labels, numeric=3)))
    says = ["No original and no group of duplicates lies in two splits."]
    return Section("splits", "Splits", says, tables=tables)
