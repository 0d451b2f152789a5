"""New project: replaces the sample's roster, web and review by the user's own."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import string
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from mtf import config
from mtf.config import OF_TORCHVISION, PRETRAINED
from mtf.core import csv_files, dvc_cli
from mtf.core.atomic_files import write_text
from mtf.core.errors import BadInput, MtfError, shortened
from mtf.core.project_paths import PATHS_IN_PROJECT, ProjectPaths
from mtf.project.yaml_text import rewritten
from mtf.rights import attribution
from mtf.schemas import roster_file, takedown_file

SAMPLE = "sample"
REVIEW_README = """The reviewers' decisions: one folder per reviewer, one file per review session, append-only.
"""
PAPER_SIZE_PX = 1024
# MTF, section 3.3.
PAPER_TASKS = {
    "race": ["Asian (Chinese/Korean)", "Asian (Indian)", "Black", "White"],
    "gender": ["Males", "Females"],
    "age": ["Young", "Old"],
}
PAPER_YEARS = {"Young": [18, 49], "Old": [50, 120]}
PAPER_PARAMS: Mapping[tuple[str, str], Any] = {
    ("crop", "detector"): "haar",
    ("train", "models"): [*OF_TORCHVISION, *(f"{name}{PRETRAINED}" for name in OF_TORCHVISION)],
    ("train", "input_px"): 224,
    ("train", "recipe"): "mtf",
}
"""Choices of MTF (sections 3.2, 5.1 and 5.2) that differ from those of the sample."""


@dataclass(frozen=True)
class NewProject:
    """New project as described by the user.

    name: short name of the data set.
    contact: address sent with the crawl's requests.
    title: title for cards and reports.
    roster: CSV file; without one, an empty roster to fill in.
    pictures: folder or tar of pictures; without one, they come from a search engine.
    license: license of those pictures.
    like_the_paper: True for PAPER_PARAMS; else the sample's, which are better or quicker.
    """

    name: str
    contact: str
    title: str | None = None
    roster: Path | None = None
    pictures: str | None = None
    license: str | None = None
    like_the_paper: bool = False


def begin(workspace: ProjectPaths, project: NewProject, *, force: bool) -> list[str]:
    """Replace the sample in `workspace`; returns the next steps for the user, one line of text each.

    Raises MtfError if the project is not the sample any more, or `data/` has changes that DVC has not stored; `force`
    skips both checks. Raises BadInput for a roster that would stop the crawl. Nothing is changed in these cases.
    """
    if not force:
        _check_no_loss(workspace)
    table = _own_roster(project)
    text = _params_text(workspace, project, table)
    checked = config.parse(yaml.safe_load(text), name="the new params.yaml")
    beside = workspace.root / "data.new"
    shutil.rmtree(beside, ignore_errors=True)
    _write_data(beside, table)
    if len(table) > 1:
        roster_file.load(beside / "roster.csv", checked)
    shutil.rmtree(workspace.data, ignore_errors=True)
    beside.rename(workspace.data)
    write_text(workspace.params, text)
    _remove_sample_outputs(workspace, project)
    _dvc(workspace, "add", "--quiet", "data")
    return _next_steps(workspace, project, checked)


def slug(name: str) -> str:
    """Slug of an identity from a name: ASCII where letters have such a form, else a digest of the name."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode("ascii").lower()
    words = re.sub(r"[^a-z0-9]+", "-", plain.replace("'", "")).strip("-")
    return words[:100].strip("-") or f"id-{hashlib.sha256(name.encode('utf-8')).hexdigest()[:12]}"


def _check_no_loss(workspace: ProjectPaths) -> None:
    if config.load(workspace.params).project.name != SAMPLE:
        raise MtfError(
            "params.yaml: project.name is not 'sample': this project is not the sample any more; --force replaces it"
        )
    if workspace.data.exists() and _dvc(workspace, "status", "--json", "data.dvc").strip() not in ("", "{}"):
        raise MtfError("data: has changes that DVC does not hold; `dvc add data` keeps them, --force drops them")


def _own_roster(project: NewProject) -> list[list[str]]:
    """Header and rows of the roster; a missing `identity` column is filled with slugs of the names."""
    if project.roster is None:
        return [["identity", "name", *PAPER_TASKS, "query"]]
    given = csv_files.read(project.roster)
    # A column without a name cannot be used.
    header = [name for name in given.header if name]
    rows = list(given)
    if not rows or "name" not in header:
        raise BadInput(f"{project.roster.name} row 1: needs a header with the column name, and rows below it")
    if "identity" in header:
        return [header, *([row.cells[name] for name in header] for row in rows)]
    return [
        ["identity", *header],
        *([slug(row.cells["name"]), *(row.cells[name] for name in header)] for row in rows),
    ]


def _params_text(workspace: ProjectPaths, project: NewProject, table: list[list[str]]) -> str:
    template = string.Template((files("mtf.project") / "params.template.yaml").read_text(encoding="utf-8"))
    head = template.substitute(
        name=project.name,
        title=json.dumps(project.title or project.name, ensure_ascii=False),
        contact=json.dumps(project.contact, ensure_ascii=False),
        tasks=_tasks_text(table),
        source=_source_text(project),
    )
    return head + _sections_from_licenses(
        workspace.params.read_text(encoding="utf-8"),
        _task_names(table),
        PAPER_PARAMS if project.like_the_paper else {},
    )


