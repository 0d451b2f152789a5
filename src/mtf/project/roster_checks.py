"""Checks of the roster against params.yaml: labels, columns, and minimums that the people on it cannot meet."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import unquote

import polars as pl

from mtf import config
from mtf.core import csv_files
from mtf.core.errors import MtfError, listed
from mtf.core.project_paths import ProjectPaths
from mtf.project import own_roster
from mtf.project.finding import Finding
from mtf.schemas import roster_file
from mtf.sources.folder import Folder, FolderFiles

ROSTER = "roster"


def examine(workspace: ProjectPaths, settings: config.Params) -> Iterator[Finding]:
    """All findings on a roster that is there."""
    try:
        people = roster_file.load(workspace.roster, settings)
    except MtfError as error:
        yield Finding(ROSTER, "wrong", str(error))
        return
    yield Finding(ROSTER, "good", f"{workspace.relative(workspace.roster)}: {people.height} people")
    yield from _unread_columns(workspace, settings)
    yield from _labels_of_nobody(people, settings)
    yield from _pictures(workspace, people, settings)


def _unread_columns(workspace: ProjectPaths, settings: config.Params) -> Iterator[Finding]:
    if detail := own_roster.unread_columns(csv_files.read(workspace.roster).header, settings.columns):
        yield Finding(ROSTER, "lacking", detail)


def _labels_of_nobody(people: pl.DataFrame, settings: config.Params) -> Iterator[Finding]:
    """Labels of tasks that nobody on the roster has: gates on their share cannot hold."""
    for column, task in settings.attributes.items():
        if not task.per_identity:
            continue
        nobody = [label for label in task.labels if label not in set(people[column])]
        if not nobody:
            continue
        least = _least_share(settings, column)
        stops = least > 0 and "label_share" not in settings.gates.warn_only
        detail = f"nobody has the {column} {listed(nobody)}"
        if stops:
            detail += f", and gates.label_share asks for {least:g} of each label; add people, or remove the label"
        yield Finding(ROSTER, "wrong" if stops else "lacking", detail)


def _least_share(settings: config.Params, column: str) -> float:
    """Smallest share that `gates.label_share` permits for a label of the column."""
    bounds = settings.gates.label_share
    if isinstance(bounds, dict):
        names = [name for name, task in settings.tasks.items() if task.column == column]
        return next((bounds[name][0] for name in names if name in bounds), 0.0)
    return bounds[0]


def _pictures(workspace: ProjectPaths, people: pl.DataFrame, settings: config.Params) -> Iterator[Finding]:
    """People whose folder has fewer pictures than curation keeps; only if every source is a folder."""
    sources = settings.crawl.sources
    if not all(isinstance(source, Folder) and (workspace.root / source.path).exists() for source in sources):
        return
    opened = [FolderFiles(source, workspace.root) for source in sources if isinstance(source, Folder)]
    there = [{name for name, _ in files.listing()} for files in opened]
    least = settings.curate.min_images_per_identity
    few = []
    for identity, cell in people.select("identity", "files").iter_rows():
        count = 0
        for files, names in zip(opened, there, strict=True):
            named = {unquote(each.url.removeprefix(files.prefix)) for each in files.find(cell)}
            count += len(named & names)
        if count < least:
            few.append(f"{identity} {count}")
    if few:
        detail = (
            f"{len(few)} of {people.height} people have fewer pictures than curate.min_images_per_identity {least}, "
            f"and would be left out: {listed(few)}"
        )
        yield Finding("pictures", "wrong" if len(few) == people.height else "lacking", detail)
