"""Folder layout of a release: MTF, Figure 2 and section 4.2.

    multi_task/Train|Val|Test/LABEL/LABEL/…/IDENTITY/FACE_ID.jpg
    single_task/COLUMN_classification|…|face_recognition/Train|Val|Test/LABEL/FACE_ID.jpg
    non_curated/LABEL/LABEL/…/IDENTITY/FACE_ID.jpg

There is one level per label column of `params.yaml`, in the order there. The non-curated set has no splits: it has all
faces that the detector found, for training generative models, and an unreviewed test set would measure nothing.

Class lists `single_task/TASK/classes.txt`: the classes of a task in the order of their numbers. `label_names.json` has
the labels of all columns in that order, beside every form of the release.

torchvision's `ImageFolder` numbers the folders of a split. If a split lacks a class, later classes would have other
numbers there; an empty folder does not help, as ImageFolder refuses it and neither git nor DVC keeps it.

Folder names for labels: valid on every file system, the same on every machine, and inside their folder.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl

from mtf.config import IDENTITY, Params
from mtf.core import atomic_files

SPLIT_FOLDERS = {"train": "Train", "val": "Val", "test": "Test"}
MULTI_TASK, SINGLE_TASK, NON_CURATED = "multi_task", "single_task", "non_curated"
VARIANTS = (MULTI_TASK, SINGLE_TASK, NON_CURATED)
COLUMNS = ("identity", "face_id", "variant", "path")
CLASS_LIST = "classes.txt"
LABEL_NAMES = "label_names.json"
# Names that Windows reserves for devices, with any extension.
RESERVED = frozenset({"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))})
# Folders of MTF's race labels, as its Figure 2 and section 4.2 spell them; the labels as two spellings are in use.
PAPER_FOLDERS = {
    "Asian (Chinese/Korean)": "Asian_chinese_korean",
    "Asian (Chinese, Korean)": "Asian_chinese_korean",
    "Asian (Indian)": "Asian_indian",
}
MAX_BYTES = 180
_UNSAFE = re.compile(r"[^\w.-]+|_+")


def planned(splits: pl.DataFrame, non_curated: pl.DataFrame, params: Params) -> pl.DataFrame:
    """Plan of a release, one row per file: identity, face_id, variant and path (relative, with `/`), sorted by path."""
    makers = {
        MULTI_TASK: lambda: _tree(splits, MULTI_TASK, ["split", *params.attributes, IDENTITY], params),
        SINGLE_TASK: lambda: _single_tasks(splits, params),
        NON_CURATED: lambda: _tree(non_curated, NON_CURATED, [*params.attributes, IDENTITY], params),
    }
    parts = [makers[variant]().with_columns(variant=pl.lit(variant)) for variant in params.release.variants]
    return pl.concat([part.select(*COLUMNS) for part in parts]).sort("path")


def task_folder(column: str) -> str:
    """Folder of a task: `COLUMN_classification`, or `face_recognition` for the column identity (MTF, section 4.2)."""
    return "face_recognition" if column == IDENTITY else f"{column}_classification"


def _single_tasks(splits: pl.DataFrame, params: Params) -> pl.DataFrame:
    columns = list(params.columns)
    trees = [_tree(splits, f"{SINGLE_TASK}/{task_folder(column)}", ["split", column], params) for column in columns]
    return pl.concat(trees)


def _tree(data: pl.DataFrame, root: str, levels: list[str], params: Params) -> pl.DataFrame:
    """Rows of `data` with the `path` of each row's file below `root`, one folder per level."""
    folders = [_folder_of(level, data, params) for level in levels]
    # Two identities may have the same picture: if no level distinguishes them, the file name does.
    twice = pl.struct(["face_id", *levels]).is_duplicated()
    identity = _folder_of(IDENTITY, data, params)
    file = pl.when(twice).then(pl.format("{}-{}.jpg", "face_id", identity)).otherwise(pl.format("{}.jpg", "face_id"))
    return data.with_columns(path=pl.concat_str([pl.lit(root), *folders, file], separator="/"))


def _folder_of(level: str, data: pl.DataFrame, params: Params) -> pl.Expr:
    if level == "split":
        return pl.col("split").replace_strict(SPLIT_FOLDERS, return_dtype=pl.String)
    names = folder_names(_labels_of(level, data, params))
    return pl.col(level).replace_strict(names, return_dtype=pl.String)


def _labels_of(level: str, data: pl.DataFrame, params: Params) -> Iterable[str]:
    return data[level].unique() if level == IDENTITY else params.attributes[level].labels


class MissingClass(NamedTuple):
    """Class without a picture in a split.

    - `task`, `split`, `label`: names of the folders.
    """

    task: str
    split: str
    label: str


def class_list_paths(plan: pl.DataFrame) -> set[str]:
    """Paths of the class lists that `write` makes for a plan of files."""
    return {f"{SINGLE_TASK}/{task}/{CLASS_LIST}" for task in _places(plan)}


def write_class_lists(root: Path, plan: pl.DataFrame) -> None:
    """Write the class list of each task in the plan below `root`."""
    for task, places in _places(plan).items():
        names = sorted({label for _, label in places})
        atomic_files.write_text(root / SINGLE_TASK / task / CLASS_LIST, "".join(f"{name}\n" for name in names))


def label_names(
    table: pl.DataFrame, permitted: Mapping[str, Sequence[str]], *, first: Mapping[str, Sequence[str]] | None = None
) -> dict[str, list[str]]:
    """Column → its labels in the order of their numbers, which is the same in every form of a release.

    `table` has the published faces; `permitted` the labels of each column, none for identities. The order is that of
    the folders' names, by which `ImageFolder` numbers its classes; labels without a picture have no number. `first`
    has labels that are numbered already: those of the data set, for the non-curated set.
    """
    found = {}
    for column, labels in permitted.items():
        before = list((first or {}).get(column, []))
        occurring = set(table[column]) - set(before)
        names = folder_names(labels or occurring)
        found[column] = [*before, *sorted(occurring, key=names.__getitem__)]
    return found


def absent_labels(plan: pl.DataFrame) -> list[MissingClass]:
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


def folder_names(labels: Iterable[str]) -> dict[str, str]:
    """Label → folder name. Names that differ only in case, or not at all, get a digest of their label as suffix.

    Letters and digits of any script are kept, and `-`, `_` and `.` between them; any other sequence becomes one `_`:
    `Mixed (any)` becomes `Mixed_any`. The labels of MTF have the names that its release gives them.
    """
    names = {label: PAPER_FOLDERS.get(label) or _safe(label) for label in sorted(set(labels))}
    # Once more where a label is spelled as another one's name with its tag.
    while alike := _alike(names):
        names |= {label: f"{names[label]}-{_tag(label)}" for label in alike}
    return names


def _alike(names: Mapping[str, str]) -> list[str]:
    """The labels that share a name with another one, upper and lower case apart."""
    used = Counter(name.casefold() for name in names.values())
    return [label for label, name in names.items() if used[name.casefold()] > 1]


def _safe(label: str) -> str:
    name = _UNSAFE.sub("_", unicodedata.normalize("NFC", label)).strip("._-")
    name = name.encode("utf-8")[:MAX_BYTES].decode("utf-8", "ignore").rstrip("._-")
    if not name:
        return f"label-{_tag(label)}"
    return f"_{name}" if name.split(".")[0].casefold() in RESERVED else name


def _tag(label: str) -> str:
    return hashlib.sha256(label.encode("utf-8")).hexdigest()[:8]
