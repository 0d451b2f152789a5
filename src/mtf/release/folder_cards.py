"""Cards of a release's folders, so that each can be opened alone, and the label names of both sets.

Hugging Face's `datasets` reads a card's configurations from the folder that it is given. Without a card it would take
all pictures of `multi_task` or of a task as training data, those of the test part included.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from mtf.core import atomic_files
from mtf.release import huggingface, layout, license_files
from mtf.release.card import render
from mtf.release.facts import Facts
from mtf.release.huggingface import Configuration, Labels
from mtf.release.layout import LABEL_NAMES, MULTI_TASK, NON_CURATED, SINGLE_TASK

README = "README.md"
TABLE = "metadata.parquet"
TABLE_NON_CURATED = "metadata_non_curated.parquet"


def paths(plan: pl.DataFrame) -> set[str]:
    """Paths of all files that the folders of a planned release hold beside pictures and class lists."""
    folders = {path.split("/")[0]: path for path in plan["path"]}
    tasks = {"/".join(path.split("/")[:2]) for path in plan.filter(variant=SINGLE_TASK)["path"]}
    found = {f"{folder}/{README}" for folder in tasks | (set(folders) - {SINGLE_TASK})}
    if NON_CURATED in folders:
        found |= {f"{NON_CURATED}/{LABEL_NAMES}", f"{NON_CURATED}/{huggingface.TABLE}"}
    found |= license_files.paths(plan["path"])
    base = [MULTI_TASK] if MULTI_TASK in folders else sorted(tasks)[:1]
    return found | {f"{b}/{split}/{huggingface.TABLE}" for b in base for split in layout.SPLIT_FOLDERS.values()}


def write_label_names(root: Path, data: pl.DataFrame, non_curated: pl.DataFrame, permitted: Labels) -> None:
    """Write `label_names.json` of the data set, and that of the non-curated set, which goes on from it."""
    names = layout.label_names(data, permitted) if data.height else None
    if names is not None:
        atomic_files.write_json(root / LABEL_NAMES, names)
    if non_curated.height:
        more = layout.label_names(non_curated, permitted, first=names)
        atomic_files.write_json(root / NON_CURATED / LABEL_NAMES, more)


def read_label_names(root: Path, folder: str = "") -> dict[str, list[str]]:
    """Column → labels in the order of their numbers; none if the release lacks the set."""
    path = root / folder / LABEL_NAMES
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def configurations(root: Path, variants: list[str]) -> list[Configuration]:
    """Configurations of the release `root`, which has its tables and label names."""
    table, non_curated = (_read(root / name) for name in (TABLE, TABLE_NON_CURATED))
    return huggingface.of_release(
        table, read_label_names(root), non_curated, read_label_names(root, NON_CURATED), variants
    )


def write_folder_cards(root: Path, facts: Facts) -> None:
    """Write the card of each folder with pictures."""
    for folder, configuration, says in _described(root, facts):
        header = {
            "pretty_name": f"{facts.title}: {folder}",
            "license": facts.params.release.license.lower(),
            "configs": [configuration | {"config_name": huggingface.DEFAULT}],
        }
        up = "/".join([".."] * (folder.count("/") + 1))
        text = render(
            "FOLDER.md.jinja", header=huggingface.header(header), facts=facts, folder=folder, says=says, up=up
        )
        atomic_files.write_text(root / folder / README, text)


def _described(root: Path, facts: Facts) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Folder, its configuration relative to the folder, and a sentence on what it holds."""
    variants = facts.params.release.variants
    table, non_curated = (_read(root / name) for name in (TABLE, TABLE_NON_CURATED))
    labels = read_label_names(root)
    if table is not None and table.height:
        if MULTI_TASK in variants:
            yield MULTI_TASK, huggingface.of_table(MULTI_TASK, "", table, labels), "every face with all its labels"
        for column in labels if SINGLE_TASK in variants else ():
            folder = f"{SINGLE_TASK}/{layout.task_folder(column)}"
            yield folder, huggingface.of_task(column, "", labels), f"every face with the label {column}"
    if non_curated is not None and non_curated.height:
        configuration = huggingface.of_table(NON_CURATED, "", non_curated, read_label_names(root, NON_CURATED))
        yield NON_CURATED, configuration, "every permitted automatic crop, which no person has looked at"


def _read(path: Path) -> pl.DataFrame | None:
    return pl.read_parquet(path) if path.is_file() else None
