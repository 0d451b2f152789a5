"""Two versions of the project compared, as `mtf diff` and the changelog want it. No stage of dvc.yaml."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from mtf.config import IDENTITY, Params
from mtf.core import csv_files
from mtf.core.errors import BadInput
from mtf.core.project_paths import PATHS_IN_PROJECT, ProjectPaths
from mtf.core.revisions import Revision
from mtf.release import changes, version_files
from mtf.release.version_files import VersionFiles
from mtf.schemas import takedown_file
from mtf.schemas.takedown_file import Takedowns

SPLITS_FILE = PATHS_IN_PROJECT.table("split", "splits").as_posix()
EXCLUSIONS_FILE = PATHS_IN_PROJECT.table("curate", "exclusions").as_posix()
FACES_FILE = PATHS_IN_PROJECT.table("crop", "faces").as_posix()
FETCHES_FILE = PATHS_IN_PROJECT.table("crawl", "fetches").as_posix()
LEDGER = PATHS_IN_PROJECT.review.as_posix()
ROSTER = PATHS_IN_PROJECT.roster.as_posix()
TAKEDOWNS = PATHS_IN_PROJECT.takedowns.as_posix()
Found = TypeVar("Found")


def run(workspace: ProjectPaths, params: Params, old: str, new: str | None) -> changes.Changes:
    """Compare two revisions; `new` None is the working tree. Raises BadInput where one of them has no data set."""
    return between(Revision(workspace.root, old), Revision(workspace.root, new), params)


def between(old: Revision, new: Revision, params: Params) -> changes.Changes:
    """Changes from one revision to another, with a bounded number of rows in memory. Raises as `run`."""
    with tempfile.TemporaryDirectory() as folder:
        versions = [_files_of(revision, Path(folder) / str(place)) for place, revision in enumerate((old, new))]
        columns = [each.columns for each in versions]
        labels = [column for column in params.attributes if all(column in each for each in columns)]
        return version_files.between(*versions, labels=labels, box_iou=params.curate.box_iou)


def shared_labels(params: Params, versions: Sequence[changes.DatasetVersion]) -> list[str]:
    """Label columns that all versions have."""
    return [column for column in params.attributes if all(column in version.data.columns for version in versions)]


def version_of(revision: Revision) -> changes.DatasetVersion:
    """Version of the data set at a revision. Tables other than the data set itself may be missing.

    Raises BadInput if the revision has no data set.
    """
    return _read(revision, revision.table, changes.DatasetVersion)


def _files_of(revision: Revision, folder: Path) -> VersionFiles:
    """As `version_of`, with the tables as files; copies of them go to `folder`."""
    return _read(revision, partial(revision.table_file, folder=folder), VersionFiles)


def _read(revision: Revision, table: Callable[[str], Any], version: Callable[..., Found]) -> Found:
    data = table(SPLITS_FILE)
    if data is None:
        raise BadInput(f"{revision}: no {SPLITS_FILE} there; `dvc repro` makes it, and a commit names it in dvc.lock")
    unknown: list[str] = []
    return version(
        data=data,
        faces=_or_unknown(lambda: _required(revision, FACES_FILE, table(FACES_FILE)), unknown),
        exclusions=_or_unknown(lambda: _required(revision, EXCLUSIONS_FILE, table(EXCLUSIONS_FILE)), unknown),
        fetches=_or_unknown(lambda: _required(revision, FETCHES_FILE, table(FETCHES_FILE)), unknown),
        decisions=_or_unknown(lambda: _decisions(revision), unknown),
        roster=_or_unknown(lambda: _roster(revision), unknown),
        takedowns=_or_unknown(lambda: _takedowns(revision), unknown),
        unknown=tuple(unknown),
    )


def _or_unknown(find: Callable[[], Found], unknown: list[str]) -> Found | None:
    """Result of `find`; None if it raises BadInput, whose message is added to `unknown`."""
    try:
        return find()
    except BadInput as error:
        unknown.append(str(error))
        return None


def _required(revision: Revision, path: str, found: Found | None) -> Found:
    if found is None:
        raise BadInput(f"{revision}: no {path} there")
    return found


def has_votes(path: str) -> bool:
    """True for a file of decisions, `review/NAME/TIME.jsonl`; the subfolders have gold answers, which are no votes."""
    return path.endswith(".jsonl") and len(PurePosixPath(path).relative_to(LEDGER).parts) == 2


def _decisions(revision: Revision) -> frozenset[str]:
    """The lines of the ledger; none where nobody has reviewed yet."""
    files = (revision.bytes_of(path) or b"" for path in revision.files_below(LEDGER) if has_votes(path))
    lines = (line for data in files for line in data.decode("utf-8", "replace").splitlines())
    return frozenset(line for line in lines if line.strip())


def _roster(revision: Revision) -> frozenset[str]:
    text = _required(revision, ROSTER, revision.bytes_of(ROSTER))
    rows = csv_files.parse(text, f"{revision}: {ROSTER}").requiring([IDENTITY])
    return frozenset(row.cells[IDENTITY] for row in rows)


def _takedowns(revision: Revision) -> Takedowns:
    """The requests of that version; none where it has no file of them."""
    text = revision.bytes_of(TAKEDOWNS)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / Path(TAKEDOWNS).name
        if text is not None:
            path.write_bytes(text)
        return takedown_file.load(path)
