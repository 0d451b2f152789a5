"""New project: parameters, pipeline, roster and the other files of `data/`, in a repository of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

from mtf import config
from mtf.core import csv_files, yaml_files
from mtf.core.atomic_files import write_text
from mtf.core.errors import BadInput, MtfError
from mtf.core.import_closure import PACKAGE
from mtf.core.project_paths import PATHS_IN_PROJECT, ProjectPaths
from mtf.faces import weights_in_use
from mtf.project import license_check, own_pipeline, own_roster, repository, templates
from mtf.project.own_params import BING, PAPER_PARAMS, OwnParams
from mtf.project.own_pictures import OwnPictures
from mtf.project.own_roster import OwnRoster
from mtf.rights import attribution, policy
from mtf.schemas import roster_file, takedown_file
from mtf.sources import source_listing
from mtf.sources.local_sources import LocalSources

NEW_PARAMS = "the new params.yaml"
REVIEW_README = """The reviewers' decisions: one folder per reviewer, one file per review session, append-only.
"""
PROJECT_README = """\
# {title}

A face data set, made with mtf {version}.

```
dvc repro          # runs every stage whose inputs changed
mtf summary        # the state of the data set
mtf doctor         # what is missing or wrong
```

- `dvc status` always names the stage `{stage}`, which records the installed version of mtf. If it names no other
  stage, all is up to date.
- `params.yaml` holds every parameter, `data/` what people write: the roster, reviews, takedowns, the card.
- `dvc add data` records a change in `data/`; commit `data.dvc` and `dvc.lock` with git, and `dvc push` the data.
"""


@dataclass(frozen=True)
class NewProject:
    """New project as described by the user.

    name: short name of the data set.
    contact: address sent with the crawl's requests.
    title: title for cards and reports.
    roster: people; by default an empty roster to fill in.
    tasks: name → task as params.yaml has it; by default those of the roster.
    pictures: pictures to begin with; without them, they come from a search engine.
    changes: (section, key) → value of params.yaml, in place of the sample's.
    like_the_paper: True for PAPER_PARAMS; else the sample's, which are better or quicker.
    permit: True to add the license of the pictures to the policy.
    release_license: license of the releases; None for the sample's.
    """

    name: str
    contact: str
    title: str | None = None
    roster: OwnRoster = own_roster.EMPTY
    tasks: dict[str, dict[str, Any]] | None = None
    pictures: OwnPictures | None = None
    changes: dict[tuple[str, str], Any] | None = None
    like_the_paper: bool = False
    permit: bool = False
    release_license: str | None = None


def create(folder: Path, project: NewProject, *, remote: str | None) -> list[str]:
    """Make the project in the new folder `folder`; returns the next steps for the user, one line of text each.

    Raises BadInput for a roster, a license or an option that would stop a later stage, and MtfError if git or DVC
    fails. Nothing is left behind in these cases.
    """
    repository.check_tools(remote)
    if project.pictures is not None:
        files_column = project.roster.column("files")
        project.pictures.check_named_by(files_column, roster=project.roster.file or PATHS_IN_PROJECT.roster.name)
    text = params_text(project)
    settings = config.parse(yaml_files.parse(text, NEW_PARAMS), name=NEW_PARAMS)
    policy.check_all(settings)
    license_check.check_sources(settings, unreleased=project.permit)
    with repository.new_folder(folder) as workspace:
        repository.begin(workspace)
        _write_data(workspace, project)
        if project.pictures is not None:
            # As the crawl would, which would then change data/ after it is recorded.
            source_listing.write(
                workspace.local_sources, LocalSources(settings.crawl.sources, workspace.root).listings()
            )
        if project.roster.people:
            roster_file.load(workspace.roster, settings)
        inputs = [] if project.pictures is None else [project.pictures.place]
        _write_files(workspace, text, settings, inputs=inputs)
        address = repository.remote_address(remote, folder)
        repository.record(workspace, remote=address, message=f"{project.name}: a new project, with mtf {_version()}")
    return _next_steps(folder, project, settings, address)


def create_sample(folder: Path, write_data: Callable[[ProjectPaths], None], *, remote: str | None) -> list[str]:
    """Make a project with the sample of drawn people, whose `data/` the function `write_data` writes.

    Returns the next steps. Raises like `create`.
    """
    repository.check_tools(remote)
    text = templates.text(templates.PARAMS)
    settings = config.parse(yaml_files.parse(text, NEW_PARAMS))
    if missing := _missing_weights(folder, settings):
        raise MtfError(f"the sample {missing}")
    with repository.new_folder(folder) as workspace:
        repository.begin(workspace)
        _write_files(workspace, text, settings, inputs=[PATHS_IN_PROJECT.web.as_posix()])
        write_data(workspace)
        address = repository.remote_address(remote, folder)
        repository.record(workspace, remote=address, message=f"The sample, with mtf {_version()}")
    return [f"`cd {folder}`", "`dvc repro`: runs every stage", "`mtf summary`: shows what came of it"]


def params_text(project: NewProject) -> str:
    """Text of the project's params.yaml, from its description."""
    changes = dict(PAPER_PARAMS if project.like_the_paper else {}) | (project.changes or {})
    if project.release_license is not None:
        changes["release", "license"] = project.release_license
    if project.permit:
        if project.pictures is None:
            raise BadInput("--permit: needs --pictures with the license to permit")
        permitted = yaml_files.parse(templates.text(templates.PARAMS), templates.PARAMS)["licenses"]["permitted"]
        changes["licenses", "permitted"] = list(dict.fromkeys([*permitted, project.pictures.license]))
    return OwnParams(
        name=project.name,
        title=project.title or project.name,
        contact=project.contact,
        tasks=project.roster.tasks() if project.tasks is None else project.tasks,
        source=BING if project.pictures is None else project.pictures.source,
        changes=changes,
    ).text()


