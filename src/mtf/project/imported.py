"""New project from a published data set: its people as the roster, its labels as tasks, its pictures as the source."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mtf.datasets import project_files
from mtf.datasets.labelled import DataSet
from mtf.project.new import NewProject
from mtf.project.own_pictures import OwnPictures
from mtf.project.own_roster import OwnRoster


@dataclass(frozen=True)
class ImportOptions:
    """Choices of the user for the project; `NewProject` explains them.

    copied: as in `OwnPictures`.
    """

    contact: str
    name: str
    title: str | None = None
    copied: bool = True
    permit: bool = False
    release_license: str | None = None


def described(data_set: DataSet, source: Path, options: ImportOptions) -> NewProject:
    """Description of a project with the data set's tasks, in their order, with its labels and years of age groups.

    Raises BadInput if a person has two labels for one attribute.
    """
    return NewProject(
        name=options.name,
        contact=options.contact,
        title=options.title,
        roster=OwnRoster(project_files.roster_table(data_set), data_set.name),
        tasks=project_files.roster_tasks(data_set),
        pictures=OwnPictures(source, data_set.license, data_set.creator, copied=options.copied),
        changes=project_files.roster_changes(data_set),
        permit=options.permit,
        release_license=options.release_license,
    )
