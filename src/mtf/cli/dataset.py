"""`mtf dataset`: a published data set as a project of its own, or in a paper's protocol."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mtf.cli.compare import MAX_SEEDS
from mtf.cli.dataset_sources import (
    Crop,
    DatasetKind,
    Labels,
    NewFolder,
    Source,
    YearsOf,
    ages_of,
    division_named,
    lay_out,
    load,
    project_root,
    raw_params,
    refuse_full_folder,
)
from mtf.cli.paper_protocols import DasParts, run_das, run_efrs
from mtf.cli.project import Permit, ReleaseLicense, Remote, asked_remote, default_name, required_contact, show_next
from mtf.core.errors import BadInput, bad_value
from mtf.core.project_paths import ProjectPaths

if TYPE_CHECKING:
    from mtf.config import Task

app = typer.Typer(help="Import published data sets.", no_args_is_help=True)


class Protocol(StrEnum):
    """Protocol of a paper: UTKFace as in Das et al., the AGE CSV as in EFRS."""

    UTKFACE = "utkface"
    AGE_CSV = "age-csv"


def add_to(main: typer.Typer) -> None:
    main.add_typer(app, name="dataset")


@app.command("import")
def import_(
    kind: DatasetKind,
    source: Source,
    to: NewFolder,
    labels: Labels = None,
    license_id: Annotated[
        str | None, typer.Option("--license", help="License that the owner of the pictures states, for folder.")
    ] = None,
    creator: Annotated[str, typer.Option(help="Creator of the pictures, for folder.")] = "unknown",
    contact: Annotated[
        str | None, typer.Option(help="mailto: or https: address of yours, for the card of the data set.")
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Short name of the data set: a-z, 0-9, - and _. Default: that of --to.")
    ] = None,
    title: Annotated[str | None, typer.Option(help="Title for cards and reports.")] = None,
    years_of: YearsOf = None,
    copy: Annotated[
        bool, typer.Option("--copy/--no-copy", help="Copy the pictures into data/, or use them where they are.")
    ] = True,
    permit: Permit = False,
    release_license: ReleaseLicense = None,
    remote: Remote = None,
    crops: Annotated[
        bool,
        typer.Option(
            "--crops",
            help="Take the pictures as crops that are divided already: for `mtf train`, `mtf label` and the audit, "
            "without review and release.",
        ),
    ] = False,
    division: Annotated[
        str | None,
        typer.Option(
            help="With --crops: parts (UTKFace, Das et al.) or shares (72/8/20, EFRS). "
            "Default: parts if the data set has them."
        ),
    ] = None,
    crop: Crop = None,
) -> None:
    """Make a project of a data set that exists: roster, tasks, parameters, pictures, git and DVC.

    The crawl then reads the pictures as any others, and people review them.
    """
    ages = ages_of(years_of)
    if crops:
        _import_crops(kind, source, to, labels=labels, ages=ages, division=division, crop=crop)
        return
    if kind is DatasetKind.AGE_CSV:
        raise BadInput("age-csv: its pictures of 48 pixels are crops; import it with --crops")
    if division is not None or crop is not None:
        raise BadInput("--division, --crop: need --crops; else the pipeline divides and crops")
    if kind is DatasetKind.FOLDER and license_id is None:
        raise BadInput("--license: missing; name the license that the owner states for all pictures of the folder")
    from mtf.project import imported, new
    from mtf.rights.evidence import combination

    # An unknown license is reported before a folder is read.
    combination.of_data_set(license_id, where="--license")
    data_set, _ = load(kind, source, labels, ages=ages, license_id=license_id, creator=creator)
    options = imported.ImportOptions(
        contact=required_contact(contact),
        name=name or default_name(to),
        title=title,
        copied=copy,
        permit=permit,
        release_license=release_license,
    )
    project = imported.described(data_set, source, options)
    print("\n".join([*data_set.summary(), f"{project.roster.people} people; tasks: {', '.join(project.tasks or ())}"]))
    show_next(to, new.create(to, project, remote=asked_remote(remote, to)))


def _import_crops(
    kind: DatasetKind,
    source: Path,
    to: Path,
    *,
    labels: Path | None,
    ages: Task | None,
    division: str | None,
    crop: bool | None,
) -> None:
    """Write the pictures as crops and splits into a new project.

    UTKFace in its parts is divided by them (Das et al.), all others 72/8/20, stratified by gender (EFRS).
    """
    from mtf.datasets import project_files

    refuse_full_folder(to)
    wanted, (data_set, read) = division_named(division), load(kind, source, labels, ages=ages)
    if "gender" not in data_set.attributes:
        raise BadInput(f"{kind}: it has identities but no labels to train on; import it without --crops")
    raw = project_files.project_settings(raw_params(), data_set, source, root=project_root())
    lay_out(data_set, read, raw, source, to, division=wanted, crop=crop)
    print(f"{to}: a project of its own; run `mtf train`, `mtf label fit` or `mtf audit licenses` in it")


_ANY_OPTION = {"ignore_unknown_options": True, "allow_extra_args": True}


@app.command("roster", hidden=True, context_settings=_ANY_OPTION)
def old_roster() -> None:
    """Say what replaces the command."""
    raise BadInput(
        "`mtf dataset roster` is replaced by `mtf dataset import KIND SOURCE --to DIR`: it writes everything"
    )


@app.command("tables", hidden=True, context_settings=_ANY_OPTION)
def old_tables() -> None:
    """Say what replaces the command."""
    raise BadInput("`mtf dataset tables` is replaced by `mtf dataset import KIND SOURCE --to DIR --crops`")


@app.command()
def protocol(
    paper: Protocol,
    source: Source,
    to: Annotated[Path, typer.Option(help="New folder for the project, or that of the same command, to continue.")],
    weights: Annotated[
        Path | None, typer.Option(help="utkface: file with FaceNet's weights. Default: train from scratch.")
    ] = None,
    epochs: Annotated[
        int, typer.Option(min=1, help="age-csv: epochs of the first run, which finds the best number.")
    ] = 10,
    seeds: Annotated[
        int,
        typer.Option(
            min=1, max=MAX_SEEDS, help="age-csv: number of seeds, counted up from 42; several give intervals."
        ),
    ] = 1,
    network: Annotated[
        list[str] | None,
        typer.Option(help="age-csv: network beside EFRS's models, NAME or NAME-pretrained; may be repeated."),
    ] = None,
    single_tasks: Annotated[
        bool, typer.Option("--single-tasks", help="utkface: also train FaceNet for each task, the paper's baseline.")
    ] = False,
    baselines: Annotated[
        bool,
        typer.Option("--baselines", help="utkface: also fit the support vector machines, the rows Facenet and FFNet."),
    ] = False,
    search: Annotated[
        int | None,
        typer.Option(min=3, help="utkface: first search the weights of the losses, in steps of 1 / SEARCH."),
    ] = None,
    on: Annotated[
        Path | None, typer.Option(help="utkface: also test on another labelled set, for the paper's Table 5.")
    ] = None,
    labels_map: Annotated[
        Path | None, typer.Option(help="With --on: YAML file, the other set's labels to UTKFace's.")
    ] = None,
    detector: Annotated[
        str | None, typer.Option(help="utkface: detector of the faces. Default: mtcnn, the paper's.")
    ] = None,
    crop: Crop = None,
    only_lay_out: Annotated[
        bool,
        typer.Option("--only-lay-out", help="Create the project without training, and print the command that trains."),
    ] = False,
) -> None:
    """Run a paper's protocol on its own data: create a project with its split, train, measure, print the tables.

    utkface (Das et al.): parts I, II and III train, test and validate the joint network; a quarter of part I is set
    aside for the support vector machines of --baselines. With --single-tasks, FaceNet with a softmax layer is also
    fine-tuned for each task.

    age-csv (EFRS): 72/8/20 with seed 42, logistic regression and three CNNs.

    As in the papers, each of several byte-identical pictures counts. A run that was stopped continues by the same
    command.
    """
    from mtf import config
    from mtf.core.hashing import file_digest, fingerprint
    from mtf.datasets import project_files
    from mtf.datasets.protocol_run import ProtocolRun
    from mtf.datasets.protocol_splits import Division

    options = {
        "--single-tasks": single_tasks,
        "--baselines": baselines,
        "--search": search,
        "--on": str(on.resolve()) if on else None,
        "--detector": detector,
        "--seeds": seeds,
        "--network": network or [],
    }
    _check_options(paper, options)
    _check_files(paper, weights=weights, on=on, labels_map=labels_map)
    data_set, read = load(DatasetKind(paper.value), source, None)
    raw = project_files.project_settings(raw_params(), data_set, source, root=project_root())
    division = Division.PARTS
    if weights is not None and not only_lay_out:
        _check_weights(weights)
    if paper is Protocol.UTKFACE:
        raw = project_files.das_settings(raw, weights=weights, detector=detector or project_files.DAS_DETECTOR)
    else:
        raw, division = raw | {"seed": project_files.EFRS_SEED}, Division.SHARES
    asked = {
        "the paper": paper.value,
        "SOURCE": fingerprint(source.resolve(), data_set.pictures.write_csv()),
        "params.yaml": fingerprint(raw),
        "--weights": file_digest(weights) if weights else None,
        "--crop": crop,
        "--labels-map": file_digest(labels_map) if labels_map else None,
        "--epochs": epochs,
        **options,
    }
    run = ProtocolRun.in_folder(to, asked)
    if not run.is_laid_out:
        lay_out(
            data_set,
            read,
            raw,
            source,
            to,
            division=division,
            crop=crop,
            keep_duplicates=True,
            with_classifier_part=paper is Protocol.UTKFACE,
            learnt=[*data_set.attributes] if paper is Protocol.UTKFACE else ["gender"],
            begin=run.write,
        )
    command = "mtf multitask --weighting dynamic" if paper is Protocol.UTKFACE else "mtf label compare gender"
    if only_lay_out:
        print(f"{to}: a project of its own; run `{command}` in it")
        return
    workspace = ProjectPaths(to.resolve())
    typed = config.load(workspace.params)
    if paper is Protocol.UTKFACE:
        run_das(
            run,
            workspace,
            typed,
            DasParts(single_tasks, baselines, search, on and on.resolve(), labels_map and labels_map.resolve(), crop),
        )
    else:
        run_efrs(workspace, typed, epochs=epochs, seeds=seeds, networks=network or ())


def _check_options(paper: Protocol, options: dict[str, Any]) -> None:
    """Raise BadInput for an option of the other protocol, and for an unknown network. `options`: option → value."""
    from mtf.config import MODELS

    efrs = {"--seeds": options["--seeds"] > 1, "--network": options["--network"]}
    for option, value in (options | efrs).items():
        of = Protocol.AGE_CSV if option in efrs else Protocol.UTKFACE
        if value and paper is not of:
            raise bad_value(option, paper.value, f"only with {of.value}")
    for name in options["--network"]:
        if name not in MODELS:
            raise bad_value("--network", name, ", ".join(MODELS))


def _check_files(paper: Protocol, *, weights: Path | None, on: Path | None, labels_map: Path | None) -> None:
    """Raise BadInput for a file that is missing, or that the protocol does not take."""
    if weights is not None and (paper is not Protocol.UTKFACE or not weights.is_file()):
        raise bad_value("--weights", str(weights), "a file, and only with utkface")
    if on is not None and not on.exists():
        raise bad_value("--on", str(on), "a project, or a folder or tar of pictures")
    if labels_map is not None and (on is None or not labels_map.is_file()):
        raise bad_value("--labels-map", str(labels_map), "a file, and only with --on")


def _check_weights(weights: Path) -> None:
    """Raise BadInput if the file is not one of FaceNet's weights, before any picture is laid out."""
    from mtf.config import FACENET
    from mtf.datasets.project_files import DAS
    from mtf.training import multitask

    multitask.start(FACENET, {"any": 2}, input_px=DAS["input_px"], seed=0, weights=weights, branches="normalised")
