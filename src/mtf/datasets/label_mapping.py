"""Mapping of another data set's labels to one's own, from a YAML file.

    race:
      column: ethnicity              # of the other set; default: the same name
      labels: {white: White, "East Asian": Asian, mixed: null}

A label that is not named stays as it is, where it is one of one's own. `null` leaves its pictures out on purpose.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from mtf.core import yaml_files
from mtf.core.errors import BadInput, bad_value, listed

KEYS = ("column", "labels")


@dataclass(frozen=True)
class ColumnMapping:
    """Mapping of one attribute.

    column: name of the attribute in the other set.
    labels: the other set's label → one's own; None leaves its pictures out.
    """

    column: str
    labels: Mapping[str, str | None] = field(default_factory=dict)


def identity(attributes: Sequence[str]) -> dict[str, ColumnMapping]:
    """Mapping without a file: each attribute by its own name, each label as it is."""
    return {column: ColumnMapping(column) for column in attributes}


def read(path: Path, attributes: Mapping[str, Sequence[str]]) -> dict[str, ColumnMapping]:
    """Mapping in the file `path`: own attribute → mapping. Attributes that it does not name are mapped to themselves.

    `attributes`: own attribute → labels. Raises BadInput for a file that is no such mapping, with the bad value.
    """
    content = yaml_files.read(path)
    if not isinstance(content, dict):
        raise bad_value(path.name, content, "attributes, each with column and labels")
    found = identity([*attributes])
    for column, entry in content.items():
        if column not in attributes:
            raise bad_value(f"{path.name}: attribute", column, ", ".join(attributes))
        found[column] = _column(f"{path.name}: {column}", column, entry, attributes[column])
    return found


def _column(where: str, column: str, entry: Any, own: Sequence[str]) -> ColumnMapping:
    if not isinstance(entry, dict) or not set(entry) <= set(KEYS):
        raise bad_value(where, entry, f"a mapping of {' and '.join(KEYS)}")
    named, labels = entry.get("column", column), entry.get("labels") or {}
    if not isinstance(named, str) or not isinstance(labels, dict):
        raise bad_value(where, entry, "column: a name; labels: other label: own label")
    for label, target in labels.items():
        if target is not None and target not in own:
            raise bad_value(f"{where}: labels: {label}", target, f"{listed(own, 20)}, or null to leave it out")
    return ColumnMapping(named, {str(label): target for label, target in labels.items()})


def mapped(
    table: pl.DataFrame, mapping: Mapping[str, ColumnMapping], attributes: Mapping[str, Sequence[str]]
) -> pl.DataFrame:
    """`table` with its labels as one's own: the columns of `attributes`, null where there is none, and no other labels.

    Raises BadInput if no attribute has a column in the table.
    """
    columns = {own: mapping[own].column for own in attributes if mapping[own].column in table.columns}
    if not columns:
        raise BadInput(
            f"the other set has none of the columns {listed(each.column for each in mapping.values())}; it has "
            f"{listed(table.columns, 20)}; name them in a file with --labels-map"
        )
    own_labels = [
        _own_label(pl.col(columns[own]), mapping[own], labels).alias(own)
        if own in columns
        else pl.lit(None, pl.String).alias(own)
        for own, labels in attributes.items()
    ]
    kept = [name for name in table.columns if name not in {*attributes, *columns.values()}]
    return table.select(*kept, *own_labels)


def _own_label(label: pl.Expr, mapping: ColumnMapping, own: Sequence[str]) -> pl.Expr:
    pairs = {name: name for name in own} | dict(mapping.labels)
    text = label.cast(pl.String)
    return text.replace_strict([*pairs], [*pairs.values()], default=None, return_dtype=pl.String)


def statements(
    table: pl.DataFrame, mapping: Mapping[str, ColumnMapping], attributes: Mapping[str, Sequence[str]]
) -> list[str]:
    """Sentences on what a mapping leaves out: columns and labels of the other set, and own labels without a picture."""
    found = []
    for own, labels in attributes.items():
        column = mapping[own].column
        if column not in table.columns:
            found.append(f"{own}: the other set has no column {column}")
            continue
        counts = dict(table.group_by(pl.col(column).cast(pl.String)).len().sort(column).iter_rows())
        targets = {label: mapping[own].labels.get(label, label if label in labels else None) for label in counts}
        lost = [f"{label or 'no label'} ({counts[label]:,})" for label, target in targets.items() if target is None]
        if lost:
            found.append(f"{own}: left out, no label here: {listed(lost, 20)}")
        if missing := [label for label in labels if label not in targets.values()]:
            found.append(f"{own}: no picture of {listed(missing, 20)}")
    return found
