"""Exported evidence (`build/evidence`) of an erasure: single records are erased, so that the rest still verifies.

The stages cannot make these files again: a signature and a timestamp may be in them. The file of a person who is erased
altogether goes as a whole, and so does one of an affected person that no longer verifies.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

from mtf.core.errors import BadInput
from mtf.core.project_paths import ProjectPaths
from mtf.rights.web_archive import erasure
from mtf.rights.web_archive.files import RECORDS_BESIDE, WACZ, WARC, records_path
from mtf.takedown.scope import TakedownScope

_SUFFIXES = (WACZ, WARC, RECORDS_BESIDE)


@dataclass(frozen=True)
class ExportedFile:
    """File of evidence to change.

    - `path`: the file;
    - `image_ids`: erased images; empty if the file goes as a whole;
    - `records`: number of records to erase.
    """

    path: Path
    image_ids: frozenset[str] = frozenset()
    records: int = 0

    def described(self, workspace: ProjectPaths) -> str:
        name = workspace.relative(self.path)
        return f"{name}: {self.records} records" if self.image_ids else name


def find(scope: TakedownScope, workspace: ProjectPaths) -> tuple[list[ExportedFile], list[str]]:
    """Files of evidence on erased pictures or people; and files that could not be read, one line each."""
    found, unreadable = [], []
    for path in _files(workspace.evidence) if scope.names or scope.whole else ():
        identity = path.name.removesuffix(WACZ).removesuffix(WARC).removesuffix(RECORDS_BESIDE)
        if identity in scope.whole:
            found.append(ExportedFile(path))
            continue
        if path.name.endswith(RECORDS_BESIDE):
            continue
        image_ids = frozenset(scope.image_ids)
        try:
            if records := erasure.find(path, erasure.Named(image_ids)):
                found.append(ExportedFile(path, image_ids, len(records)))
        except (BadInput, OSError) as error:
            if identity in scope.affected:
                found.append(ExportedFile(path))
            else:
                unreadable.append(f"{workspace.relative(path)}: {error}")
    return found, unreadable


def clear(exported: ExportedFile) -> None:
    """Erase the records, or remove the file."""
    if exported.image_ids:
        day = dt.datetime.now(dt.UTC).date().isoformat()
        erasure.erase(exported.path, erasure.Named(exported.image_ids), day=day)
        return
    exported.path.unlink(missing_ok=True)
    if exported.path.name.endswith(WARC):
        records_path(exported.path).unlink(missing_ok=True)


def foreign_files(workspace: ProjectPaths) -> list[Path]:
    """Anything else in the folder, such as what a killed export leaves: it may hold an erased picture."""
    if not workspace.evidence.is_dir():
        return []
    return sorted(set(workspace.evidence.iterdir()) - set(_files(workspace.evidence)))


def _files(folder: Path) -> list[Path]:
    found = (path for path in folder.glob("*") if path.name.endswith(_SUFFIXES) and not path.name.startswith("."))
    return sorted(path for path in found if path.is_file() and not path.is_symlink())
