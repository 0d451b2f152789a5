"""Exported evidence (`build/evidence`) about one person: copies for the answer, without the bytes of pictures.

Pages and statements are about the person; a picture as it was received may show others, and is in the answer with their
faces masked. Its record is erased from the copy, so that all others, and the signature over the manifest, still verify.
"""

from __future__ import annotations

import datetime as dt
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from mtf.core.errors import BadInput
from mtf.core.project_paths import ProjectPaths
from mtf.rights.web_archive import erasure
from mtf.rights.web_archive.files import WACZ, WARC, records_path


@dataclass
class Copied:
    """Copies of the files about one person.

    - `files`: paths of the copies, which are gone after the `with`;
    - `left_out`: name of a file → reason why it is not among them.
    """

    files: list[Path] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)


@contextmanager
def copied(identity: str, workspace: ProjectPaths, folder: Path) -> Generator[Copied]:
    """Copies in a temporary folder below `folder`, for use in a `with`."""
    found = Copied()
    with tempfile.TemporaryDirectory(prefix=".evidence-", dir=folder) as name:
        for suffix in (WACZ, WARC):
            source = workspace.evidence / f"{identity}{suffix}"
            if source.is_symlink() or not source.is_file():
                continue
            try:
                found.files += _copy(source, Path(name))
            except (BadInput, OSError) as error:
                reason = str(error).replace(name, workspace.relative(workspace.evidence))
                found.left_out[source.name] = reason.removeprefix(f"{source.name}: ")
        yield found


def _copy(source: Path, folder: Path) -> list[Path]:
    sources = [source, records_path(source)] if source.name.endswith(WARC) else [source]
    copies = [Path(shutil.copyfile(each, folder / each.name)) for each in sources]
    erasure.erase_pictures(copies[0], day=dt.datetime.now(dt.UTC).date().isoformat())
    return copies
