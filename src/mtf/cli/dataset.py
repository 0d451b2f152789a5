"""`mtf dataset`: published data sets as a roster for the crawl, as tables for training, or in a paper's protocol."""

from __future__ import annotations

from enum import StrEnum
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mtf.core.errors import BadInput, bad_value
from mtf.core.project_paths import PATHS_IN_PROJECT, ProjectPaths

if TYPE_CHECKING:
    from collections.abc import Callable

    from mtf.config import Params, Task
    from mtf.datasets.labelled import DataSet

    Read = Callable[[str], bytes]

app = typer.Typer(help="Import published data sets.", no_args_is_help=True)


class DatasetKind(StrEnum):
    """Kind of a published data set."""

    FAIRFACE = "fairface"
    UTKFACE = "utkface"
    AGE_CSV = "age-csv"
    LFW = "lfw"
    FOLDER = "folder"


class Protocol(StrEnum):
    """Protocol of a paper: UTKFace as in Das et al., the AGE CSV as in EFRS."""

    UTKFACE = "utkface"
    AGE_CSV = "age-csv"


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


def add_to(main: typer.Typer) -> None:
    main.add_typer(app, name="dataset")


@app.command()
def roster(
    kind: DatasetKind,
    source: Source,
    labels: Labels = None,
    license_id: Annotated[
        str | None, typer.Option("--license", help="License that the owner of the pictures states, for folder.")
    ] = None,
    creator: Annotated[str, typer.Option(help="Creator of the pictures, for folder.")] = "unknown",
    years_of: YearsOf = None,
    to: Annotated[Path, typer.Option(help="Roster file to write.")] = PATHS_IN_PROJECT.roster,
) -> None:
    """Write a roster for the source `folder`, and print the sections of params.yaml that go with it."""
    import yaml

    from mtf.datasets import project_files
    from mtf.rights.evidence import combination

    if kind is DatasetKind.AGE_CSV:
        raise BadInput("age-csv: its pictures are in the CSV file; use `mtf dataset tables`")
    # An unknown license is reported before anything is written.
    combination.of_data_set(license_id, where="--license")
    data_set, _ = _load(kind, source, labels, ages=_ages(years_of), license_id=license_id, creator=creator)
    count = project_files.write_roster(data_set, to)
    print("\n".join([*data_set.summary(), f"{to}: {count} identities; params.yaml needs:"]))
    print(yaml.safe_dump(project_files.roster_settings(data_set, source), sort_keys=False, allow_unicode=True), end="")


@app.command()
def tables(
    kind: DatasetKind,
    source: Source,
    to: NewFolder,
    labels: Labels = None,
    years_of: YearsOf = None,
    division: Annotated[
        str | None,
        typer.Option(
            help="parts (UTKFace, Das et al.) or shares (72/8/20, EFRS). Default: parts if the data set has them."
        ),
    ] = None,
    crop: Crop = None,
) -> None:
    """Write the pictures as crops and splits into a new project, ready for `mtf train` and `mtf audit`.

    UTKFace in its parts is divided by them (Das et al.), all others 72/8/20, stratified by gender (EFRS).
    """
    from mtf.datasets import project_files

    wanted, (data_set, read) = _division(division), _load(kind, source, labels, ages=_ages(years_of))
    if "gender" not in data_set.attributes:
        raise BadInput(f"{kind}: it has identities but no labels to train on; use `mtf dataset roster`")
    raw = project_files.project_settings(_raw(), data_set, source, root=ProjectPaths.find().root)
    _lay_out(data_set, read, raw, source, to, division=wanted, crop=crop)
    print(f"{to}: a project of its own; run `mtf train`, `mtf label fit` or `mtf audit licenses` in it")