def _task_names(table: list[list[str]]) -> list[str]:
    header = table[0]
    dated = "birth_date" in header
    return ["recognition", *(name for name in PAPER_TASKS if name in header or (name == "age" and dated))]


def _tasks_text(table: list[list[str]]) -> str:
    """YAML of the tasks, with the roster's labels, else the paper's."""
    lines = ["  recognition: {column: identity}"]
    for name in _task_names(table)[1:]:
        labels = _labels(table, name)
        task: dict[str, object] = {"column": name, "labels": labels}
        if name == "age" and set(PAPER_YEARS) <= set(labels):
            task["years"] = PAPER_YEARS
        lines.append(f"  {name}: {json.dumps(task, ensure_ascii=False)}")
    return "\n".join(lines)


def _labels(table: list[list[str]], name: str) -> list[str]:
    header, *rows = table
    if name not in header:
        return PAPER_TASKS[name]
    place = header.index(name)
    found = sorted({row[place].strip() for row in rows if len(row) > place and row[place].strip()})
    if set(found) <= set(PAPER_TASKS[name]):
        return PAPER_TASKS[name]
    if len(found) == 1:
        raise BadInput(
            f"roster: column {name}: {shortened(found[0])} alone; a task needs two labels: remove the column for now"
        )
    return found


def _source_text(project: NewProject) -> str:
    if project.pictures is None:
        return '{kind: bing, licenses: ["commercial,modify", publicdomain]}'
    source = {"kind": "folder", "path": project.pictures, "license": project.license}
    return json.dumps(source, ensure_ascii=False)


def _sections_from_licenses(sample: str, tasks: list[str], changes: Mapping[tuple[str, str], Any]) -> str:
    """Sections of the sample's parameters from `licenses` on, with `changes`, the paper's picture size and the roster's
    tasks.

    The gates are left out: the sample's describe a known data set, the template's an unknown one.
    """
    rest = sample[sample.index("\nlicenses:") + 1 :]
    attributes = tasks[1:] or tasks
    # A comment explains the sample's size, and is removed with it.
    values = {("release", "size_px"): PAPER_SIZE_PX, ("train", "tasks"): tasks, ("multitask", "tasks"): attributes}
    return rewritten(rest, {**values, **changes}, without=["gates"])


def _write_data(folder: Path, table: list[list[str]]) -> None:
    tables = {"roster.csv": table, "takedowns.csv": [takedown_file.COLUMNS], "attribution.csv": [attribution.COLUMNS]}
    for name, rows in tables.items():
        csv_files.write(folder / name, rows)
    write_text(folder / "review" / "README.md", REVIEW_README)
    write_text(folder / "card.yaml", (files("mtf.project") / "card.yaml").read_text(encoding="utf-8"))


def _remove_sample_outputs(workspace: ProjectPaths, project: NewProject) -> None:
    """Remove the output of the sample's run; git and the sample's remote keep their copies."""
    for folder in (workspace.build, workspace.plots("")):
        shutil.rmtree(folder, ignore_errors=True)
    # The files that declare the figures to DVC are removed with them.
    for pattern in ("*.json", "dvc.yaml"):
        for path in workspace.metrics_folder.rglob(pattern):
            path.unlink()
    (workspace.root / "dvc.lock").unlink(missing_ok=True)
    pipeline = workspace.root / "dvc.yaml"
    # The sample's recorded web is replaced by the folder of pictures, so that DVC notices new ones.
    own = [] if project.pictures is None else [f"      - {json.dumps(project.pictures, ensure_ascii=False)}"]
    web = f"- {PATHS_IN_PROJECT.web.as_posix()}"
    lines = pipeline.read_text(encoding="utf-8").splitlines()
    kept = [line for given in lines for line in (own if given.strip() == web else [given])]
    write_text(pipeline, "\n".join(kept) + "\n")


def _next_steps(workspace: ProjectPaths, project: NewProject, settings: config.Params) -> list[str]:
    fill = [] if project.roster else [f"fill in {workspace.relative(workspace.roster)}, then `dvc add data`"]
    return [
        *fill,
        "read params.yaml: set the tasks, sources and the license policy",
        "`dvc remote add --default storage s3://BUCKET/PATH` (or ssh://, gs://, azure://, a folder)",
        "`git add data.dvc params.yaml dvc.yaml .dvc/config metrics && git commit`",
        "`dvc repro screen`: downloads the pictures, finds and measures the faces",
        f"`mtf review open --reviewer YOU`, once for each of {settings.curate.reviewers} reviewers; with "
        "curate.mode screened or non_curated in params.yaml there is no review",
        "`dvc repro`, then `git add data.dvc dvc.lock metrics && git commit` and `dvc push`",
    ]


def _dvc(workspace: ProjectPaths, *arguments: str) -> str:
    done = dvc_cli.dvc(*arguments, root=workspace.root)
    if done.returncode != 0:
        raise MtfError(f"dvc {' '.join(arguments)}: {done.stderr.strip() or f'exit code {done.returncode}'}")
    return done.stdout
