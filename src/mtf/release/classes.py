"""`single_task/TASK/classes.txt`: a task's classes in the order of their numbers, which are the same in every split.

torchvision's `ImageFolder` numbers the folders that a split has. Where one lacks a class, the later ones would bear
other numbers there; an empty folder would not help, as ImageFolder refuses it and neither git nor DVC keeps it.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import polars as pl

from mtf import atomic
from mtf.release.layout import SINGLE_TASK, SPLIT_FOLDERS

NAME = "classes.txt"


class Absent(NamedTuple):
    """A class of which a split has no picture: the names of their folders, and of the task's."""

    task: str
    split: str
    label: str


def paths(plan: pl.DataFrame) -> set[str]:
    """The files that `write` makes for a plan of files."""
    return {f"{SINGLE_TASK}/{task}/{NAME}" for task in _places(plan)}


def write(root: Path, plan: pl.DataFrame) -> None:
    for task, places in _places(plan).items():
        names = sorted({label for _, label in places})
        atomic.write_text(root / SINGLE_TASK / task / NAME, "".join(f"{name}\n" for name in names))


def absent(plan: pl.DataFrame) -> list[Absent]:
    """The classes that some split lacks, though another has them."""
    return [
        Absent(task, split, label)
        for task, places in _places(plan).items()
        for split in SPLIT_FOLDERS.values()
        for label in sorted({label for _, label in places})
        if (split, label) not in places
    ]


def _places(plan: pl.DataFrame) -> dict[str, set[tuple[str, str]]]:
    """Task's folder → the split and the label of each folder that has a picture."""
    found: dict[str, set[tuple[str, str]]] = {}
    for path in plan.filter(variant=SINGLE_TASK)["path"]:
        _, task, split, label, _ = path.split("/")
        found.setdefault(task, set()).add((split, label))
    return found
