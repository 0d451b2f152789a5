"""Originals: pictures that people added to the project, as single files, in tars, or in the recorded web.

- Stages make their files again without the erased pictures; nobody makes originals again. So a single file is removed
  here, and a tar is written again without its erased members. DVC tracks the result, which must be committed.
- A file may be a link into DVC's cache (`cache.type`). It is replaced, never written through. A file that stays gets
  its own copy before its object becomes a tombstone.
"""

from __future__ import annotations

import json
import shutil
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mtf.config import Params
from mtf.core.atomic_files import replacing, write_text
from mtf.core.project_paths import ProjectPaths
from mtf.crawl.recorded_web import RESPONSES
from mtf.sources.base import LocalSource
from mtf.takedown import file_contents
from mtf.takedown.file_contents import Unexaminable
from mtf.takedown.scope import TakedownScope

_GONE = {"status": 410, "headers": {}, "body": None}


@dataclass(frozen=True)
class Original:
    """File that holds erased pictures.

    - `path`: the file;
    - `members`: names of the erased members of a tar; empty if the file itself is an erased picture.
    """

    path: Path
    members: tuple[str, ...] = ()

    @property
    def target(self) -> Path | None:
        """Target of a symbolic link; None for a regular file."""
        return self.path.resolve() if self.path.is_symlink() else None


def find(scope: TakedownScope, workspace: ProjectPaths, params: Params) -> tuple[list[Original], list[str]]:
    """Originals with an erased picture; and files that could not be read, one line each with the error."""
    found, unreadable = [], []
    for path in _files(workspace, params) if scope.image_ids else ():
        try:
            if (original := _examined(path, scope)) is not None:
                found.append(original)
        except (Unexaminable, OSError) as error:
            unreadable.append(f"{workspace.relative(path)}: {error}")
    return found, unreadable


def clear(original: Original) -> None:
    """Remove the file, or write the tar again without its erased members."""
    if not original.members:
        original.path.unlink()
        return
    with replacing(original.path) as beside:
        _copy_others(original, beside)
    _answer_gone(original)


def detach(path: Path, oid: str) -> None:
    """Replace a link to object `oid` of the cache by a copy, so that the file stays when the object goes."""
    if path.is_symlink() and path.is_file() and path.resolve().parts[-2:] == (oid[:2], oid[2:]):
        with replacing(path) as beside:
            shutil.copyfile(path, beside)


def _files(workspace: ProjectPaths, params: Params) -> Iterator[Path]:
    """Files of `data/`, and of the folders and tars that params.yaml names as sources, each once."""
    sources = [workspace.root / each.files_path for each in params.crawl.sources if isinstance(each, LocalSource)]
    seen = set()
    for folder in (workspace.data, *sources):
        for path in sorted(folder.rglob("*")) if folder.is_dir() else [folder]:
            if path not in seen and path.is_file():
                yield path
            seen.add(path)


def _examined(path: Path, scope: TakedownScope) -> Original | None:
    if path.suffix == ".tar":
        members = _erased_members(path, scope)
        return Original(path, members) if members else None
    if not scope.may_be_erased(path.stat().st_size):
        return None
    with path.open("rb") as file:
        return Original(path) if file_contents.digest(file) in scope.image_ids else None


def _erased_members(path: Path, scope: TakedownScope) -> tuple[str, ...]:
    try:
        with tarfile.open(path, "r:") as tar:
            return tuple(member.name for member in file_contents.erased_members(tar, scope))
    except (tarfile.TarError, EOFError) as error:
        raise Unexaminable(f"not readable as a tar: {error}") from error


def _copy_others(original: Original, to: Path) -> None:
    erased = set(original.members)
    with tarfile.open(original.path, "r:") as old, tarfile.open(to, "w", format=tarfile.PAX_FORMAT) as new:
        for member in file_contents.members(old):
            if member.name not in erased:
                new.addfile(member, old.extractfile(member) if member.isreg() else None)


def _answer_gone(original: Original) -> None:
    """Set the status 410 (gone) for the erased bodies of a recorded web; its other addresses stay as they are."""
    path = original.path.with_name(RESPONSES)
    if not path.is_file():
        return
    erased = {f"{original.path.name}:{member}" for member in original.members}
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    kept = [record | _GONE if record.get("body") in erased else record for record in records]
    write_text(path, "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in kept))
