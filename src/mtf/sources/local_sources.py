"""Local sources of a crawl. If one lies inside another, a file belongs to the innermost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from mtf.rights.evidence.combination import Statement
from mtf.sources.base import LocalFiles, LocalSource, Source
from mtf.sources.candidate import Candidate


@dataclass(frozen=True)
class OpenedSource:
    """A local source and its files."""

    source: LocalSource
    files: LocalFiles

    def read(self, url: str, *, max_bytes: int) -> bytes:
        """Read the bytes of the file at `url`. Raises FetchFailed."""
        return self.files.read(url, max_bytes=max_bytes)

    def statement(self) -> Statement:
        """License and creator that the owner states."""
        return self.source.statement()


class LocalSources:
    """Local sources among `sources`, in their order. Raises BadInput if one does not exist."""

    def __init__(self, sources: Iterable[Source], root: Path) -> None:
        self._opened = [
            OpenedSource(source, source.open(root)) for source in sources if isinstance(source, LocalSource)
        ]

    def __iter__(self) -> Iterator[OpenedSource]:
        return iter(self._opened)

    def of(self, url: str) -> OpenedSource | None:
        """Source of the file at `url`: the innermost of those that contain it."""
        holding = (opened for opened in self._opened if url.startswith(opened.files.prefix))
        return max(holding, key=lambda opened: len(opened.files.prefix), default=None)

    def find(self, opened: OpenedSource, files: str | None) -> list[Candidate]:
        """Candidates for one cell of the roster's column `files`, each with its own source's license."""
        return [self._claimed(candidate) for candidate in opened.files.find(files)]

    def stamp(self, files: str | None) -> list[str]:
        """Lines that change when one of the files in a cell of the roster does."""
        return [stamp for opened in self._opened for stamp in opened.files.stamp(files)]

    def _claimed(self, candidate: Candidate) -> Candidate:
        owner = self.of(candidate.url)
        return candidate if owner is None else replace(candidate, claim=owner.source.stated_license)
