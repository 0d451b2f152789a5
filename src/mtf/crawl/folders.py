"""All folder sources of a crawl together: where one lies in another, a file belongs to the innermost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from mtf.crawl.candidates import Candidate
from mtf.crawl.folder import Folder
from mtf.params import FolderSource


class Folders:
    """In the order of params.yaml. Raises BadInput where one is not there."""

    def __init__(self, sources: Iterable[FolderSource], root: Path) -> None:
        self._folders = [Folder(source, root) for source in sources]

    def __iter__(self) -> Iterator[Folder]:
        return iter(self._folders)

    def of(self, url: str) -> Folder | None:
        """The folder whose owner speaks for the file at `url`: of those that hold it the innermost."""
        holding = (folder for folder in self._folders if url.startswith(folder.prefix))
        return max(holding, key=lambda folder: len(folder.prefix), default=None)

    def find(self, folder: Folder, files: str | None) -> list[Candidate]:
        """What `folder` finds for one cell of the roster's column `files`, each with its own folder's license."""
        return [self._claimed(candidate) for candidate in folder.find(files)]

    def stamp(self, files: str | None) -> list[str]:
        """What changes when any of the files does that one cell of the roster names."""
        return [stamp for folder in self._folders for stamp in folder.stamp(files)]

    def _claimed(self, candidate: Candidate) -> Candidate:
        owner = self.of(candidate.url)
        return candidate if owner is None else replace(candidate, claim=owner.source.license)