@app.command()
def protocol(
    paper: Protocol,
    source: Source,
    to: NewFolder,
    weights: Annotated[
        Path | None, typer.Option(help="utkface: file with FaceNet's weights. Default: train from scratch.")
    ] = None,
    epochs: Annotated[
        int, typer.Option(min=1, help="age-csv: epochs of the first run, which finds the best number.")
    ] = 10,
    single_tasks: Annotated[
        bool, typer.Option("--single-tasks", help="utkface: also train FaceNet for each task, the paper's baseline.")
    ] = False,
    crop: Crop = None,
    only_lay_out: Annotated[
        bool,
        typer.Option("--only-lay-out", help="Create the project without training, and print the command that trains."),
    ] = False,
) -> None:
    """Run a paper's protocol on its own data: create a project with its split, train, measure, print the tables.

    utkface (Das et al.): parts I, II and III train, test and validate the joint network. With --single-tasks, FaceNet
    is also fine-tuned for each task, for those columns of the paper's tables.

    age-csv (EFRS): 72/8/20 with seed 42, logistic regression and three CNNs.

    As in the papers, each of several byte-identical pictures counts.
    """
    from mtf import config
    from mtf.datasets import project_files
    from mtf.datasets.protocol_splits import Division

    if weights is not None and (paper is not Protocol.UTKFACE or not weights.is_file()):
        raise bad_value("--weights", str(weights), "a file, and only with utkface")
    if single_tasks and paper is not Protocol.UTKFACE:
        raise bad_value("--single-tasks", paper.value, "only with utkface")
    data_set, read = _load(DatasetKind(paper.value), source, None)
    raw, division = (
        project_files.project_settings(_raw(), data_set, source, root=ProjectPaths.find().root),
        Division.PARTS,
    )
    if paper is Protocol.UTKFACE:
        raw = project_files.das_settings(raw, weights=weights)
    else:
        raw, division = raw | {"seed": project_files.EFRS_SEED}, Division.SHARES
    _lay_out(data_set, read, raw, source, to, division=division, crop=crop, keep_duplicates=True)
    command = "mtf multitask --weighting dynamic" if paper is Protocol.UTKFACE else "mtf label compare gender"
    if only_lay_out:
        print(f"{to}: a project of its own; run `{command}` in it")
        return
    workspace = ProjectPaths(to.resolve())
    typed = config.load(workspace.params)
    if paper is Protocol.UTKFACE:
        _run_das(workspace, typed, single_tasks=single_tasks)
    else:
        _run_efrs(workspace, typed, epochs)


def _run_das(workspace: ProjectPaths, params: Params, *, single_tasks: bool) -> None:
    from mtf.cli import paper_tables
    from mtf.pipeline import evaluate, multitask, multitask_results, train

    for model, task in product(params.train.models, params.train.tasks) if single_tasks else ():
        train.run(workspace, params, model=model, task=task)
    if single_tasks:
        evaluate.run(workspace, params)
    for weighting in params.multitask.weightings if params.multitask else ():
        multitask.run(workspace, params, weighting=weighting)
        multitask_results.run(workspace, params, weighting=weighting)
    paper_tables.show_das_tables(as_json=False, workspace=workspace)


def _run_efrs(workspace: ProjectPaths, params: Params, epochs: int) -> None:
    from mtf.label_classifier import runs
    from mtf.papers import efrs_tables

    # Tables 3 to 6 are of model 2 even if another is best here, to be comparable with the report's.
    found = runs.compare(workspace, params, attribute="gender", model="cnn2", epochs=epochs, seed=params.seed)
    print(efrs_tables.markdown(found), end="")


def _lay_out(
    data_set: DataSet,
    read: Read,
    raw: dict[str, Any],
    source: Path,
    to: Path,
    *,
    division: Any,
    crop: bool | None,
    keep_duplicates: bool = False,
) -> None:
    import yaml

    from mtf import config
    from mtf.core import atomic_files
    from mtf.datasets import tables as layout
    from mtf.datasets import utkface
    from mtf.datasets.protocol_splits import divided

    if to.exists() and any(to.iterdir()):
        raise BadInput(f"{to}: not empty; name a new folder")
    typed = config.parse(raw)
    split, how = divided(data_set, division, seed=typed.seed)
    summary = layout.write(
        data_set,
        read,
        split,
        ProjectPaths(to),
        typed,
        source=str(source),
        keep_duplicates=keep_duplicates,
        cropped=utkface.is_in_the_wild(data_set) if crop is None else crop,
    )
    atomic_files.write_text(to / "params.yaml", yaml.safe_dump(raw, sort_keys=False, allow_unicode=True))
    print("\n".join([*data_set.summary(), how, *summary]))


def _raw() -> dict[str, Any]:
    """Parameters of the current project as a dictionary, before they are validated."""
    import yaml

    from mtf import config

    path = ProjectPaths.find().params
    config.load(path)
    return config.with_new_names(yaml.safe_load(path.read_text(encoding="utf-8")))


def _division(named: str | None) -> Any:
    from mtf.datasets.protocol_splits import Division

    if named is not None and named not in list(Division):
        raise bad_value("--division", named, ", ".join(Division))
    return Division(named) if named else None


def _ages(task: str | None) -> Task | None:
    """Task of the project that groups ages by its years; None for the paper's groups."""
    from mtf import config

    if task is None:
        return None
    tasks_with_years = {
        name: each for name, each in config.load(ProjectPaths.find().params).tasks.items() if each.years
    }
    if task not in tasks_with_years:
        raise bad_value(
            "--years-of", task, f"a task of params.yaml with years: {', '.join(tasks_with_years) or 'there is none'}"
        )
    return tasks_with_years[task]


def _load(
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
