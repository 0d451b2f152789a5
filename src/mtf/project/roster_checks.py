"""Checks of the roster against params.yaml: labels, columns, and minimums that the people on it cannot meet."""

from __future__ import annotations

from collections.abc import Iterator

from mtf import config
from mtf.core import csv_files
from mtf.core.errors import MtfError
from mtf.core.project_paths import ProjectPaths
from mtf.project import minimum_checks, own_roster
from mtf.project.finding import Finding
from mtf.schemas import roster_file

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
    yield from minimum_checks.examine(workspace, people, settings)


def _unread_columns(workspace: ProjectPaths, settings: config.Params) -> Iterator[Finding]:
    if detail := own_roster.unread_columns(csv_files.read(workspace.roster).header, settings.columns):
        yield Finding(ROSTER, "lacking", detail)
