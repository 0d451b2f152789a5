"""A published data set as `data/roster.csv`, for the folder source of the crawl."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from mtf import csv_files
from mtf.datasets.labelled import DataSet
from mtf.errors import BadInput


def write(data_set: DataSet, path: Path) -> int:
    """`data/roster.csv` for the folder source: one row per identity, its files in `files`; returns the identities.

    Raises BadInput where one identity has two labels for an attribute: such a set goes in as tables, not by a roster.
    """
    attributes = list(data_set.attributes)
    labels_of = [pl.col(name).unique(maintain_order=True) for name in attributes]
    people = data_set.pictures.group_by("identity", maintain_order=True).agg(
        pl.col("name").first(), pl.col("file").sort().str.join(";"), *labels_of
    )
    for name in attributes:
        two = people.filter(pl.col(name).list.len() > 1)
        if not two.is_empty():
            labels = two[name][0].to_list()
            raise BadInput(
                f"{data_set.name}: {two['identity'][0]} has the labels {labels} of {name}; import it as tables"
            )
    flat = people.with_columns(pl.col(name).list.first() for name in attributes)
    csv_files.write(path, flat.select("identity", "name", *attributes, files="file"))
    return flat.height
