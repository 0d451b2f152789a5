"""Two versions of the project compared, as `mtf diff` and the changelog want it. No stage of dvc.yaml."""

from __future__ import annotations

from mtf import tables
from mtf.errors import BadInput
from mtf.params import Params
from mtf.release import changes
from mtf.revisions import Revision
from mtf.workspace import Workspace

SPLITS, EXCLUSIONS, LEDGER = "build/split/splits.parquet", "build/curate/exclusions.parquet", "data/review"


def run(workspace: Workspace, params: Params, old: str, new: str | None) -> changes.Changes:
    """Compare two revisions; `new` None is the working tree. Raises BadInput where one of them has no data set."""
    versions = [version_of(Revision(workspace.root, name)) for name in (old, new)]
    shared = [column for column in params.attributes if all(column in version.data.columns for version in versions)]
    return changes.between(*versions, labels=shared)


def version_of(revision: Revision) -> changes.Version:
    data = revision.table(SPLITS)
    if data is None:
        raise BadInput(f"{revision}: no {SPLITS} there, or its data is neither in the cache nor in the remote")
    exclusions = revision.table(EXCLUSIONS)
    return changes.Version(
        data=data,
        exclusions=tables.frame(tables.EXCLUSIONS, []) if exclusions is None else exclusions,
        decisions=frozenset(_lines(revision)),
    )


def _lines(revision: Revision) -> list[str]:
    files = (revision.bytes_of(path) or b"" for path in revision.files_below(LEDGER) if path.endswith(".jsonl"))
    return [line for data in files for line in data.decode("utf-8", "replace").splitlines() if line.strip()]
