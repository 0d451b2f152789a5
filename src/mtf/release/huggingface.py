"""Configurations of a release for Hugging Face's `datasets`, and the tables that its `imagefolder` builder reads.

A configuration is an entry of `configs` in a card's YAML header. Each declares its features, so that labels have the
same numbers in all splits, all configurations and all forms. Splits are `train`, `val` and `test` everywhere.

    default              every face of the data set with all its labels and its credit
    multi_task           the same faces under the name of the paper's variant
    TASK_classification  one label per face
    non_curated          every automatic crop; all of it is its split `train`, as it has no others

`imagefolder` takes labels from a table beside the pictures, whose column `file_name` is relative to the table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from mtf.core.atomic_files import replacing
from mtf.release import layout
from mtf.release.layout import MULTI_TASK, NON_CURATED, SINGLE_TASK, SPLIT_FOLDERS

DEFAULT = "default"
FILE_NAME = "file_name"
TABLE = "metadata.parquet"
# Columns of the metadata that say where a file is, not what it shows.
LEFT_OUT = (FILE_NAME, "split", "sha256", "duplicate_group")
# All files of a set without splits.
ONLY_SPLIT = "train"
Labels = Mapping[str, Sequence[str]]
Configuration = dict[str, Any]


def write_tables(root: Path, table: pl.DataFrame) -> list[str]:
    """Write the table of each split, or of a set without splits, beside its pictures; return their paths.

    `table` is the metadata of a release; `file_name` is relative to `root`.
    """
    paths = []
    for folder, rows in _by_folder(table):
        path = f"{folder}/{TABLE}"
        inside = pl.col(FILE_NAME).str.strip_prefix(f"{folder}/")
        with replacing(root / path) as beside:
            rows.select(inside, *_columns(rows)).write_parquet(beside, statistics=False)
        paths.append(path)
    return paths


def table_paths(table: pl.DataFrame) -> list[str]:
    """Paths of the files that `write_tables` writes."""
    return [f"{folder}/{TABLE}" for folder, _ in _by_folder(table)]


def _by_folder(table: pl.DataFrame) -> Iterable[tuple[str, pl.DataFrame]]:
    """Folder with the pictures of a split, or of the whole set if it has no splits, and its rows."""
    if "split" not in table.columns:
        return [(NON_CURATED, table)] if table.height else []
    return [
        (f"{data_set_folder(rows)}/{SPLIT_FOLDERS[split]}", rows)
        for split in SPLIT_FOLDERS
        if (rows := table.filter(pl.col("split") == split)).height
    ]


def data_set_folder(table: pl.DataFrame) -> str:
    """Folder of the files that the metadata name: `multi_task`, or that of the first task if there is no other."""
    first = table[FILE_NAME][0].split("/")
    return "/".join(first[: 2 if first[0] == SINGLE_TASK else 1])


def _columns(table: pl.DataFrame) -> list[str]:
    return [name for name in table.columns if name not in LEFT_OUT]


def of_release(
    table: pl.DataFrame | None,
    labels: Labels,
    non_curated: pl.DataFrame | None,
    non_curated_labels: Labels,
    variants: Sequence[str],
) -> list[Configuration]:
    """Configurations of the folders of a release.

    - `table`, `non_curated`: metadata, None if no variant contains them;
    - `labels`, `non_curated_labels`: column → labels in the order of their numbers;
    - `variants`: the published ones.
    """
    found: list[Configuration] = []
    if table is not None and table.height:
        folder = data_set_folder(table)
        names = [DEFAULT, *([MULTI_TASK] if MULTI_TASK in variants else [])]
        found += [of_table(name, folder, table, labels) for name in names]
        if SINGLE_TASK in variants:
            found += [of_task(column, f"{SINGLE_TASK}/{layout.task_folder(column)}", labels) for column in labels]
    if non_curated is not None and non_curated.height:
        found.append(of_table(NON_CURATED, NON_CURATED, non_curated, non_curated_labels))
    if found:
        found[0]["default"] = True
    return found


def of_table(name: str, folder: str, table: pl.DataFrame, labels: Labels) -> Configuration:
    """Configuration of pictures with a table beside them (`write_tables`); `folder` is relative to the card."""
    places = dict.fromkeys(SPLIT_FOLDERS) if "split" in table.columns else {ONLY_SPLIT: None}
    present = set(table["split"]) if "split" in table.columns else {ONLY_SPLIT}
    data_files = []
    for split in places:
        if split in present:
            place = _joined(folder, SPLIT_FOLDERS[split] if "split" in table.columns else "")
            data_files.append({"split": split, "path": [f"{place}{TABLE}", f"{place}**/*.jpg"]})
    return {"config_name": name, "data_files": data_files, "features": features(_columns(table), labels)}


def of_task(column: str, folder: str, labels: Labels) -> Configuration:
    """Configuration of one task's folders; `folder` is relative to the card."""
    names = layout.folder_names(labels[column])
    return {
        "config_name": layout.task_folder(column),
        "data_files": [
            {"split": split, "path": f"{_joined(folder, name)}**/*.jpg"} for split, name in SPLIT_FOLDERS.items()
        ],
        "drop_labels": False,
        "features": [
            {"name": "image", "dtype": "image"},
            _class_label("label", [names[label] for label in labels[column]]),
        ],
    }


def _joined(*parts: str) -> str:
    return "".join(f"{part}/" for part in parts if part)


def features(columns: Iterable[str], labels: Labels) -> list[dict[str, Any]]:
    """Features of a picture and of text columns, class labels where `labels` has the column, as YAML has them."""
    others = [
        _class_label(name, labels[name]) if name in labels else {"name": name, "dtype": "string"} for name in columns
    ]
    return [{"name": "image", "dtype": "image"}, *others]


def _class_label(name: str, labels: Sequence[str]) -> dict[str, Any]:
    names = {str(number): label for number, label in enumerate(labels)}
    return {"name": name, "dtype": {"class_label": {"names": names}}}


def header(fields: Mapping[str, Any]) -> str:
    """YAML header of a card, without empty fields."""
    kept = {key: value for key, value in fields.items() if value}
    return yaml.safe_dump(kept, sort_keys=False, allow_unicode=True, width=1000)