def _write_data(workspace: ProjectPaths, project: NewProject) -> None:
    csv_files.write(workspace.roster, project.roster.table)
    csv_files.write(workspace.takedowns, [takedown_file.COLUMNS])
    csv_files.write(workspace.attribution, [attribution.COLUMNS])
    write_text(workspace.review / "README.md", REVIEW_README)
    write_text(workspace.card, (files("mtf.project") / "card.yaml").read_text(encoding="utf-8"))
    if project.pictures is not None:
        project.pictures.write(workspace)


def _write_files(workspace: ProjectPaths, params: str, settings: config.Params, *, inputs: list[str]) -> None:
    write_text(workspace.params, params)
    pipeline = own_pipeline.derived(templates.text(templates.PIPELINE), settings, inputs=inputs)
    write_text(workspace.root / templates.PIPELINE, pipeline)
    readme = PROJECT_README.format(title=settings.project.title, version=_version(), stage=own_pipeline.STAGE)
    write_text(workspace.root / "README.md", readme)


def _next_steps(folder: Path, project: NewProject, settings: config.Params, address: str) -> list[str]:
    roster = PATHS_IN_PROJECT.roster
    missing, closed = _missing_weights(folder, settings), license_check.without_release(settings)
    fill = [] if project.roster.people else [f"fill in {roster}, then `dvc add data`"]
    return [
        f"`cd {folder}`",
        *(f"know that no release is possible of pictures under {each}" for each in closed),
        *([missing] if missing else []),
        *fill,
        "read params.yaml: set the tasks, sources and the license policy; `mtf doctor` checks it",
        "`dvc repro screen`: gets the pictures, finds and measures the faces",
        f"`mtf review open --reviewer YOU`, once for each of {settings.curate.reviewers} reviewers; with "
        "curate.mode screened or non_curated in params.yaml there is no review",
        "`dvc add data && dvc repro`, then `git add data.dvc dvc.lock metrics && git commit`",
        f"`dvc push` stores the data at {address}; `dvc remote modify {repository.REMOTE} url URL` names another place",
    ]


def _missing_weights(folder: Path, settings: config.Params) -> str | None:
    """Message that names the weights for faces that are not installed; None if all are there."""
    for entry in weights_in_use.of_faces(settings.crop, settings.screen, root=folder):
        if entry.package is not None and entry.package.found() is None:
            return f"needs {entry.file}, the weights of the {entry.used_for} {entry.name}: {entry.package.install}"
    return None


def _version() -> str:
    return version(PACKAGE)
