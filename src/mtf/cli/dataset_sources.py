"""Published data sets on the command line: their kinds, how they are loaded, and how their crops are laid out."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mtf.core.errors import BadInput, MtfError, bad_value
from mtf.core.project_paths import ProjectPaths

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mtf.config import Task
    from mtf.datasets.labelled import DataSet

    Read = Callable[[str], bytes]


class DatasetKind(StrEnum):
    """Kind of a published data set."""

    FAIRFACE = "fairface"
    UTKFACE = "utkface"
    AGE_CSV = "age-csv"
    LFW = "lfw"
    FOLDER = "folder"


Source = Annotated[Path, typer.Argument(help="Folder or tar of pictures; for age-csv the CSV file.")]
Labels = Annotated[Path | None, typer.Option(help="Label file, for fairface.")]
NewFolder = Annotated[Path, typer.Option(help="New folder for the project.")]
Crop = Annotated[
    bool | None,
    typer.Option(
        "--crop/--no-crop",
        help="Crop the largest face that the detector finds, or use each picture as one crop. "
        "Default: crop UTKFace's parts only.",
    ),
]
YearsOf = Annotated[
    str | None, typer.Option(help="Group ages by the years of this task of params.yaml instead of the paper's.")
]


def lay_out(
    data_set: DataSet,
    read: Read,
    raw: dict[str, Any],
    source: Path,
    to: Path,
    *,
    division: Any,
    crop: bool | None,
    keep_duplicates: bool = False,
    with_classifier_part: bool = False,
    learnt: Sequence[str] = (),
    begin: Callable[[], None] | None = None,
) -> None:
    """Write the data set as crops and splits into the folder `to`, with `raw` as its params.yaml, the last file.

    `learnt`: attributes that a protocol learns; it is checked at once that they can be learnt. `begin` is called after
    all checks, before anything is written.
    """
    import yaml

    from mtf import config
    from mtf.core import atomic_files
    from mtf.datasets import tables as layout
    from mtf.datasets import utkface
    from mtf.datasets.protocol_splits import check_learnable, divided, for_classifier

    typed = config.parse(raw)
    split, how = divided(data_set, division, seed=typed.seed)
    if learnt:
        check_learnable(data_set, split, learnt)
    aside = for_classifier(split, seed=typed.seed) if with_classifier_part else None
    if begin is not None:
        begin()
    summary = layout.write(
        data_set,
        read,
        split,
        ProjectPaths(to),
        typed,
        source=str(source),
        keep_duplicates=keep_duplicates,
        cropped=utkface.is_in_the_wild(data_set) if crop is None else crop,
        for_classifier=aside,
    )
    atomic_files.write_text(to / "params.yaml", yaml.safe_dump(raw, sort_keys=False, allow_unicode=True))
    set_aside = [] if aside is None else [f"of part I, set aside for the support vector machines: {int(aside.sum()):,}"]
    print("\n".join([*data_set.summary(), how, *set_aside, *summary]))


def refuse_full_folder(to: Path) -> None:
    """Raise BadInput if `to` is a file, or a folder with something in it."""
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise BadInput(f"{to}: not empty; name a new folder")


def raw_params() -> dict[str, Any]:
    """Parameters of the current project as a dictionary, or the sample's outside a project; checked, but as written."""
    from mtf import config
    from mtf.core import yaml_files
    from mtf.project import templates

    try:
        text = ProjectPaths.find().params.read_text(encoding="utf-8")
    except MtfError:
        text = templates.text(templates.PARAMS)
    raw = yaml_files.parse(text, templates.PARAMS)
    config.parse(raw)
    return config.with_new_names(raw)


def project_root() -> Path:
    """Root of the current project, to which its relative paths refer; the current folder outside a project."""
    try:
        return ProjectPaths.find().root
    except MtfError:
        return Path.cwd()


def division_named(named: str | None) -> Any:
    from mtf.datasets.protocol_splits import Division

    if named is not None and named not in list(Division):
        raise bad_value("--division", named, ", ".join(Division))
    return Division(named) if named else None


def ages_of(task: str | None) -> Task | None:
    """Task of the project that groups ages by its years; None for the paper's groups."""
    from mtf import config

    if task is None:
        return None
    tasks_with_years = {name: each for name, each in config.parse(raw_params()).tasks.items() if each.years}
    if task not in tasks_with_years:
        raise bad_value(
            "--years-of", task, f"a task of params.yaml with years: {', '.join(tasks_with_years) or 'there is none'}"
        )
    return tasks_with_years[task]


def load(
    kind: DatasetKind,
    source: Path,
    labels: Path | None,
    *,
    ages: Task | None = None,
    license_id: str | None = None,
    creator: str = "unknown",
) -> tuple[DataSet, Read]:
    from mtf.datasets import age_csv, fairface, lfw, utkface
    from mtf.datasets import tables as layout

    if ages is not None and kind not in (DatasetKind.UTKFACE, DatasetKind.AGE_CSV):
        raise bad_value("--years-of", ages.column, "utkface and age-csv only: no other data set has ages in years")
    if kind is not DatasetKind.FOLDER and (license_id is not None or creator != "unknown"):
        raise bad_value("--license, --creator", kind.value, "folder only: the license of a published data set is known")
    if kind is DatasetKind.AGE_CSV:
        data_set, pictures = age_csv.load(source, ages=ages or age_csv.DECADES)
        return data_set, pictures.__getitem__
    files = layout.Files(source)
    if kind is DatasetKind.FAIRFACE:
        if labels is None:
            raise BadInput("fairface: name its label file with --labels")
        return fairface.load(labels, files=files.names()), files.read
    if kind is DatasetKind.UTKFACE:
        return utkface.load(files.names(), ages=ages or utkface.AGES), files.read
    if kind is DatasetKind.LFW:
        return lfw.load(files.names()), files.read
    return lfw.load_folder(files.names(), license_id=license_id, creator=creator), files.read
