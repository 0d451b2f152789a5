"""Class lists `single_task/TASK/classes.txt`: the classes of a task in the order of their numbers.

torchvision's `ImageFolder` numbers the folders of a split. If a split lacks a class, later classes would have other
numbers there; an empty folder does not help, as ImageFolder refuses it and neither git nor DVC keeps it.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import polars as pl

from mtf import atomic
from mtf.release.layout import SINGLE_TASK, SPLIT_FOLDERS

NAME = "classes.txt"


class MissingClass(NamedTuple):
    """Class without a picture in a split.

    - `task`, `split`, `label`: names of the folders.
    """

    task: str
    split: str
    label: str


def paths(plan: pl.DataFrame) -> set[str]:
    """Paths of the class lists that `write` makes for a plan of files."""
    return {f"{SINGLE_TASK}/{task}/{NAME}" for task in _places(plan)}


def write(root: Path, plan: pl.DataFrame) -> None:
    """Write the class list of each task in the plan below `root`."""
    for task, places in _places(plan).items():
        names = sorted({label for _, label in places})
        atomic.write_text(root / SINGLE_TASK / task / NAME, "".join(f"{name}\n" for name in names))


def absent(plan: pl.DataFrame) -> list[MissingClass]:
    """Classes that one split lacks and another has."""
    return [
        MissingClass(task, split, label)
        for task, places in _places(plan).items()
        for split in SPLIT_FOLDERS.values()
        for label in sorted({label for _, label in places})
        if (split, label) not in places
    ]


def _places(plan: pl.DataFrame) -> dict[str, set[tuple[str, str]]]:
    """Folder of a task → split and label of each folder with a picture."""
    found: dict[str, set[tuple[str, str]]] = {}
    for path in plan.filter(variant=SINGLE_TASK)["path"]:
        _, task, split, label, _ = path.split("/")
        found.setdefault(task, set()).add((split, label))
    return found
