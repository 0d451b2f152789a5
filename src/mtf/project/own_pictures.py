"""Pictures that a new project begins with: a folder or tar, copied into `data/` or named where it lies."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from mtf.core.atomic_files import replacing
from mtf.core.errors import BadInput, bad_value, listed, shortened
from mtf.core.project_paths import PATHS_IN_PROJECT, ProjectPaths
from mtf.sources.folder import Folder, FolderFiles

COPY = "pictures"
NONE = "no picture: a link, a device, or a name that leads out of it is none"


@dataclass(frozen=True)
class OwnPictures:
    """Pictures of a new project.

    path: folder or uncompressed tar.
    license: that their owner states for all of them (SPDX or `LicenseRef-…`).
    creator: that their owner states for all of them.
    copied: copy them into `data/`, which DVC tracks; else DVC records the digest of the folder where it lies.
    """

    path: Path
    license: str
    creator: str | None = None
    copied: bool = True

    @property
    def place(self) -> str:
        """Path of the pictures for params.yaml and dvc.yaml: relative to the project, or absolute."""
        if not self.copied:
            return str(self.path.resolve())
        name = COPY if self.path.is_dir() else f"{COPY}.tar"
        return (PATHS_IN_PROJECT.data / name).as_posix()

    @property
    def source(self) -> dict[str, Any]:
        """Source of the crawl as params.yaml has it."""
        return {"kind": "folder", "path": self.place, "license": self.license} | (
            {"creator": self.creator} if self.creator else {}
        )

    def check_named_by(self, cells: Sequence[str], *, roster: str) -> None:
        """Check that the roster's column `files` names pictures that are there. Raises BadInput."""
        if not any(cells):
            raise BadInput(
                f"{roster}: no row names a picture of {self.path}; the column files names them: anna.jpg, or "
                "anna/*.jpg;more/anna-1.jpg"
            )
        if not (self.path.is_dir() or self.path.is_file()):
            raise bad_value("--pictures", str(self.path), "a folder, or an uncompressed tar")
        source = Folder(kind="folder", path=str(self.path.resolve()), license=self.license)
        opened = FolderFiles(source, Path())
        existing = {name for name, _ in opened.listing()}
        named = [unquote(each.url.removeprefix(opened.prefix)) for cell in cells for each in opened.find(cell)]
        if not existing.intersection(named):
            raise BadInput(
                f"{roster}: column files: {shortened(named[0])} and every other name is missing in {self.path}, which "
                f"has {listed(sorted(existing)[:4]) or NONE}"
            )

    def write(self, workspace: ProjectPaths) -> None:
        """Copy the pictures into the project, if they are to be copied. Links are left out, as the crawl does."""
        if not self.copied:
            return
        to = workspace.root / self.place
        if not self.path.is_dir():
            with replacing(to) as beside:
                shutil.copyfile(self.path, beside)
            return
        shutil.copytree(self.path, to, ignore=_links)


def _links(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if Path(folder, name).is_symlink()]
