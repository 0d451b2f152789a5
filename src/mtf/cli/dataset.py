"""`mtf dataset`: published data sets as a roster for the crawl, as tables for training, or as a paper's protocol."""

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

app = typer.Typer(help="Published data sets as sources.", no_args_is_help=True)


class DatasetKind(StrEnum):
    FAIRFACE = "fairface"
    UTKFACE = "utkface"
    AGE_CSV = "age-csv"
    LFW = "lfw"
    FOLDER = "folder"


class Protocol(StrEnum):
    """UTKFace as Das et al. use it, and the AGE CSV as EFRS does."""

    UTKFACE = "utkface"
    AGE_CSV = "age-csv"


Source = Annotated[Path, typer.Argument(help="The folder or tar of pictures; the CSV file for age-csv.")]
Labels = Annotated[Path | None, typer.Option(help="The label file, for fairface.")]
NewFolder = Annotated[Path, typer.Option(help="A new folder, which becomes a project.")]
Crop = Annotated[
    bool | None,
    typer.Option(
        "--crop/--no-crop",
        help="Cut out the largest face that the detector finds; else each picture is one crop. Where neither is said, "
        "UTKFace's parts are cut, and nothing else.",
    ),
]
YearsOf = Annotated[
    str | None, typer.Option(help="Group ages by the years of this task of params.yaml, in place of the paper's.")
]


def add_to(main: typer.Typer) -> None:
    main.add_typer(app, name="dataset")


@app.command()
def roster(
    kind: DatasetKind,
    source: Source,
    labels: Labels = None,
    license_id: Annotated[str | None, typer.Option("--license", help="What the owner of a folder states.")] = None,
    creator: Annotated[str, typer.Option(help="Whose pictures a folder's are.")] = "unknown",
    years_of: YearsOf = None,
    to: Annotated[Path, typer.Option(help="Where the roster is written.")] = PATHS_IN_PROJECT.roster,
) -> None:
    """Write a roster for the source `folder`, and print the sections of params.yaml that go with it."""
    import yaml

    from mtf.datasets import project_files
    from mtf.rights.evidence import combination

    if kind is DatasetKind.AGE_CSV:
        raise BadInput("age-csv: its pictures lie in the CSV file; use `mtf dataset tables`")
    # A license that nobody knows is told before anything is written.
    combination.of_data_set(license_id, where="--license")
    data_set, _ = _load(kind, source, labels, ages=_ages(years_of), license_id=license_id, creator=creator)
    count = project_files.write_roster(data_set, to)
    print("\n".join([*data_set.told(), f"{to}: {count} identities; params.yaml needs:"]))
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
        typer.Option(help="parts (UTKFace, Das et al.) or shares (72/8/20, EFRS); as the data set lies where none is."),
    ] = None,
    crop: Crop = None,
) -> None:
    """Lay the pictures out as crops and splits in a project of their own, ready for `mtf train` and `mtf audit`.

    UTKFace in its parts is divided by them (Das et al.), all others 72/8/20, stratified by gender (EFRS).
    """
    from mtf.datasets import project_files

    wanted, (data_set, read) = _division(division), _load(kind, source, labels, ages=_ages(years_of))
    if "gender" not in data_set.attributes:
        raise BadInput(f"{kind}: it has no labels to train on but identities; use `mtf dataset roster`")
    raw = project_files.project_settings(_raw(), data_set, source, root=ProjectPaths.find().root)
    _lay_out(data_set, read, raw, source, to, division=wanted, crop=crop)
    print(f"{to}: a project of its own; run `mtf train`, `mtf label fit` or `mtf audit licenses` in it")


@app.command()
def protocol(
    paper: Protocol,
    source: Source,
    to: NewFolder,
    weights: Annotated[Path | None, typer.Option(help="utkface: FaceNet's weights; from scratch without.")] = None,
    epochs: Annotated[int, typer.Option(min=1, help="age-csv: epochs of the exploring run.")] = 10,
    single_tasks: Annotated[
        bool, typer.Option("--single-tasks", help="utkface: train FaceNet for each task, too: the paper's baseline.")
    ] = False,
    crop: Crop = None,
    only_lay_out: Annotated[bool, typer.Option("--only-lay-out", help="Train nothing yet; say what would.")] = False,
) -> None:
    """A paper's protocol on its own data, split included: lay it out as a project, train, measure, print the tables.

    utkface: Das et al.; parts I, II and III train, test and validate the joint network; with --single-tasks, the
    columns of the paper's Tables for FaceNet fine-tuned for one task come with it. age-csv: EFRS; 72/8/20 with
    seed 42, logistic regression and three CNNs. As in the papers, pictures that are byte-identical count each.
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

    # Tables 3 to 6 are of model 2, whichever is best here: they shall compare with the report's.
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
    told = layout.write(
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
    print("\n".join([*data_set.told(), how, *told]))


def _raw() -> dict[str, Any]:
    """The parameters of the project that the command is given in, before they are typed."""
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
    """The project's task that groups ages by its years; None leaves the paper's groups."""
    from mtf import config

    if task is None:
        return None
    known = {name: each for name, each in config.load(ProjectPaths.find().params).tasks.items() if each.years}
    if task not in known:
        raise bad_value("--years-of", task, f"a task of params.yaml with years: {', '.join(known) or 'there is none'}")
    return known[task]


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
        raise bad_value("--years-of", ages.column, "utkface and age-csv only: no other data set says ages in years")
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
